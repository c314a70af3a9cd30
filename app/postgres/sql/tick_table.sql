-- What tells that ticks were deleted or changed, or their table was: of it and all its parts the file, the version of
-- the catalogue's row, and the numbers of rows deleted and updated; nothing where one of them is no table, of whose
-- rows nothing is counted. Those numbers lag behind, by seconds as a rule, and say nothing on a standby or where
-- track_counts is off, so that they hurry a reading of everything, and are no reason to leave one out. $1 the schema.
with recursive part as (
  select relation.oid
  from pg_catalog.pg_class as relation
  join pg_catalog.pg_namespace as namespace on namespace.oid = relation.relnamespace
  where namespace.nspname = $1 and relation.relname = 'strategy_tick_runs'
  union
  select child.inhrelid
  from part
  join pg_catalog.pg_inherits as child on child.inhparent = part.oid
)
select
  pg_catalog.string_agg(
    pg_catalog.concat_ws(
      ' ', relation.oid, relation.relfilenode, relation.xmin,
      pg_catalog.pg_stat_get_tuples_deleted(relation.oid), pg_catalog.pg_stat_get_tuples_updated(relation.oid)
    ),
    ',' order by relation.oid
  ) as state
from part
join pg_catalog.pg_class as relation on relation.oid = part.oid
having pg_catalog.bool_and(relation.relkind in ('r', 'p'))
