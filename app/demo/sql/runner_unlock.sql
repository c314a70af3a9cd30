-- $1 strategy, $2 runner.
delete from public.strategy_locks as held
where held.strategy_run_id = $1 and held.lock_owner = $2
