-- How every transaction of ours begins: one snapshot that writes nothing, and its frame, which is set for it alone, for
-- poolers refuse start-up parameters, and what is set for a session would leak to whoever uses the connection next.
-- All in one message, so that it takes one round trip where BEGIN and a query take three. Such a message has no
-- parameters; but SET takes a name where it takes a text, and so its values are quoted as names are.
begin isolation level repeatable read, read only;
-- The session's own SET ROLE would survive. With "none" it is the login itself, whatever role it was given to start with
-- (ALTER ROLE ... SET role).
set local role :"role";
-- An operator is looked up by search_path even where functions are qualified; temporary tables come last.
set local search_path = pg_catalog, pg_temp;
set local statement_timeout = :"longest";
set local lock_timeout = :"longest_lock";
-- For whoever is gone for good: one that is only held up, as by another request, must not lose its session for that.
set local idle_in_transaction_session_timeout = :"longest_pause";
-- Times are text where Postgres writes the JSON.
set local timezone = 'UTC';
-- Rows that a policy would hide raise an error instead of being silently left out.
set local row_security = off;
set local application_name = 'runner-diagnostics'
