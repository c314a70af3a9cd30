-- How many of so many rows point at nothing, and whether those are all the rows. $1 the most rows to read.
select
  pg_catalog.count(*) filter (where counted.value is not null and target.key is null) as found,
  pg_catalog.count(*) < $1 as complete
from (
  select counted.:"column" as value
  from :"schema".:"table" as counted
  limit $1
) as counted
left join (
  select distinct target.:"referenced_column" as key
  from :"schema".:"referenced_table" as target
) as target on target.key = counted.value
