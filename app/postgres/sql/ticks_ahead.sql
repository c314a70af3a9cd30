-- Ticks that lie ahead of the clock; there may be any number, so no more than 1,000 are counted. $1 asOf.
select tick.id
from :"schema".strategy_tick_runs as tick
where tick.scheduled_at > $1::timestamptz + interval '5 seconds'
order by tick.scheduled_at desc, tick.id desc
limit 1000
