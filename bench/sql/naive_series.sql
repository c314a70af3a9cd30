-- The series of a window as one would first write it: a sort of the latencies of every bucket. $1 the start, $2 the end.
select
  date_bin('15 minutes', tick.scheduled_at, $1) as bucket,
  tick.status,
  count(*) as number,
  percentile_cont(0.95) within group (order by tick.latency_ms) as p95
from public.strategy_tick_runs as tick
where tick.scheduled_at > $1 and tick.scheduled_at <= $2
group by bucket, tick.status
order by bucket, tick.status
