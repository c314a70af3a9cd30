-- The newest ticks, with the columns of a page. $1 how many.
select
  tick.id, tick.strategy_run_id, tick.user_id, tick.scheduled_at, tick.started_at, tick.finished_at, tick.status,
  tick.reason, tick.signal, tick.latency_ms
from public.strategy_tick_runs as tick
order by tick.scheduled_at desc, tick.id desc
limit $1
