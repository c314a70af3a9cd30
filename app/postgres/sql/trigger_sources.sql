-- What the functions of a table's triggers are made of, to tell those that could keep a value out. $1 schema, $2 table.
select
  trigger.tgname::text as name,
  -- Of tgtype: 2 is before.
  trigger.tgtype & 2 <> 0 as before,
  language.lanname::text as language,
  -- A function in SQL's own syntax has no source.
  coalesce(nullif(function.prosrc, ''), 'execute') as source
from pg_catalog.pg_trigger as trigger
join pg_catalog.pg_class as class on class.oid = trigger.tgrelid
join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
join pg_catalog.pg_proc as function on function.oid = trigger.tgfoid
join pg_catalog.pg_language as language on language.oid = function.prolang
where namespace.nspname = $1
  and class.relname = $2
  and not trigger.tgisinternal
order by trigger.tgname collate "C"
