-- Which columns ticks have. $1 schema.
select attribute.attname::text as name
from pg_catalog.pg_attribute as attribute
join pg_catalog.pg_class as class on class.oid = attribute.attrelid
join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
where namespace.nspname = $1 and class.relname = 'strategy_tick_runs'
  and attribute.attnum > 0
  and not attribute.attisdropped
order by attribute.attnum
