-- The same on a table that has no last_run_at, which the third migration brings. $1 asOf.
select
  run.id, run.user_id, pg_catalog.left(run.symbol, 64) as symbol, pg_catalog.left(run.timeframe, 64) as timeframe,
  run.status,
  case when run.created_at between '0001-01-02Z' and '9999-12-30Z' then run.created_at end as created_at,
  case when run.updated_at between '0001-01-02Z' and '9999-12-30Z' then run.updated_at end as updated_at,
  null::timestamptz as last_run_at
from :"schema".strategy_runs as run
where run.status = 'active'
  or run.status = 'paused' and run.updated_at >= $1::timestamptz - interval '24 hours'
order by run.id
