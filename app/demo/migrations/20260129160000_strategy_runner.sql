-- The runner: an audit row for each tick, a user's risk state for each day, and a lock while a strategy is ticked.

create table public.strategies (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.user_profiles (id) on delete cascade,
  name text not null,
  enabled boolean not null default false,
  created_at timestamptz not null default now()
);

create table public.strategy_tick_runs (
  id uuid primary key default gen_random_uuid(),
  strategy_id uuid not null references public.strategies (id) on delete cascade,
  user_id uuid not null references public.user_profiles (id) on delete cascade,
  scheduled_at timestamptz not null,
  started_at timestamptz not null,
  finished_at timestamptz,
  status text not null check (status in ('ok', 'skipped', 'blocked', 'error')),
  reason text,
  signal text check (signal in ('buy', 'sell', 'hold')),
  latency_ms integer,
  meta jsonb not null default '{}'
);
create index strategy_tick_runs_scheduled_at on public.strategy_tick_runs (scheduled_at desc);
create index strategy_tick_runs_strategy_id on public.strategy_tick_runs (strategy_id);
create index strategy_tick_runs_user_id on public.strategy_tick_runs (user_id);

create table public.strategy_risk_state (
  user_id uuid not null references public.user_profiles (id) on delete cascade,
  day date not null,
  realized_pnl numeric not null default 0,
  is_paused boolean not null default false,
  paused_reason text,
  paused_until timestamptz,
  primary key (user_id, day)
);

create table public.strategy_locks (
  strategy_id uuid primary key references public.strategies (id) on delete cascade,
  locked_until timestamptz not null,
  lock_owner text not null,
  updated_at timestamptz not null default now()
);
create trigger strategy_locks_touch_updated_at before update on public.strategy_locks
  for each row execute function public.touch_updated_at();

alter table public.strategies enable row level security;
alter table public.strategy_tick_runs enable row level security;
alter table public.strategy_risk_state enable row level security;
alter table public.strategy_locks enable row level security;

create policy "Users manage their own strategies" on public.strategies
  for all to authenticated using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
create policy "Users read their own ticks, admins all" on public.strategy_tick_runs
  for select to authenticated using (
    (select auth.uid()) = user_id
    or exists (
      select from public.user_profiles where id = (select auth.uid()) and role = 'admin'
    )
  );
create policy "Users read their own risk state" on public.strategy_risk_state
  for select to authenticated using ((select auth.uid()) = user_id);

grant select, insert, update, delete on public.strategies to authenticated;
grant select on public.strategy_tick_runs, public.strategy_risk_state to authenticated;
grant all on public.strategies, public.strategy_tick_runs, public.strategy_risk_state, public.strategy_locks
  to service_role;
