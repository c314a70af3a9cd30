-- The last hour of ticks as the runner wrote them before the third migration: by legacy strategy. Run as postgres.
insert into public.strategies (id, user_id, name, enabled)
select run.id, run.user_id, run.symbol || ' ' || run.timeframe, run.status = 'active'
from public.strategy_runs as run;

insert into public.strategy_tick_runs (
  strategy_id, user_id, scheduled_at, started_at, finished_at, status, signal, latency_ms
)
select strategy.id, strategy.user_id, slot.at, slot.at, slot.at, 'ok', 'hold', 120
from public.strategies as strategy
cross join lateral pg_catalog.generate_series(
  pg_catalog.date_bin('5 minutes', pg_catalog.now(), 'epoch') - interval '1 hour 4 seconds',
  pg_catalog.now(),
  '5 minutes'
) as slot (at)
where strategy.enabled;

insert into public.strategy_locks (strategy_id, locked_until, lock_owner)
select strategy.id, pg_catalog.now() + interval '2 minutes', 'runner-1'
from public.strategies as strategy
where strategy.enabled;
