-- A span's ticks for each bucket by status and latency, with the latencies that lie within 5 % of each other taken
-- together: band n is of those from 1.05 ^ n ms on, and -1 of those of none. $1 the time up to which, $2 that after
-- which, $3 the width of a bucket. The fence (see served_slots.sql) lets a group be computed once a tick.
select tick.bucket, tick.status, tick.band, pg_catalog.count(*) as number
from (
  select
    pg_catalog.date_bin($3::interval, tick.scheduled_at, '1970-01-01Z') as bucket,
    coalesce(tick.status, 'null') as status,
    case
      when tick.latency_ms < 1 then -1
      when tick.latency_ms is not null
        then pg_catalog.floor(pg_catalog.ln(tick.latency_ms::float8) / pg_catalog.ln(1.05::float8))::integer
    end as band
  from :"schema".strategy_tick_runs as tick
  where tick.scheduled_at > $2 and tick.scheduled_at <= $1
  offset bigint '0'
) as tick
group by tick.bucket, tick.status, tick.band
