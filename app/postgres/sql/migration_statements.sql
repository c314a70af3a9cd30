-- Fingerprints of the recorded migrations. The statements themselves may hold secrets and never leave the server.
-- White space and semicolons are left out, for the recorder splits a file at them in its own way. Histories that
-- record no statements give null, as in migration_history.sql.
select
  history.version,
  pg_catalog.encode(
    pg_catalog.sha256(
      pg_catalog.convert_to(
        pg_catalog.regexp_replace(pg_catalog.array_to_string(history.statements, ''), '[\s;]', '', 'g'), 'UTF8'
      )
    ),
    'hex'
  ) as statements_sha256
from (select null::text[] as statements) as absent
cross join lateral (
  select schema_migrations.version::text as version, statements
  from supabase_migrations.schema_migrations
) as history
order by history.version collate "C"
