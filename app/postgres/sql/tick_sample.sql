-- Some rows by their primary key, and who owns them, at a constant cost. The key tells rows apart; the second key is
-- the column that leads the primary key, which on a partitioned table is another.
select sampled.:"key" as key, sampled.:"second_key" as second_key, sampled.:"owner" as owner
from :"schema".:"table" as sampled
order by sampled.:"leading"
limit 200
