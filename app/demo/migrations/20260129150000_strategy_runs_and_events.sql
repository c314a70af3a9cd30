-- Users' strategies on their way from draft to stopped, and what happens to them.

create table public.strategy_runs (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.user_profiles (id) on delete cascade,
  exchange_connection_id uuid references public.user_exchange_connections (id) on delete set null,
  exchange text not null,
  market_type text not null default 'futures',
  symbol text not null,
  timeframe text not null default '5m',
  direction text not null default 'both',
  leverage integer not null default 1 check (leverage between 1 and 125),
  margin_mode text not null default 'isolated',
  order_size_pct numeric(6, 3) not null default 1,
  stop_loss_pct numeric(6, 3),
  take_profit_pct numeric(6, 3),
  max_open_positions integer not null default 1,
  max_daily_loss_pct numeric(6, 3),
  cooldown_seconds integer not null default 0,
  strategy_key text not null default 'ema_cross',
  strategy_params jsonb not null default '{}',
  notes text,
  status text not null default 'draft' check (status in ('draft', 'active', 'paused', 'stopped')),
  last_signal_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index strategy_runs_status on public.strategy_runs (status);
create index strategy_runs_user_id on public.strategy_runs (user_id);
create trigger strategy_runs_touch_updated_at before update on public.strategy_runs
  for each row when (old.status is distinct from new.status) execute function public.touch_updated_at();

create table public.strategy_events (
  id uuid primary key default gen_random_uuid(),
  strategy_run_id uuid not null references public.strategy_runs (id) on delete cascade,
  user_id uuid not null references public.user_profiles (id) on delete cascade,
  event_type text not null,
  payload jsonb not null default '{}',
  created_at timestamptz not null default now()
);
create index strategy_events_strategy_run_id on public.strategy_events (strategy_run_id);

alter table public.strategy_runs enable row level security;
alter table public.strategy_events enable row level security;

create policy "Users manage their own runs" on public.strategy_runs
  for all to authenticated using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
create policy "Users read their own events" on public.strategy_events
  for select to authenticated using ((select auth.uid()) = user_id);

grant select, insert, update, delete on public.strategy_runs to authenticated;
grant select on public.strategy_events to authenticated;
grant all on public.strategy_runs, public.strategy_events to service_role;
