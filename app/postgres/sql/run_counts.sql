-- How many runs there are of each status.
select coalesce(run.status, 'null') as status, pg_catalog.count(*) as number
from :"schema".strategy_runs as run
group by run.status
order by run.status
