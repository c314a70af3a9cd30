-- The value that makes a user an admin, by the user's id. $1 the id.
-- The identifiers in psql's notation are settings; app/postgres/statements.py fills them in, quoted.
select profile.:"profile_column"::text as value
from :"schema".:"profile_table" as profile
where profile.id = $1
