-- Which values a column would take, by letting Postgres make the row and evaluate the CHECKs on that column alone. The
-- row is of the table's own type, so that lengths, domains and enums refuse as they do in an insert, and a condition
-- may refer to the whole row. Its other columns are those of some row, where there is one: left null, a domain of
-- another column might refuse the row whatever the value. A null condition accepts, as CHECK has it.
-- $1 the column, $2 the values (text[]; null stands for null), $3 whether rows may be looked for: where policies hide
-- them, the first one to be shown may be the last, or none. :condition is the server's own text of the CHECKs.
select tried.value, (
  select (:condition) is not false
  from pg_catalog.jsonb_populate_record(
    (select (existing.*):::"schema".:"table" from :"schema".:"table" as existing where $3 limit 1),
    pg_catalog.jsonb_build_object($1::text, tried.value)
  ) as :"table"
) as accepted
from pg_catalog.unnest($2::text[]) with ordinality as tried (value, position)
order by tried.position
