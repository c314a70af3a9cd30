-- How far back one request may look for matching ticks, from a position on: the newest tick below it, from which a day
-- is counted so that silence is skipped, and the time by which enough ticks have been looked at, null where there are
-- fewer. Whole groups of one scheduled_at, because the index holds nothing but that.
-- $1, $2 the position (scheduled_at, id), $3 the earliest time asked for, $4 how many ticks are enough.
select
  (
    select tick.scheduled_at
    from :"schema".strategy_tick_runs as tick
    where tick.scheduled_at between $3 and $1 and (tick.scheduled_at < $1 or tick.id < $2)
    order by tick.scheduled_at desc
    limit 1
  ) as newest,
  (
    select tick.scheduled_at
    from :"schema".strategy_tick_runs as tick
    where tick.scheduled_at between $3 and $1
    order by tick.scheduled_at desc
    offset $4
    limit 1
  ) as enough
