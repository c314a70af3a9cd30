-- Cycles of a tick of each strategy, one each half minute, back from a moment. Their ids look random and are always the same.
-- $1 the moment, $2 how many cycles.
insert into public.strategy_tick_runs (
  id, strategy_run_id, user_id, scheduled_at, started_at, finished_at, status, reason, signal, latency_ms
)
select
  pg_catalog.md5(cycle.number || ' ' || run.number)::uuid,
  run.id, run.user_id, cycle.scheduled_at, tick.ended_at, tick.ended_at,
  outcome.status,
  case outcome.status
    when 'skipped' then 'cooldown'
    when 'blocked' then 'user_paused: daily loss limit reached'
    when 'error' then 'exchange_unavailable: ' || chance.number % 40
  end,
  case when outcome.status = 'ok' then (array['hold', 'hold', 'buy', 'hold', 'sell'])[1 + chance.number % 5] end,
  case
    when outcome.status <> 'skipped' then (extract(epoch from tick.ended_at - cycle.scheduled_at) * 1000)::integer
  end
from (
  select
    series.number,
    pg_catalog.date_bin('30 seconds', $1::timestamptz, 'epoch') - series.number * interval '30 seconds'
      - interval '4 seconds' as scheduled_at
  from pg_catalog.generate_series($2::integer - 1, 0, -1) as series (number)
) as cycle
cross join lateral (
  select numbered.id, numbered.user_id, numbered.number
  from (
    select run.id, run.user_id, pg_catalog.row_number() over (order by run.id) as number
    from public.strategy_runs as run
    where run.timeframe = '30s'
  ) as numbered
) as run
cross join lateral (
  select pg_catalog.abs(pg_catalog.hashint8(cycle.number * 1000 + run.number)) as number
) as chance
cross join lateral (
  select cycle.scheduled_at + interval '1 millisecond' * (run.number % 1000 * 4 + chance.number % 97) as ended_at
) as tick
cross join lateral (
  select
    case
      when chance.number % 100 < 6 then 'skipped'
      when chance.number % 100 < 8 then 'blocked'
      when chance.number % 100 < 9 then 'error'
      else 'ok'
    end as status
) as outcome
