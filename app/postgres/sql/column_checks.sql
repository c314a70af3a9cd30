-- The CHECKs that look at a column, with their names and conditions, the values its type lists if it is an enum, and
-- the further CHECKs of partitions.
-- pg_get_expr waits behind an ACCESS EXCLUSIVE lock on the table, which is why this is no part of catalogue.sql.
-- $1 schema, $2 table, $3 column.
with recursive
  descendants as (
    select inherits.inhrelid as oid
    from pg_catalog.pg_inherits as inherits
    join pg_catalog.pg_class as parent on parent.oid = inherits.inhparent
    join pg_catalog.pg_namespace as namespace on namespace.oid = parent.relnamespace
    -- What is inserted into an ordinary table stays there, whatever inherits from it.
    where namespace.nspname = $1 and parent.relname = $2 and parent.relkind = 'p'
    union all
    select inherits.inhrelid
    from descendants
    join pg_catalog.pg_inherits as inherits on inherits.inhparent = descendants.oid
  ),
  -- The CHECKs that partitions have of their own, beside those of the table.
  own_checks as (
    select
      class.oid, class.relname,
      pg_catalog.jsonb_agg(pg_catalog.pg_get_expr(con.conbin, con.conrelid) order by con.conname collate "C")
        as conditions
    from descendants
    join pg_catalog.pg_class as class on class.oid = descendants.oid
    join pg_catalog.pg_attribute as attribute on attribute.attrelid = class.oid and attribute.attname = $3
    join pg_catalog.pg_constraint as con
      on con.conrelid = class.oid
      and con.contype = 'c'
      and con.conkey = array[attribute.attnum]
      and con.coninhcount = 0
      and coalesce((pg_catalog.to_jsonb(con) ->> 'conenforced')::boolean, true)
    group by class.oid, class.relname
  )
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
  ) as labels,
  coalesce(
    (
      select pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object('name', own_checks.relname, 'conditions', own_checks.conditions)
        order by own_checks.relname collate "C"
      )
      from own_checks
    ),
    '[]'
  )::text as partitions,
  -- Whether rows can be where the table's CHECKs are all there is.
  (
    select pg_catalog.count(*) = 0 or pg_catalog.bool_or(own_checks.oid is null)
    from descendants
    join pg_catalog.pg_class as leaf on leaf.oid = descendants.oid and leaf.relkind <> 'p'
    left join own_checks on own_checks.oid = leaf.oid
  ) as bare
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
