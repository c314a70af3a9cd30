-- The moment that the ticks lead up to, as ticks.sql was given it but for the seconds; null where there are none.
select max(tick.scheduled_at) + interval '4 seconds' as as_of
from public.strategy_tick_runs as tick
