-- Any run with ticks.
select tick.strategy_run_id
from public.strategy_tick_runs as tick
order by tick.scheduled_at desc, tick.id desc
limit 1
