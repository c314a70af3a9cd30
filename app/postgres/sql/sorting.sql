-- Whether the planner may sort where an index would give the order: $1 on or off, until the transaction ends.
select pg_catalog.set_config('enable_sort', $1, true)
