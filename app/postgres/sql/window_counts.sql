-- A span's ticks by what they say, by their latency and by their delay, in whole milliseconds. The first grouping makes
-- few groups, so that it can run in parallel (as a latency is most of a delay, the two together make not many more than
-- each); those of the answer are made of them. The fence (see served_slots.sql) lets a delay be computed once a tick.
-- $1 the time up to which, $2 that after which; $3 of the most frequent reasons, how many.
with exact as materialized (
  select tick.status, tick.signal, tick.reason, tick.latency_ms, tick.delay, pg_catalog.count(*) as number
  from (
    select
      tick.status, tick.signal, pg_catalog.left(tick.reason, 200) as reason, tick.latency_ms,
      pg_catalog.date_trunc(
        'milliseconds', case when pg_catalog.isfinite(tick.finished_at) then tick.finished_at - tick.scheduled_at end
      ) as delay
    from :"schema".strategy_tick_runs as tick
    where tick.scheduled_at > $2 and tick.scheduled_at <= $1
    offset bigint '0'
  ) as tick
  group by tick.status, tick.signal, tick.reason, tick.latency_ms, tick.delay
)
select 'status' as kind, coalesce(exact.status, 'null') as name, null::bigint as ms, pg_catalog.sum(exact.number)::bigint as number
from exact
group by coalesce(exact.status, 'null')
union all
select 'signal', exact.signal, null, pg_catalog.sum(exact.number)::bigint
from exact
where exact.signal is not null
group by exact.signal
union all
select 'latency', null, greatest(exact.latency_ms, 0), pg_catalog.sum(exact.number)::bigint
from exact
where exact.latency_ms is not null
group by greatest(exact.latency_ms, 0)
union all
select 'delay', null, delay.ms, pg_catalog.sum(delay.number)::bigint
from (
  select greatest((pg_catalog.date_part('epoch', exact.delay) * 1000)::bigint, 0) as ms, exact.number
  from exact
  where exact.delay is not null
) as delay
group by delay.ms
union all
(
  select 'reason', exact.reason, null, pg_catalog.sum(exact.number)::bigint as number
  from exact
  where exact.reason is not null
  group by exact.reason
  order by number desc, exact.reason collate "C"
  limit $3
)
