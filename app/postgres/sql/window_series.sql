-- The window's ticks by status and latency: once exactly, without a bucket, and once for each bucket with the latencies
-- that lie within 5 % of each other taken together. $1 asOf, $2 the window's start, $3 the width of a bucket.
with exact as materialized (
  select
    pg_catalog.date_bin($3::interval, tick.scheduled_at, '1970-01-01Z') as bucket,
    tick.status, tick.latency_ms, pg_catalog.count(*) as number
  from :"schema".strategy_tick_runs as tick
  where tick.scheduled_at > $2 and tick.scheduled_at <= $1
  group by bucket, tick.status, tick.latency_ms
)
select null::timestamptz as bucket, null::text as status, greatest(exact.latency_ms, 0) as latency_ms,
  pg_catalog.sum(exact.number)::bigint as number
from exact
where exact.latency_ms is not null
group by greatest(exact.latency_ms, 0)
union all
select exact.bucket, coalesce(exact.status, 'null'), pg_catalog.max(case when exact.latency_ms < 0 then 0 else exact.latency_ms end),
  pg_catalog.sum(exact.number)::bigint
from exact
group by
  exact.bucket, exact.status, exact.latency_ms is null,
  pg_catalog.floor(pg_catalog.ln(greatest(exact.latency_ms, 1)::float8) / pg_catalog.ln(1.05::float8))
