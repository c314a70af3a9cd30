-- The newest ticks of every strategy as one would first write them: a subquery for each, which no index of production's
-- serves.
-- $1 the start, $2 the end.
select run.id, newest.statuses, newest.last_at
from public.strategy_runs as run
left join lateral (
  select array_agg(tick.status order by tick.scheduled_at desc) as statuses, max(tick.scheduled_at) as last_at
  from (
    select tick.status, tick.scheduled_at
    from public.strategy_tick_runs as tick
    where tick.strategy_run_id = run.id and tick.scheduled_at > $1 and tick.scheduled_at <= $2
    order by tick.scheduled_at desc
    limit 30
  ) as tick
) as newest on true
where run.status = 'active'
order by run.id
