-- Who uses the demo's platform: 57 more users and 204 more strategies, of which app/demo/activity.py plays a day.
-- The numbers of those that something is wrong with are named there. Needs all three migrations. Run as postgres.
insert into public.user_profiles (id, display_name)
select ('00000000-0000-4000-8000-' || lpad(number::text, 12, '0'))::uuid, 'User ' || number
from pg_catalog.generate_series(101, 157) as number;

insert into public.user_exchange_connections (id, user_id, exchange, label)
select ('10000000-0000-4000-8000-' || right(profile.id::text, 12))::uuid, profile.id, 'bybit', 'main'
from public.user_profiles as profile
where profile.display_name like 'User %';

insert into public.strategy_runs (
  id, user_id, exchange_connection_id, exchange, symbol, timeframe, status, strategy_key,
  created_at, updated_at
)
select
  ('20000000-0000-4000-8000-' || lpad((1000 + number)::text, 12, '0'))::uuid,
  ('00000000-0000-4000-8000-' || lpad((101 + number % 57)::text, 12, '0'))::uuid,
  ('10000000-0000-4000-8000-' || lpad((101 + number % 57)::text, 12, '0'))::uuid,
  case number when 191 then 'kraken' else 'bybit' end,
  (array['BTC', 'ETH', 'SOL', 'XRP', 'ADA', 'DOGE', 'AVAX', 'LINK'])[1 + number % 8] || '-USD',
  (array['1m', '5m', '5m', '5m', '5m', '5m', '15m', '15m', '15m', '1h'])[1 + number % 10],
  case when number > 199 then 'draft' when number > 194 then 'stopped' else 'active' end,
  case
    when number in (190, 192, 193) then 'news_sentiment'
    when number = 194 then 'order_book_replay'
    else (array['ema_cross', 'rsi_reversal', 'breakout'])[1 + number % 3]
  end,
  pg_catalog.now() - interval '30 days', pg_catalog.now() - interval '30 days'
from pg_catalog.generate_series(1, 204) as number;

-- One lock was left by a runner that died while it ticked, and has expired. The other one somebody took by hand for a
-- day, and then stopped the strategy.
insert into public.strategy_locks (strategy_run_id, locked_until, lock_owner, updated_at)
values
  (
    '20000000-0000-4000-8000-000000001191', pg_catalog.now() - interval '2 hours 58 minutes', 'runner-2',
    pg_catalog.now() - interval '3 hours'
  ),
  (
    '20000000-0000-4000-8000-000000001195', pg_catalog.now() + interval '1 day', 'maintenance',
    pg_catalog.now() - interval '20 minutes'
  );

-- One user has been paused for six hours, which may reach back into yesterday, and stays so for some days.
insert into public.strategy_risk_state (user_id, day, realized_pnl, is_paused, paused_reason, paused_until)
select
  '00000000-0000-4000-8000-000000000157', days.day::date, -1250, true, 'daily loss limit reached',
  pg_catalog.now() + interval '3 days'
from pg_catalog.generate_series(
  pg_catalog.date_trunc('day', (pg_catalog.now() - interval '6 hours') at time zone 'utc'),
  pg_catalog.now() at time zone 'utc',
  '1 day'
) as days (day)
union all
select profile.id, (pg_catalog.now() at time zone 'utc')::date, 0, false, null, null
from public.user_profiles as profile
where profile.role = 'user' and profile.id <> '00000000-0000-4000-8000-000000000157';
