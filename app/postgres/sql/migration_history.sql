-- The recorded migrations. The first Supabase versions recorded no name: where the inner FROM has no such column, the
-- name is found in the outer one, and is null. $1 the number of rows at which it is given up.
select history.version, history.name
from (select null::text as name) as absent
cross join lateral (
  select schema_migrations.version::text as version, name::text as name
  from supabase_migrations.schema_migrations
) as history
order by history.version collate "C"
limit $1
