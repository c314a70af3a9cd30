-- Rows that need not exist, as the table's own type would hold them. $1 a JSON array of documents.
select pg_catalog.to_jsonb(possible.*)::text as document
from pg_catalog.jsonb_array_elements($1::jsonb) with ordinality as given (document, position)
cross join lateral pg_catalog.jsonb_populate_record(null:::"schema".:"table", given.document) as possible
order by given.position
