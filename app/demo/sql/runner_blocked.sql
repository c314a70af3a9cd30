-- The users who are paused today (UTC), and why.
select state.user_id, state.paused_reason
from public.strategy_risk_state as state
where state.day = (pg_catalog.now() at time zone 'utc')::date
  and state.is_paused
  and (state.paused_until is null or state.paused_until > pg_catalog.now())
order by state.user_id
