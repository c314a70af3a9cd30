-- Every lock, at most one a run, with the run it is for, if there is one. An endless one is cut to a time that there is.
select
  lock.strategy_run_id, pg_catalog.left(lock.lock_owner, 200) as lock_owner,
  greatest(least(lock.locked_until, '9999-12-30Z'), '0001-01-02Z') as locked_until,
  greatest(least(lock.updated_at, '9999-12-30Z'), '0001-01-02Z') as updated_at,
  run.status as run_status, pg_catalog.left(run.symbol, 64) as symbol, pg_catalog.left(run.timeframe, 64) as timeframe
from :"schema".strategy_locks as lock
left join :"schema".strategy_runs as run on run.id = lock.strategy_run_id
order by lock.strategy_run_id
