-- Some rows by their keys, each as a JSON document, for conditions to be put to. $1 the keys.
select pg_catalog.to_jsonb(sampled.*)::text as document
from :"schema".:"table" as sampled
where sampled.:"key" = any ($1)
order by sampled.:"key"
