-- Pauses a strategy whose engine ended in an error the last few times it ran since it was switched on.
-- $1 strategy, $2 how many times.
update public.strategy_runs as run
set status = 'paused'
where run.id = $1
  and run.status = 'active'
  and $2 = (
    select pg_catalog.count(*) filter (where latest.status = 'error')
    from (
      select tick.status
      from public.strategy_tick_runs as tick
      where tick.strategy_run_id = run.id
        and tick.status in ('ok', 'error')
        and tick.started_at > run.updated_at
      order by tick.scheduled_at desc, tick.id desc
      limit $2
    ) as latest
  )
