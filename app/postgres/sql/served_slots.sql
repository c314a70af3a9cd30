-- Which slots of each active run were served, 64 to a word; a word's bit n is slot 64 * word + n. $1 asOf, $2 the time
-- after which ticks are looked at; $3 timeframes and $4 their periods in seconds, $5 that of every other timeframe.
select served.id, served.slot >> 6 as word, pg_catalog.bit_or(1::bigint << (served.slot & 63)::integer) as served
from (
  select
    run.id,
    pg_catalog.floor(pg_catalog.date_part('epoch', tick.scheduled_at) + 5)::bigint
      / coalesce(known.period, $5::bigint) as slot
  from :"schema".strategy_tick_runs as tick
  join :"schema".strategy_runs as run on run.id = tick.strategy_run_id
  left join rows from (pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::bigint[])) as known (timeframe, period)
    on known.timeframe = run.timeframe
  where tick.scheduled_at > $2 and tick.scheduled_at <= $1::timestamptz + interval '5 seconds'
    and run.status = 'active'
    and coalesce(tick.user_id = run.user_id, true)
) as served
group by served.id, served.slot >> 6
