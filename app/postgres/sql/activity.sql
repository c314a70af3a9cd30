-- The horizon's ticks by run and status. A tick without a run has none here either. A tick of another user than its
-- run's is no tick of the run. Ticks up to 5 s ahead serve slots and count for nothing else.
-- $1 asOf, $2 the horizon's start.
select
  run.id, coalesce(tick.status, 'null') as status, coalesce(tick.user_id <> run.user_id, false) as is_foreign,
  pg_catalog.count(*) filter (where tick.scheduled_at <= $1) as within,
  pg_catalog.count(*) as number_of_ticks,
  pg_catalog.max(tick.scheduled_at) as newest_at
from :"schema".strategy_tick_runs as tick
left join :"schema".strategy_runs as run on run.id = tick.strategy_run_id
where tick.scheduled_at > $2 and tick.scheduled_at <= $1::timestamptz + interval '5 seconds'
group by run.id, tick.status, is_foreign
order by run.id, status, is_foreign
