-- The engine ran. $1 strategy, $2 when, $3 whether it traded.
update public.strategy_runs as run
set last_run_at = $2, last_signal_at = case when $3 then $2 else run.last_signal_at end
where run.id = $1
