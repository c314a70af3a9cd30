-- The end of the frame. A lock that a policy's function takes for the session outlives the rollback, and after an
-- error it can be given back only behind that. Both in one message: a pooler may run the next on another connection.
rollback; select pg_catalog.pg_advisory_unlock_all()
