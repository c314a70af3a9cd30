-- The ticks scheduled since a time, those of some statuses or (with null) all.
select tick.id
from public.strategy_tick_runs as tick
where tick.scheduled_at >= $1 and ($2::text[] is null or tick.status = any($2))
order by tick.id
