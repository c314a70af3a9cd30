-- When things happened to the strategies in the day that was played; all of them were made a month before its end.
-- $1 ids, $2 and null, where the status never changed, since then, $3 when the engine last ran, $4 when it last
-- traded, $5 the end of the day. Of several arrays, unnest is syntax, no function that has a schema.
update public.strategy_runs as run
set
  created_at = $5::timestamptz - interval '30 days',
  updated_at = coalesce(played.changed_at, $5::timestamptz - interval '30 days'),
  last_run_at = played.last_run_at,
  last_signal_at = played.last_signal_at
from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[])
  as played (id, changed_at, last_run_at, last_signal_at)
where played.id = run.id
