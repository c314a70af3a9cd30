-- The figures of a window as one would first write them: exact percentiles by sorting every latency.
-- $1 the start, $2 the end.
select
  count(*) as total,
  count(*) filter (where tick.status = 'ok') as ok,
  count(*) filter (where tick.status = 'skipped') as skipped,
  count(*) filter (where tick.status = 'blocked') as blocked,
  count(*) filter (where tick.status = 'error') as error,
  percentile_cont(array[0.5, 0.95, 0.99]) within group (order by tick.latency_ms) as percentiles,
  max(tick.latency_ms) as longest
from public.strategy_tick_runs as tick
where tick.scheduled_at > $1 and tick.scheduled_at <= $2
