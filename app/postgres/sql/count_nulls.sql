-- How many of so many rows lack a column, and whether those are all the rows. $1 the most rows to read: no table is
-- read to its end for a report.
select
  pg_catalog.count(*) filter (where counted.value is null) as found,
  pg_catalog.count(*) < $1 as complete
from (
  select counted.:"column" as value
  from :"schema".:"table" as counted
  limit $1
) as counted
