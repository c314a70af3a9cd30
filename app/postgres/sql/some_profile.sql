-- The profile of some admin, or of some user who is none and is not among those excepted, as a JSON document.
-- $1 the values that make admins (text[]), $2 whether an admin is wanted, $3 the excepted users.
-- No order: which one it is does not matter, and to sort would read every profile.
select profile.id, pg_catalog.to_jsonb(profile) as document
from :"schema".:"profile_table" as profile
where coalesce(profile.:"profile_column"::text = any ($1), false) = $2
  and profile.id <> all ($3)
limit 1
