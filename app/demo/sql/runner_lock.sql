-- Takes the lock on a strategy for two minutes, also from whoever let theirs expire. No row: somebody else holds it.
-- $1 strategy, $2 runner.
insert into public.strategy_locks as held (strategy_run_id, locked_until, lock_owner)
values ($1, pg_catalog.now() + interval '2 minutes', $2)
on conflict (strategy_run_id) do update
  set locked_until = excluded.locked_until, lock_owner = excluded.lock_owner
  where held.locked_until < pg_catalog.now()
returning held.strategy_run_id
