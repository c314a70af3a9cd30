-- How far a standby has come: whether anything is sent to it, up to where it was sent, up to where it has replayed that,
-- and how old the last commit is that it has; since its start, or else since the checkpoint it started from.
-- What its receiver says of itself may be seen by few roles: null for the others. After a restart in the middle of a
-- segment it is ahead of what was received, all of which is sent again.
select
  receiver.pid is not null and pg_catalog.pg_last_wal_receive_lsn() is not null as receiving,
  greatest(pg_catalog.pg_last_wal_receive_lsn(), receiver.latest_end_lsn) as sent,
  pg_catalog.pg_last_wal_replay_lsn() as replayed,
  pg_catalog.clock_timestamp() - coalesce(
    pg_catalog.pg_last_xact_replay_timestamp(),
    (select control.checkpoint_time from pg_catalog.pg_control_checkpoint() as control)
  ) as last_commit_age
from pg_catalog.pg_stat_get_wal_receiver() as receiver
