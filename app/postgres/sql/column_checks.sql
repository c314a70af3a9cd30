-- The CHECKs that look at a column, with their names and conditions, and the values its type lists if it is an enum.
-- pg_get_expr waits behind an ACCESS EXCLUSIVE lock on the table, which is why this is no part of catalogue.sql.
-- $1 schema, $2 table, $3 column.
select
  coalesce(
    pg_catalog.array_agg(con.conname::text order by con.conname collate "C")
      filter (where con.oid is not null and pg_catalog.cardinality(con.conkey) = 1),
    '{}'
  ) as names,
  coalesce(
    pg_catalog.array_agg(pg_catalog.pg_get_expr(con.conbin, con.conrelid) order by con.conname collate "C")
      filter (where con.oid is not null and pg_catalog.cardinality(con.conkey) = 1),
    '{}'
  ) as conditions,
  coalesce(
    pg_catalog.array_agg(con.conname::text order by con.conname collate "C")
      filter (where con.oid is not null and pg_catalog.cardinality(con.conkey) > 1),
    '{}'
  ) as shared,
  array(
    select enum.enumlabel::text
    from pg_catalog.pg_enum as enum
    where enum.enumtypid = attribute.atttypid
    order by enum.enumsortorder
  ) as labels
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
join pg_catalog.pg_attribute as attribute on attribute.attrelid = class.oid
left join pg_catalog.pg_constraint as con
  on con.conrelid = class.oid
  and con.contype = 'c'
  and attribute.attnum = any (con.conkey)
  -- NOT ENFORCED, since Postgres 18: no row is held to it.
  and coalesce((pg_catalog.to_jsonb(con) ->> 'conenforced')::boolean, true)
where namespace.nspname = $1
  and class.relname = $2
  and attribute.attname = $3
  and not attribute.attisdropped
group by attribute.atttypid
