-- As many strategies as the setting bench.strategies says, ticked every half minute, of a hundred users. Run as postgres,
-- after the demo's people.
insert into public.user_profiles (id, display_name)
select ('00000000-0000-4000-8000-' || lpad(number::text, 12, '0'))::uuid, 'User ' || number
from pg_catalog.generate_series(100, 199) as number;

insert into public.strategy_runs (id, user_id, exchange, symbol, timeframe, status, created_at, updated_at)
select
  ('20000000-0000-4000-8000-' || lpad((1000 + number)::text, 12, '0'))::uuid,
  ('00000000-0000-4000-8000-' || lpad((100 + number % 100)::text, 12, '0'))::uuid,
  'bybit', 'BTC-USD', '30s', 'active', pg_catalog.now() - interval '1 year', pg_catalog.now() - interval '1 year'
from pg_catalog.generate_series(0, pg_catalog.current_setting('bench.strategies')::integer - 1) as number;
