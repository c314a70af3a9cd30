-- What came after the newest ok of some runs, by status, and the reason of the newest of each. $1 asOf; for each run
-- $2 its id, $3 its user, $4 the time after which.
select
  run.number, coalesce(tick.status, 'null') as status, pg_catalog.count(*) as number_of_ticks,
  pg_catalog.min(tick.scheduled_at) as first_at,
  pg_catalog.max(tick.scheduled_at) as newest_at,
  (pg_catalog.array_agg(pg_catalog.left(tick.reason, 200) order by tick.scheduled_at desc, tick.id desc))[1] as reason
from :"schema".strategy_tick_runs as tick
join pg_catalog.unnest($2::uuid[], $3::uuid[], $4::timestamptz[]) with ordinality as run (id, user_id, after, number)
  on run.id = tick.strategy_run_id
where tick.scheduled_at > (select pg_catalog.min(run.after) from pg_catalog.unnest($4::timestamptz[]) as run (after))
  and tick.scheduled_at <= $1::timestamptz + interval '5 seconds'
  and tick.scheduled_at > run.after
  and (tick.user_id <> run.user_id) is not true
group by run.number, tick.status
order by run.number, tick.status
