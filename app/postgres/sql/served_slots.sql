-- Which slots of each active run were served, 64 to a word; a word's bit n is slot 64 * word + n. $1 the time up to
-- which, $2 that after which ticks are looked at; $3 timeframes and $4 their periods in seconds, $5 that of every other
-- timeframe.
-- The fences (OFFSET 0 keeps a part from being merged into what is around it) let a period be looked up once a run
-- instead of once a tick, and a slot be computed once instead of twice. They are constants of the type that OFFSET has,
-- for a fence that is computed keeps workers out. Grouped by the tick's own run, of which the planner knows how many
-- there are.
select served.id, served.slot >> 6 as word, pg_catalog.bit_or(1::bigint << (served.slot & 63)::integer) as served
from (
  select
    tick.strategy_run_id as id,
    pg_catalog.floor(pg_catalog.date_part('epoch', tick.scheduled_at) + 5)::bigint / run.period as slot
  from :"schema".strategy_tick_runs as tick
  join (
    select run.id, run.user_id, coalesce(known.period, $5::bigint) as period
    from :"schema".strategy_runs as run
    left join rows from (pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::bigint[])) as known (timeframe, period)
      on known.timeframe = run.timeframe
    where run.status = 'active'
    offset bigint '0'
  ) as run on run.id = tick.strategy_run_id
  where tick.scheduled_at > $2 and tick.scheduled_at <= $1
    and coalesce(tick.user_id = run.user_id, true)
  offset bigint '0'
) as served
group by served.id, served.slot >> 6
