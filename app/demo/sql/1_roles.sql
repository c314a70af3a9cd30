-- The roles of a Supabase project, as far as policies and this service can tell. Run as the cluster's superuser.
-- Nobody logs in as anon, authenticated or service_role: the API's login becomes one of them.
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role authenticator login noinherit;
grant anon, authenticated, service_role to authenticator;

-- The owner of everything in public: not a superuser on Supabase.
create role postgres login createdb createrole bypassrls;
grant anon, authenticated, service_role to postgres with admin option;

-- The login of this service: all it can do is become service_role to read, and anon and authenticated to try what
-- they see, and read the migration history (2_supabase.sql).
create role runner_diagnostics login noinherit;
grant anon, authenticated, service_role to runner_diagnostics;
