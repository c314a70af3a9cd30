-- What columns hold where an insert does not name them, as the current role. :condition is the server's own text of
-- their defaults, separated by commas.
select defaults.found as values, current_user::text as role
from (select array[:condition] as found offset 0) as defaults
