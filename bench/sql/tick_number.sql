-- The place of a tick by its number from the newest on. $1 number.
select tick.scheduled_at, tick.id
from public.strategy_tick_runs as tick
order by tick.scheduled_at desc, tick.id desc
offset $1::bigint - 1
limit 1
