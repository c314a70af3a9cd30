-- Which of the sampled rows the current role sees. By key: without one, row security would be put to every row.
-- $1 and $2 the keys.
select
  coalesce(pg_catalog.array_agg(sampled.:"key"), '{}') as keys,
  coalesce(pg_catalog.array_agg(sampled.:"second_key"), '{}') as second_keys,
  -- After all of them: whether a function that ran has changed the role.
  current_user::text as role
from :"schema".:"table" as sampled
where sampled.:"key" = any ($1) and sampled.:"second_key" = any ($2)
