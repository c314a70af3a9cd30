-- The audit row, when the tick has ended. $1 strategy, $2 user, $3 scheduled_at, $4 the end, $5 status, $6 reason,
-- $7 signal, $8 latency in ms.
insert into public.strategy_tick_runs (
  strategy_run_id, user_id, scheduled_at, started_at, finished_at, status, reason, signal, latency_ms
)
values ($1, $2, $3, $4, $4, $5, $6, $7, $8)
