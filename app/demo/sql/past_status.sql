-- Which strategies were paused in the day that was played. A trigger notes the present as the time of the change, so
-- that past_times.sql must come after this. $1 ids.
update public.strategy_runs as run
set status = 'paused'
where run.id = any ($1)
