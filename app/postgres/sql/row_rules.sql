-- What a new row of a table must satisfy, what its columns hold where nothing is said, both in the server's own text,
-- and the columns of which something must be said.
-- pg_get_expr waits behind an ACCESS EXCLUSIVE lock on the table, which is why they are no part of catalogue.sql.
-- $1 schema, $2 table.
select
  array(
    select pg_catalog.pg_get_expr(con.conbin, con.conrelid)
    from pg_catalog.pg_constraint as con
    where con.conrelid = class.oid
      and con.contype = 'c'
      -- NOT ENFORCED, since Postgres 18: no row is held to it.
      and coalesce((pg_catalog.to_jsonb(con) ->> 'conenforced')::boolean, true)
    order by con.conname collate "C"
  ) as checks,
  (
    select coalesce(
      pg_catalog.jsonb_object_agg(attribute.attname, pg_catalog.pg_get_expr(fallback.adbin, fallback.adrelid)), '{}'
    )::text
    from pg_catalog.pg_attrdef as fallback
    join pg_catalog.pg_attribute as attribute
      on attribute.attrelid = fallback.adrelid and attribute.attnum = fallback.adnum
    where fallback.adrelid = class.oid
      -- A generated column's expression is computed from the others, whatever is granted.
      and attribute.attgenerated = ''
  ) as defaults,
  array(
    select attribute.attname::text
    from pg_catalog.pg_attribute as attribute
    join pg_catalog.pg_type as type on type.oid = attribute.atttypid
    where attribute.attrelid = class.oid
      and attribute.attnum > 0
      and not attribute.attisdropped
      and attribute.attnotnull
      and not attribute.atthasdef
      and attribute.attidentity = ''
      and type.typdefault is null
    order by attribute.attname collate "C"
  ) as required
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
where namespace.nspname = $1 and class.relname = $2
