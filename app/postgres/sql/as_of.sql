-- The one clock of a report, which every query of its transaction is given, and how far a standby is behind it; how long
-- a statement may take there; and room for its groups, which with the usual 4 MB would be grouped on disk for a day of
-- ticks. The planner cannot know how few groups there are, and would not let workers hand theirs over: at a tenth of the
-- usual price it does, and a day is read in less than half the time. Nor do workers group at all what it thinks would not
-- fit: four times the room is theirs, of which a day's groups take a sixth. All of it holds for this transaction alone.
-- $1 statement timeout, as text with its unit.
select
  pg_catalog.now() as as_of,
  case
    -- One that has replayed all it was sent is not behind, however long ago that was: nothing happened since. But one
    -- without a receiver is sent nothing, and cannot know.
    when pg_catalog.pg_is_in_recovery() and (
      pg_catalog.pg_last_wal_replay_lsn() < pg_catalog.pg_last_wal_receive_lsn()
      or not exists (select from pg_catalog.pg_stat_get_wal_receiver() as receiver where receiver.pid is not null)
    )
      then pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()
  end as behind,
  pg_catalog.set_config('statement_timeout', $1, true) as statement_timeout,
  pg_catalog.set_config('work_mem', '16MB', true) as work_mem,
  pg_catalog.set_config('hash_mem_multiplier', '4', true) as hash_mem_multiplier,
  pg_catalog.set_config('parallel_tuple_cost', '0.01', true) as parallel_tuple_cost
