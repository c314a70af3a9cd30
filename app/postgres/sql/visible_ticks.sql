-- How many of the sampled rows the current role sees. By key: without one, row security would be put to every row.
-- $1 and $2 the keys.
select pg_catalog.count(*) as visible
from :"schema".:"table" as sampled
where sampled.:"key" = any ($1) and sampled.:"second_key" = any ($2)
