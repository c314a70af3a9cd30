-- What policies decide about a row that need not exist, as the current role. $1 the row as a JSON document.
-- :condition is the server's own text of the policies' conditions, joined as Postgres joins them.
select coalesce(:condition, false) as allowed
from pg_catalog.jsonb_populate_record(null:::"schema".:"table", $1::jsonb) as :"table"
