-- Ticks by their ids, each with its text as JSON. $1 ids, $2 a time that none of them is earlier than: partitioned
-- by time, a table has its ids in every partition, and need not have a key that leads with them.
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
  where tick.id = any ($1) and tick.scheduled_at >= $2
) as line
order by line.scheduled_at, line.id
