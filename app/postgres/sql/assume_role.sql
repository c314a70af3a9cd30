-- Become a role until the transaction ends, as SET LOCAL ROLE does. The session's own SET ROLE would survive the
-- connection's reset. $1 the role's name, unquoted.
select pg_catalog.set_config('role', $1, true)
