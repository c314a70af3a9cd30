-- What conditions come to for rows that need not exist, as the current role: an array of results for each row.
-- $1 the rows, a JSON array of documents. :condition is the server's own text of conditions, separated by commas.
-- Inside, the table's name is the only one: whatever its columns are called, a condition finds them first.
select
  pg_catalog.array_agg(decided.results order by decided.position) as results,
  -- After all of them: whether a function that ran has changed the role.
  current_user::text as role
from (
  select
    given.position,
    (
      select array[:condition]
      from pg_catalog.jsonb_populate_record(null:::"schema".:"table", given.document) as :"table"
    ) as results
  from pg_catalog.jsonb_array_elements($1::jsonb) with ordinality as given (document, position)
) as decided
