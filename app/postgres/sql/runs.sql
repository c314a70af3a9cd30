-- The runs that are judged: active ones, and paused ones that were changed or run within the last day. A time that no
-- calendar of ours has ('infinity', the year 20000) says nothing. $1 asOf.
select
  run.id, run.user_id, pg_catalog.left(run.symbol, 64) as symbol, pg_catalog.left(run.timeframe, 64) as timeframe,
  run.status,
  case when run.created_at between '0001-01-02Z' and '9999-12-30Z' then run.created_at end as created_at,
  case when run.updated_at between '0001-01-02Z' and '9999-12-30Z' then run.updated_at end as updated_at,
  case when run.last_run_at between '0001-01-02Z' and '9999-12-30Z' then run.last_run_at end as last_run_at
from :"schema".strategy_runs as run
where run.status = 'active'
  or run.status = 'paused' and greatest(run.updated_at, run.last_run_at) >= $1::timestamptz - interval '24 hours'
order by run.id
