-- Some rows by their primary key, who owns them, and of what kind they are, at a constant cost. The key tells rows
-- apart; the second key is one more column of the primary key, where that has any.
-- $1 the columns whose values together are a row's kind (text[]).
select
  sampled.:"key" as key,
  sampled.:"second_key" as second_key,
  sampled.:"owner"::text as owner,
  array(
    select pg_catalog.to_jsonb(sampled.*) ->> listed.name
    from pg_catalog.unnest($1::text[]) with ordinality as listed (name, position)
    order by listed.position
  ) as kind
from :"schema".:"table" as sampled
order by sampled.:"leading"
limit 200
