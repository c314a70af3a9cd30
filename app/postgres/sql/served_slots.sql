-- Which slots of each run were served, 64 to a word; a word's bit n is slot 64 * word + n. $1 asOf, $2 the time after
-- which ticks are looked at; for each run $3 its id, $4 its user, $5 its period in seconds.
select served.number, served.slot >> 6 as word, pg_catalog.bit_or(1::bigint << (served.slot & 63)::integer) as served
from (
  select
    run.number,
    pg_catalog.floor(pg_catalog.date_part('epoch', tick.scheduled_at) + 5)::bigint / run.period as slot
  from :"schema".strategy_tick_runs as tick
  join pg_catalog.unnest($3::uuid[], $4::uuid[], $5::bigint[]) with ordinality as run (id, user_id, period, number)
    on run.id = tick.strategy_run_id
  where tick.scheduled_at > $2 and tick.scheduled_at <= $1::timestamptz + interval '5 seconds'
    and (tick.user_id <> run.user_id) is not true
) as served
group by served.number, served.slot >> 6
order by served.number, word
