-- Some rows by their keys, each as a JSON document, for conditions to be put to. $1 and $2 the keys, in pairs.
select pg_catalog.to_jsonb(sampled.*)::text as document
from :"schema".:"table" as sampled
where sampled.:"key" = any ($1) and sampled.:"second_key" = any ($2)
  and exists (
    select
    from rows from (pg_catalog.unnest($1), pg_catalog.unnest($2)) as pair (key, second_key)
    where pair.key = sampled.:"key" and pair.second_key = sampled.:"second_key"
  )
order by sampled.:"key", sampled.:"second_key"
