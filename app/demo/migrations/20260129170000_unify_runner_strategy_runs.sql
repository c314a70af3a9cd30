-- Ticks and locks belong to strategy_runs, no longer to the legacy strategies.

alter table public.strategy_runs add column if not exists last_run_at timestamptz;
create index if not exists strategy_runs_last_run_at on public.strategy_runs (last_run_at);

-- Nullable: ticks written before this migration have no run.
alter table public.strategy_tick_runs
  add column if not exists strategy_run_id uuid references public.strategy_runs (id) on delete cascade;
alter table public.strategy_tick_runs drop column if exists strategy_id;
create index if not exists strategy_tick_runs_strategy_run_id on public.strategy_tick_runs (strategy_run_id);

-- A lock lives two minutes: there is nothing to keep.
drop table if exists public.strategy_locks;
create table public.strategy_locks (
  strategy_run_id uuid primary key references public.strategy_runs (id) on delete cascade,
  locked_until timestamptz not null,
  lock_owner text not null,
  updated_at timestamptz not null default now()
);
create trigger strategy_locks_touch_updated_at before update on public.strategy_locks
  for each row execute function public.touch_updated_at();
alter table public.strategy_locks enable row level security;
grant all on public.strategy_locks to service_role;
