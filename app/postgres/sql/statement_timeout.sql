-- For the statements that follow in this transaction. $1 the timeout, as text with its unit.
select pg_catalog.set_config('statement_timeout', $1, true)
