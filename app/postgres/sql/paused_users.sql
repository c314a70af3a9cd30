-- Users whose risk state of today, by UTC, keeps the runner from trading for them. $1 asOf.
select risk.user_id, pg_catalog.left(risk.paused_reason, 200) as reason
from :"schema".strategy_risk_state as risk
where risk.day = ($1::timestamptz at time zone 'UTC')::date
  and risk.is_paused
  and (risk.paused_until is null or risk.paused_until > $1)
order by risk.user_id
