-- Some rows by their primary key, and who owns them, at a constant cost. The second key is that of the partition, or
-- the first again. Keys are random, so their first rows are as good a sample as any.
select sampled.:"key" as key, sampled.:"second_key" as second_key, sampled.:"owner" as owner
from :"schema".:"table" as sampled
order by sampled.:"leading"
limit 200
