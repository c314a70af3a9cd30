-- What an owner who does not give up does in the dashboard after the runner paused a strategy. $1 its id.
update public.strategy_runs as run
set status = 'active'
where run.id = $1 and run.status = 'paused'
