-- The last hour of ticks of the active runs, each at its candle boundaries: about one in nine is skipped, and never two
-- in a row, for three without an ok would be a finding. Needs all three migrations. Run as postgres.
insert into public.strategy_tick_runs (
  strategy_run_id, user_id, scheduled_at, started_at, finished_at, status, reason, signal, latency_ms
)
select
  run.id, run.user_id, slot.boundary - interval '4 seconds', slot.boundary - interval '3 seconds',
  slot.boundary - interval '3 seconds',
  case when outcome.skips then 'skipped' else 'ok' end,
  case when outcome.skips then 'cooldown' end,
  case when not outcome.skips then (array['hold', 'hold', 'buy', 'hold', 'sell'])[1 + outcome.number % 5] end,
  case when not outcome.skips then 80 + outcome.number % 97 end
from public.strategy_runs as run
cross join lateral (
  select case run.timeframe when '1m' then interval '1 minute' else interval '5 minutes' end as length
) as period
cross join lateral pg_catalog.generate_series(
  pg_catalog.date_bin(period.length, pg_catalog.now() - interval '1 hour', 'epoch') + period.length,
  pg_catalog.now(),
  period.length
) as slot (boundary)
cross join lateral (
  select
    pg_catalog.abs(pg_catalog.hashtext(run.id::text || slot.boundary::text)) as number,
    pg_catalog.abs(pg_catalog.hashtext(run.id::text || slot.boundary::text)) % 3 = 0
      and pg_catalog.date_bin(period.length * 3, slot.boundary, 'epoch') = slot.boundary as skips
) as outcome
where run.status = 'active';

update public.strategy_runs as run
set last_run_at = newest.at
from (
  select tick.strategy_run_id, max(tick.scheduled_at) as at
  from public.strategy_tick_runs as tick
  where tick.status = 'ok'
  group by tick.strategy_run_id
) as newest
where newest.strategy_run_id = run.id;

insert into public.strategy_risk_state (user_id, day, is_paused, paused_reason)
select id, (now() at time zone 'utc')::date, false, null from public.user_profiles where role = 'user';
