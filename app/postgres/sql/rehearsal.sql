-- The frame in which behaviour is tried: as somebody else, as the platform's API (PostgREST) would set it, until the
-- transaction is rolled back. $1 search_path, $2 statement timeout, $3 lock timeout, $4 claims as JSON or '', $5 role,
-- $6 'on' or 'off' for row_security, $7 how long a pause may be.
-- Returns the role that all that follows must still have at its end.
select current_user::text as role
from (
  select
    pg_catalog.set_config('search_path', $1, true),
    pg_catalog.set_config('statement_timeout', $2, true),
    pg_catalog.set_config('lock_timeout', $3, true),
    pg_catalog.set_config('idle_in_transaction_session_timeout', $7, true),
    pg_catalog.set_config('row_security', $6, true),
    pg_catalog.set_config('request.jwt.claims', $4, true),
    -- Older projects read the claims one by one; a rest of those would answer for the caller.
    pg_catalog.set_config('request.jwt.claim', '', true),
    pg_catalog.set_config('request.jwt.claim.sub', '', true),
    pg_catalog.set_config('request.jwt.claim.role', '', true),
    -- Last, for what comes after it happens with that role's rights.
    pg_catalog.set_config('role', $5, true)
  -- Keeps the planner from leaving out what it takes for unused, and from doing the outer part first.
  offset 0
) as frame
