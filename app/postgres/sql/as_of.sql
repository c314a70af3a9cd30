-- The one clock of a report, which every query of its transaction is given; how long a statement may take there, and
-- room for its groups, which with the usual 4 MB would be grouped on disk for a day of ticks. All of it holds for this
-- transaction alone. $1 statement timeout, as text with its unit.
select
  pg_catalog.now() as as_of,
  pg_catalog.set_config('statement_timeout', $1, true) as statement_timeout,
  pg_catalog.set_config('work_mem', '16MB', true) as work_mem
