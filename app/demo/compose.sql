-- The demo's project for docker-compose.yml, run by psql as the superuser when the database is first made.
-- The folder of the demo is /demo, or what `psql -v demo=...` says.
\set ON_ERROR_STOP on
\if :{?demo}
\else
  \set demo /demo
\endif

\set file :demo/sql/1_roles.sql
\i :file
alter role postgres password 'local-development';
alter role authenticator password 'local-development';
alter role runner_diagnostics password 'local-development';
\set file :demo/sql/2_supabase.sql
\i :file

set session authorization postgres;
\set file :demo/sql/3_platform.sql
\i :file

\set file :demo/migrations/20260129150000_strategy_runs_and_events.sql
\i :file
\set statements `cat :file`
insert into supabase_migrations.schema_migrations (version, statements, name)
values ('20260129150000', array[:'statements'], 'strategy_runs_and_events');

\set file :demo/migrations/20260129160000_strategy_runner.sql
\i :file
\set statements `cat :file`
insert into supabase_migrations.schema_migrations (version, statements, name)
values ('20260129160000', array[:'statements'], 'strategy_runner');

\set file :demo/migrations/20260129170000_unify_runner_strategy_runs.sql
\i :file
\set statements `cat :file`
insert into supabase_migrations.schema_migrations (version, statements, name)
values ('20260129170000', array[:'statements'], 'unify_runner_strategy_runs');

\set file :demo/sql/4_people.sql
\i :file
\set file :demo/sql/5_ticks.sql
\i :file
reset session authorization;
