-- What a person types to verify the third migration by hand, with psql: its columns, and the key of the locks.
select column_name, data_type
from information_schema.columns
where table_schema = 'public' and table_name = 'strategy_runs' and column_name in ('last_run_at', 'last_signal_at');

select column_name, data_type
from information_schema.columns
where table_schema = 'public' and table_name = 'strategy_tick_runs' and column_name = 'strategy_run_id';

select attribute.attname
from pg_catalog.pg_index as index
join pg_catalog.pg_attribute as attribute
  on attribute.attrelid = index.indrelid and attribute.attnum = any (index.indkey)
where index.indrelid = 'public.strategy_locks'::pg_catalog.regclass and index.indisprimary;
