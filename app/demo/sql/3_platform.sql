-- The platform's own tables, which the runner's migrations refer to. Run as postgres.
create table public.user_profiles (
  id uuid primary key default gen_random_uuid(),
  role text not null default 'user' check (role in ('user', 'admin')),
  display_name text,
  created_at timestamptz not null default now()
);

create table public.user_exchange_connections (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.user_profiles (id) on delete cascade,
  exchange text not null,
  label text,
  created_at timestamptz not null default now()
);
create index user_exchange_connections_user_id on public.user_exchange_connections (user_id);

alter table public.user_profiles enable row level security;
alter table public.user_exchange_connections enable row level security;

create policy "Users read their own profile" on public.user_profiles
  for select to authenticated using ((select auth.uid()) = id);
create policy "Users rename themselves" on public.user_profiles
  for update to authenticated using ((select auth.uid()) = id) with check ((select auth.uid()) = id);
create policy "Users manage their own connections" on public.user_exchange_connections
  for all to authenticated using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);

-- The grant leaves out role: whoever could write that column could make themselves admin.
grant select on public.user_profiles to authenticated;
grant update (display_name) on public.user_profiles to authenticated;
grant select, insert, update, delete on public.user_exchange_connections to authenticated;
grant all on public.user_profiles, public.user_exchange_connections to service_role;

create function public.touch_updated_at() returns trigger
language plpgsql
as $$
begin
  new.updated_at := now();
  return new;
end
$$;
