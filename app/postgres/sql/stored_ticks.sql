-- The newest 32 ticks, of the 1,000 stored last, of runs that the horizon tells too little of. Nothing else serves
-- "the newest of one run": there is an index on the run and one on the time, and none on both. An index on the run alone
-- keeps equal entries in the order of the rows' places (since Postgres 12), so that backwards along it come the rows
-- stored last: in a table that is only appended to, the newest. The pair of comparisons instead of one equality keeps
-- the planner from taking that order for granted, and sorting.sql from making one of its own. Without such an index
-- nothing is read. Among partitions there is no such order: of a table that has any, a span of time is read after the
-- other. $1 asOf; $2, $3 ids and users; $4 the schema; $5 the time from which, $6 that before which, null for all.
select run.id, tick.scheduled_at, coalesce(tick.status, 'null') as status, pg_catalog.left(tick.reason, 200) as reason,
  exists (
    select
    from pg_catalog.pg_class as relation
    join pg_catalog.pg_namespace as namespace on namespace.oid = relation.relnamespace
    where namespace.nspname = $4 and relation.relname = 'strategy_tick_runs' and relation.relkind = 'p'
  ) as partitioned
from rows from (pg_catalog.unnest($2::uuid[]), pg_catalog.unnest($3::uuid[])) as run (id, user_id)
cross join lateral (
  select stored.scheduled_at, stored.status, stored.reason
  from (
    select stored.scheduled_at, stored.status, stored.reason, stored.user_id
    from :"schema".strategy_tick_runs as stored
    where stored.strategy_run_id >= run.id and stored.strategy_run_id <= run.id
      and ($5::timestamptz is null or stored.scheduled_at >= $5)
      and ($6::timestamptz is null or stored.scheduled_at < $6)
    order by stored.strategy_run_id desc
    limit 1000
  ) as stored
  where stored.scheduled_at <= $1::timestamptz + interval '5 seconds'
    and stored.scheduled_at > '0001-01-02Z'
    and coalesce(stored.user_id = run.user_id, true)
  order by stored.scheduled_at desc
  limit 32
) as tick
where (
  select pg_catalog.count(*)
  from pg_catalog.pg_index as index
  join pg_catalog.pg_class as relation on relation.oid = index.indrelid
  join pg_catalog.pg_namespace as namespace on namespace.oid = relation.relnamespace
  join pg_catalog.pg_attribute as attribute
    on attribute.attrelid = index.indrelid and attribute.attnum = index.indkey[0]
  join pg_catalog.pg_class as tree on tree.oid = index.indexrelid
  join pg_catalog.pg_am as method on method.oid = tree.relam
  where namespace.nspname = $4 and relation.relname = 'strategy_tick_runs'
    and attribute.attname = 'strategy_run_id' and index.indisvalid and index.indpred is null
    and method.amname = 'btree'
) > 0
order by run.id, tick.scheduled_at desc
