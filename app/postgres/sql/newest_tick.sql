-- The newest tick of all. One that lies ahead of the clock is none. $1 asOf.
select tick.scheduled_at, coalesce(tick.status, 'null') as status
from :"schema".strategy_tick_runs as tick
where tick.scheduled_at <= $1::timestamptz + interval '5 seconds' and tick.scheduled_at > '0001-01-02Z'
order by tick.scheduled_at desc, tick.id desc
limit 1
