-- The active strategies, in the order in which the runner takes them.
select run.id, run.user_id, run.exchange, run.timeframe, run.strategy_key
from public.strategy_runs as run
where run.status = 'active'
order by run.id
