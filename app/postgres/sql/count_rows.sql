-- Whether there are rows at all. $1 the most rows to read; one is enough to know.
select pg_catalog.count(*) as found, true as complete
from (select from :"schema".:"table" limit least($1, 1)) as counted
