-- Before a cycle: a pause that reaches into a new UTC day is written down for that day.
insert into public.strategy_risk_state (user_id, day, is_paused, paused_reason, paused_until)
select distinct on (state.user_id)
  state.user_id, (pg_catalog.now() at time zone 'utc')::date, true, state.paused_reason, state.paused_until
from public.strategy_risk_state as state
where state.is_paused and state.paused_until > pg_catalog.now()
order by state.user_id, state.day desc
on conflict (user_id, day) do nothing
