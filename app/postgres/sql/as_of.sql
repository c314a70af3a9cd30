-- The one clock of a report, which every query of its transaction is given; how long a statement may take there; and
-- room for its groups, which with the usual 4 MB would be grouped on disk for a day of ticks. The planner cannot know
-- how few groups there are, and would not let workers hand theirs over: at a tenth of the usual price it does, and a day
-- is read in less than half the time. Nor do workers group at all what it thinks would not fit: four times the room
-- is theirs, of which a day's groups take a sixth. All of it holds for this transaction alone.
-- $1 statement timeout, as text with its unit.
select
  pg_catalog.now() as as_of,
  pg_catalog.pg_is_in_recovery() as on_standby,
  pg_catalog.set_config('statement_timeout', $1, true) as statement_timeout,
  pg_catalog.set_config('work_mem', '16MB', true) as work_mem,
  pg_catalog.set_config('hash_mem_multiplier', '4', true) as hash_mem_multiplier,
  pg_catalog.set_config('parallel_tuple_cost', '0.01', true) as parallel_tuple_cost
