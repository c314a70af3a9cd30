-- The conditions of a table's policies, in the server's own text. pg_get_expr waits behind an ACCESS EXCLUSIVE lock on
-- the table, which is why they are no part of catalogue.sql. $1 schema, $2 table.
select
  policy.polname::text as name,
  pg_catalog.pg_get_expr(policy.polqual, policy.polrelid) as using_condition,
  pg_catalog.pg_get_expr(policy.polwithcheck, policy.polrelid) as check_condition
from pg_catalog.pg_policy as policy
join pg_catalog.pg_class as class on class.oid = policy.polrelid
join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
where namespace.nspname = $1 and class.relname = $2
order by policy.polname collate "C"
