-- The ticks after a position, oldest first, each with its text as JSON. $1, $2 the position, $3 most ticks.
-- Columns the table lacks read as null: see tick_page.sql.
select
  line.id, line.scheduled_at, line.strategy_run_id, line.user_id, line.status::text as status,
  line.signal::text as signal, line.reason::text as reason, line.latency_ms,
  pg_catalog.row_to_json(line)::text as line
from (
  select
    null::uuid as strategy_run_id, null::uuid as user_id, null::timestamptz as started_at,
    null::timestamptz as finished_at, null::text as status, null::text as reason, null::text as signal,
    null::integer as latency_ms
) as absent
cross join lateral (
  select
    tick.id, strategy_run_id, user_id, tick.scheduled_at, started_at, finished_at, status, reason, signal, latency_ms
  from :"schema".strategy_tick_runs as tick
  where tick.scheduled_at >= $1 and (tick.scheduled_at > $1 or tick.id > $2)
  order by tick.scheduled_at, tick.id
  limit $3
) as line
order by line.scheduled_at, line.id
