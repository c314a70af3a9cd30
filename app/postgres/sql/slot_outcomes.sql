-- The same for the last slots of each run, with what served them: $6 the number of slots.
select
  served.number, served.slot >> 6 as word,
  pg_catalog.bit_or(served.bit) as served,
  pg_catalog.bit_or(served.bit) filter (where served.status = 'ok') as ok,
  pg_catalog.bit_or(served.bit) filter (where served.status = 'blocked') as blocked,
  pg_catalog.bit_or(served.bit) filter (where served.status = 'error') as error
from (
  select run.number, tick.status, slot.slot, 1::bigint << (slot.slot & 63)::integer as bit
  from :"schema".strategy_tick_runs as tick
  join pg_catalog.unnest($3::uuid[], $4::uuid[], $5::bigint[]) with ordinality as run (id, user_id, period, number)
    on run.id = tick.strategy_run_id
  cross join lateral (
    select pg_catalog.floor(pg_catalog.date_part('epoch', tick.scheduled_at) + 5)::bigint / run.period as slot
  ) as slot
  where tick.scheduled_at > $2 and tick.scheduled_at <= $1::timestamptz + interval '5 seconds'
    and tick.scheduled_at > $1::timestamptz - pg_catalog.make_interval(secs => (run.period * ($6::integer + 1))::float8)
    and (tick.user_id <> run.user_id) is not true
) as served
group by served.number, served.slot >> 6
order by served.number, word
