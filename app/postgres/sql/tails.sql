-- What came after the newest ok of some runs, by status, and the reason of the newest of each. $1 asOf; for each run
-- $2 its id, $3 its user, $4 the time after which; $5 a time before all of that. An error comes after an ok of the same
-- moment.
select
  run.id, coalesce(tick.status, 'null') as status, pg_catalog.count(*) as number_of_ticks,
  pg_catalog.min(tick.scheduled_at) as first_at,
  pg_catalog.max(tick.scheduled_at) as newest_at,
  (pg_catalog.array_agg(pg_catalog.left(tick.reason, 200) order by tick.scheduled_at desc, tick.id desc))[1] as reason
from :"schema".strategy_tick_runs as tick
join rows from (
  pg_catalog.unnest($2::uuid[]), pg_catalog.unnest($3::uuid[]), pg_catalog.unnest($4::timestamptz[])
) as run (id, user_id, after) on run.id = tick.strategy_run_id
where tick.scheduled_at > $5 and tick.scheduled_at <= $1::timestamptz + interval '5 seconds'
  and (tick.scheduled_at > run.after or tick.scheduled_at = run.after and tick.status = 'error')
  and coalesce(tick.user_id = run.user_id, true)
group by run.id, tick.status
order by run.id, status
