-- The same for the last slots of each run, with what served them: $6 the number of slots. See served_slots.sql.
select
  served.id, served.slot >> 6 as word,
  pg_catalog.bit_or(served.bit) as served,
  pg_catalog.bit_or(served.bit) filter (where served.status = 'ok') as ok,
  pg_catalog.bit_or(served.bit) filter (where served.status = 'blocked') as blocked,
  pg_catalog.bit_or(served.bit) filter (where served.status = 'error') as error
from (
  select tick.strategy_run_id as id, tick.status, slot.slot, 1::bigint << (slot.slot & 63)::integer as bit
  from :"schema".strategy_tick_runs as tick
  join (
    select run.id, run.user_id, coalesce(known.period, $5::bigint) as period
    from :"schema".strategy_runs as run
    left join rows from (pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::bigint[])) as known (timeframe, period)
      on known.timeframe = run.timeframe
    where run.status = 'active'
    offset bigint '0'
  ) as run on run.id = tick.strategy_run_id
  cross join lateral (
    select pg_catalog.floor(pg_catalog.date_part('epoch', tick.scheduled_at) + 5)::bigint / run.period as slot
  ) as slot
  where tick.scheduled_at > $2 and tick.scheduled_at <= $1::timestamptz + interval '5 seconds'
    and pg_catalog.date_part('epoch', $1::timestamptz - tick.scheduled_at) < run.period * ($6::integer + 1)
    and coalesce(tick.user_id = run.user_id, true)
  offset bigint '0'
) as served
group by served.id, served.slot >> 6
