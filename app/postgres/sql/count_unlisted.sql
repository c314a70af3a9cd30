-- How many of so many rows have another value than the documented ones, and whether those are all the rows.
-- $1 the most rows to read, $2 the values (text[]).
select
  pg_catalog.count(*) filter (where counted.value <> all ($2)) as found,
  pg_catalog.count(*) < $1 as complete
from (
  select counted.:"column"::text as value
  from :"schema".:"table" as counted
  limit $1
) as counted
