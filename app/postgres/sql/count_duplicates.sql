-- How many of so many rows share their value with another, and whether those are all the rows.
-- $1 the most rows to read.
select
  pg_catalog.count(counted.value) - pg_catalog.count(distinct counted.value) as found,
  pg_catalog.count(*) < $1 as complete
from (
  select counted.:"column" as value
  from :"schema".:"table" as counted
  limit $1
) as counted
