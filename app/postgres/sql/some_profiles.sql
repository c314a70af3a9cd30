-- Profiles of admins, or of users who are none, as JSON documents.
-- $1 the values that make admins (text[]), $2 whether admins are wanted, $3 how many.
-- No order inside: which ones they are does not matter, and to sort would read every profile.
select found.id, found.document
from (
  select profile.id, pg_catalog.to_jsonb(profile.*)::text as document
  from :"schema".:"profile_table" as profile
  where coalesce(profile.:"profile_column"::text = any ($1), false) = $2
  limit $3
) as found
order by found.id
