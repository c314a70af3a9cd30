-- The frame of every transaction of ours, set for that transaction alone: poolers refuse start-up parameters, and
-- what is set for a session would leak to whoever uses the connection next.
-- $1 statement timeout, $2 lock timeout, each as text with its unit; $3 the role, unquoted.
select
  -- As SET LOCAL ROLE does: the session's own SET ROLE would survive. With 'none' it is the login itself, whatever role
  -- it was given to start with (ALTER ROLE ... SET role).
  pg_catalog.set_config('role', $3, true),
  -- An operator is looked up by search_path even where functions are qualified; temporary tables come last.
  pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
  pg_catalog.set_config('statement_timeout', $1, true),
  pg_catalog.set_config('lock_timeout', $2, true),
  pg_catalog.set_config('idle_in_transaction_session_timeout', $1, true),
  -- Times are text where Postgres writes the JSON.
  pg_catalog.set_config('TimeZone', 'UTC', true),
  -- Rows that a policy would hide raise an error instead of being silently left out.
  pg_catalog.set_config('row_security', 'off', true),
  pg_catalog.set_config('application_name', 'runner-diagnostics', true)
