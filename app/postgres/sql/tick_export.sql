-- A server-side cursor over all that is selected, newest first. Parameters as in tick_page.sql, but for $3, the earliest
-- time asked for, and $10, whether meta is wanted.
declare tick_export no scroll cursor for
select
  case
    -- A meta of type json keeps its line breaks, which only stand between its parts: one tick is one line.
    when $10 then pg_catalog.replace(pg_catalog.row_to_json(wide)::text, E'\n', ' ')
    else pg_catalog.row_to_json(line)::text
  end as line,
  found.scheduled_at, found.id
from (
  select
    null::uuid as strategy_run_id, null::uuid as user_id, null::timestamptz as started_at,
    null::timestamptz as finished_at, null::text as status, null::text as reason, null::text as signal,
    null::integer as latency_ms, null::jsonb as meta
) as absent
cross join lateral (
  select
    tick.id, strategy_run_id, user_id, tick.scheduled_at, started_at, finished_at, status, reason, signal,
    latency_ms, case when $10 then meta end as meta
  from :"schema".strategy_tick_runs as tick
  where tick.scheduled_at between $3 and $1 and (tick.scheduled_at < $1 or tick.id < $2)
    and ($4::uuid[] is null or strategy_run_id = any ($4))
    and ($5::uuid[] is null or user_id = any ($5))
    and ($6::text[] is null or status::text = any ($6))
    and ($7::text[] is null or signal::text = any ($7))
    and ($8::text[] is null or reason::text ^@ any ($8))
    and ($9::integer is null or latency_ms >= $9)
  order by tick.scheduled_at desc, tick.id desc
) as found
cross join lateral (
  select
    found.id, found.strategy_run_id, found.user_id, found.scheduled_at, found.started_at, found.finished_at,
    found.status, found.reason, found.signal, found.latency_ms
) as line
cross join lateral (select line.*, found.meta) as wide
order by found.scheduled_at desc, found.id desc
