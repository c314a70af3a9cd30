-- One admin and three users with their connections and runs, in every state of the schema. Run as postgres.
insert into public.user_profiles (id, role, display_name) values
  ('00000000-0000-4000-8000-000000000001', 'admin', 'Ada'),
  ('00000000-0000-4000-8000-000000000002', 'user', 'Ben'),
  ('00000000-0000-4000-8000-000000000003', 'user', 'Cleo'),
  ('00000000-0000-4000-8000-000000000004', 'user', 'Dan');

insert into public.user_exchange_connections (id, user_id, exchange, label)
select ('10000000-0000-4000-8000-' || right(profile.id::text, 12))::uuid, profile.id, 'bybit', 'main'
from public.user_profiles as profile
where profile.role = 'user';

insert into public.strategy_runs (
  id, user_id, exchange_connection_id, exchange, symbol, timeframe, status, order_size_pct
)
select
  ('20000000-0000-4000-8000-' || lpad((10 * user_number + pair.position)::text, 12, '0'))::uuid,
  connection.user_id, connection.id, connection.exchange, pair.symbol, pair.timeframe, pair.status, 2.5
from (
  select connection.*, row_number() over (order by connection.user_id) as user_number
  from public.user_exchange_connections as connection
) as connection
cross join (
  values
    (1, 'BTC-USD', '5m', 'active'),
    (2, 'ETH-USD', '1m', 'active'),
    (3, 'SOL-USD', '15m', 'paused')
) as pair (position, symbol, timeframe, status);
