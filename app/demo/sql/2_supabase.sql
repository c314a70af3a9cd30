-- What a Supabase project's database holds before anyone creates a table. Run as the superuser, in that database.
create schema auth;
create schema extensions;
create schema supabase_migrations authorization postgres;

grant usage on schema auth, extensions, public to anon, authenticated, service_role, postgres;
grant create on schema public to postgres;

-- New tables in public are granted to nobody: migrations say themselves who may use them.

-- The caller's claims, as the API sets them: one JSON document now, a setting for each claim in older versions.
create function auth.jwt() returns jsonb
language sql stable
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')
  )::jsonb
$$;

create function auth.uid() returns uuid
language sql stable
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
  )::uuid
$$;

create function auth.role() returns text
language sql stable
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.role', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
  )
$$;

-- As the Supabase CLI creates it.
create table supabase_migrations.schema_migrations (
  version text not null primary key,
  statements text[],
  name text
);
alter table supabase_migrations.schema_migrations owner to postgres;
grant usage on schema supabase_migrations to runner_diagnostics;
grant select on supabase_migrations.schema_migrations to runner_diagnostics;
