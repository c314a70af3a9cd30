-- A page of ticks as the text of JSON objects, newest first, walking down the index on scheduled_at.
-- $1, $2 the position (scheduled_at, id), $3 the earliest time to look at, $4 most ticks, $5 run ids, $6 user ids,
-- $7 statuses, $8 signals, $9 prefixes of reasons, $10 least latency in ms, each null where it does not matter,
-- $11 whether meta is wanted, $12 the earliest time asked for, $13 schema.
-- A name is looked up in the table first and then in `absent`: a column that the table lacks reads as null.
select
  page.lines, page.number, page.stop_at, page.stop_id,
  (
    select tick.scheduled_at
    from :"schema".strategy_tick_runs as tick
    where tick.scheduled_at between $12 and page.stop_at
      and (tick.scheduled_at < page.stop_at or tick.id < page.stop_id)
    -- Not exists(): without an order the planner may look for the first such tick by reading the table.
    order by tick.scheduled_at desc
    limit 1
  ) is not null as more,
  array(
    select attribute.attname::text
    from pg_catalog.pg_attribute as attribute
    join pg_catalog.pg_class as class on class.oid = attribute.attrelid
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    where namespace.nspname = $13 and class.relname = 'strategy_tick_runs'
      and attribute.attnum > 0
      and not attribute.attisdropped
    order by attribute.attnum
  ) as columns
from (
  select
    pg_catalog.string_agg(
      case
        -- A meta of type json keeps its line breaks, which only stand between its parts: one tick is one line.
        when $11 then pg_catalog.replace(pg_catalog.row_to_json(wide)::text, E'\n', ' ')
        else pg_catalog.row_to_json(line)::text
      end,
      E',\n' order by found.scheduled_at desc, found.id desc
    ) as lines,
    pg_catalog.count(*) as number,
    -- A full page ends with its last tick, another where the search ended.
    case when pg_catalog.count(*) = $4
      then (pg_catalog.array_agg(found.scheduled_at order by found.scheduled_at, found.id))[1] else $3
    end as stop_at,
    case when pg_catalog.count(*) = $4
      then (pg_catalog.array_agg(found.id order by found.scheduled_at, found.id))[1]
      else '00000000-0000-0000-0000-000000000000'
    end as stop_id
  from (
    select
      null::uuid as strategy_run_id, null::uuid as user_id, null::timestamptz as started_at,
      null::timestamptz as finished_at, null::text as status, null::text as reason, null::text as signal,
      null::integer as latency_ms, null::jsonb as meta
  ) as absent
  cross join lateral (
    select
      tick.id, strategy_run_id, user_id, tick.scheduled_at, started_at, finished_at, status, reason, signal,
      latency_ms, case when $11 then meta end as meta
    from :"schema".strategy_tick_runs as tick
    where tick.scheduled_at between $3 and $1 and (tick.scheduled_at < $1 or tick.id < $2)
      and ($5::uuid[] is null or strategy_run_id = any ($5))
      and ($6::uuid[] is null or user_id = any ($6))
      and ($7::text[] is null or status::text = any ($7))
      and ($8::text[] is null or signal::text = any ($8))
      and ($9::text[] is null or reason::text ^@ any ($9))
      and ($10::integer is null or latency_ms >= $10)
    order by tick.scheduled_at desc, tick.id desc
    limit $4
  ) as found
  cross join lateral (
    select
      found.id, found.strategy_run_id, found.user_id, found.scheduled_at, found.started_at, found.finished_at,
      found.status, found.reason, found.signal, found.latency_ms
  ) as line
  cross join lateral (select line.*, found.meta) as wide
) as page
