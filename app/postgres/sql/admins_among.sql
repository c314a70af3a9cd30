-- Which of these users are admins by their profile. $1 their ids as text, $2 the values that make admins (text[]).
select profile.id
from :"schema".:"profile_table" as profile
where profile.id = any ($1::text[]::uuid[]) and profile.:"profile_column"::text = any ($2)
order by profile.id
