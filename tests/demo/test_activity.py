"""The demo's past day: its faults are really there, and its rows look as the runner writes them."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.demo.activity import (
    GIVEN_UP_RUNS,
    MINUTE,
    ORPHANED_RUN,
    PAUSED_USER,
    SILENT_RUN,
    SLOW_RUN,
    STUBBORN_RUN,
    Strategy,
    cycle_start,
    is_due,
    last_boundary,
    outcome,
    past_day,
)
from app.demo.database import DRIFTS, create_project
from app.demo.server import EmbeddedPostgres
from tests.databases import failures, new_project
from tests.demo.conftest import Busy

FIVE_SECONDS = timedelta(seconds=5)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


async def rows(busy: Busy, query: str, *arguments: object) -> list[Any]:
    """Records, which compare like tuples."""
    async with busy.project.connect() as connection:
        return list(await connection.fetch(query, *arguments))


async def newest(busy: Busy, run: uuid.UUID, count: int) -> list[str]:
    query = "select status from strategy_tick_runs where strategy_run_id = $1 order by scheduled_at desc limit $2"
    return [row["status"] for row in await rows(busy, query, run, count)]


async def status(busy: Busy, run: uuid.UUID) -> str:
    ((found,),) = await rows(busy, "select status from strategy_runs where id = $1", run)
    return str(found)


@given(MOMENTS)
def test_a_cycle_starts_in_the_five_seconds_before_its_boundary_and_the_newest_has_started(now: datetime) -> None:
    boundary = last_boundary(now)
    assert boundary.second == boundary.microsecond == 0
    assert boundary - FIVE_SECONDS < cycle_start(boundary) < boundary
    assert cycle_start(boundary) <= now < cycle_start(boundary + MINUTE)


@given(MOMENTS)
def test_a_timeframe_nobody_knows_is_treated_as_five_minutes(now: datetime) -> None:
    boundary = last_boundary(now)
    known, unknown = (Strategy(SLOW_RUN, PAUSED_USER, "bybit", timeframe, "x") for timeframe in ("5m", "fortnight"))
    assert is_due(known, boundary) == is_due(unknown, boundary) == (boundary.minute % 5 == 0)


@given(MOMENTS, st.uuids())
def test_the_same_boundary_ends_in_the_same_way_and_a_gate_keeps_the_engine_from_running(
    now: datetime, run: uuid.UUID
) -> None:
    strategy, boundary = Strategy(run, PAUSED_USER, "bybit", "1m", "ema_cross"), last_boundary(now)
    assert outcome(strategy, boundary) == outcome(strategy, boundary)
    blocked = outcome(strategy, boundary, blocked="platform_kill_switch")
    assert (blocked.status, blocked.reason, blocked.engine_ran) == ("blocked", "platform_kill_switch", False)


def test_a_day_is_played_the_same_way_twice_and_only_the_hour_changes_it() -> None:
    runs = [Strategy(uuid.UUID(int=number), PAUSED_USER, "bybit", "5m", "ema_cross") for number in range(3)]
    now = datetime(2026, 3, 29, 12, 0, 30, tzinfo=UTC)
    assert past_day(runs, now) == past_day(reversed(runs), now)
    later = past_day(runs, now + MINUTE * 10)
    seen_by_both = {tick.id: tick for tick in past_day(runs, now).ticks if tick.outcome.status != "blocked"}
    again = {tick.id: tick for tick in later.ticks if tick.id in seen_by_both and tick.outcome.status != "blocked"}
    assert len(again) > 500
    assert all(seen_by_both[identifier] == tick for identifier, tick in again.items())


async def test_two_hundred_strategies_were_ticked_for_a_day_and_the_database_conforms(busy: Busy) -> None:
    ((ticked, ticks, first, last),) = await rows(
        busy,
        "select count(distinct strategy_run_id), count(*), min(scheduled_at), max(scheduled_at)"
        " from strategy_tick_runs",
    )
    assert ticked == 200
    assert ticks > 60_000
    assert first - (busy.now - timedelta(days=1)) < timedelta(minutes=2)
    assert timedelta() <= busy.now - last < timedelta(minutes=1, seconds=5)
    report = await busy.project.check()
    assert failures(report) == {}
    assert report.conformant is True


async def test_rows_of_a_cycle_share_one_scheduled_at_and_end_one_after_another_with_random_ids(busy: Busy) -> None:
    cycles = await rows(
        busy,
        """
        select
          count(distinct scheduled_at) as starts,
          bool_and(started_at = finished_at and finished_at > scheduled_at) as written_at_their_end,
          count(distinct finished_at) = count(*) as one_after_another,
          array_agg(id order by finished_at) as ids,
          bool_and(latency_ms is not distinct from case when status <> 'skipped' then
            floor(extract(epoch from finished_at - scheduled_at) * 1000) end) as latency_from_the_start
        from strategy_tick_runs
        group by date_bin('1 minute', scheduled_at + interval '5 seconds', 'epoch')
        having count(*) > 20
        """,
    )
    assert len(cycles) > 200
    for starts, at_end, in_turn, ids, latency in cycles:
        assert (starts, at_end, in_turn, latency) == (1, True, True, True)
        assert ids != sorted(ids)
        assert {identifier.version for identifier in ids} == {4}


async def test_no_tick_lies_outside_the_five_seconds_before_a_boundary_of_its_timeframe(busy: Busy) -> None:
    query = """
    select count(*)
    from strategy_tick_runs as tick
    join strategy_runs as run on run.id = tick.strategy_run_id
    cross join lateral (select replace(replace(run.timeframe, 'm', ' minutes'), 'h', ' hours')::interval) as p (period)
    cross join lateral (
      select scheduled_at - date_bin(p.period, scheduled_at + interval '5 seconds', 'epoch')
    ) as o (distance)
    where o.distance not between interval '-5 seconds' and interval '0'
    """
    assert await rows(busy, query) == [(0,)]


async def test_the_engine_moved_last_run_at_and_nothing_else_did(busy: Busy) -> None:
    wrong = await rows(
        busy,
        """
        select run.id, run.last_run_at, newest.ended
        from strategy_runs as run
        join lateral (
          select max(started_at) filter (where status in ('ok', 'error')) as ended
          from strategy_tick_runs where strategy_run_id = run.id
        ) as newest on true
        where run.last_run_at is distinct from newest.ended
        """,
    )
    assert wrong == []


async def test_the_silent_strategy_is_active_and_was_last_ticked_three_hours_ago(busy: Busy) -> None:
    found = await rows(
        busy,
        """
        select run.id
        from strategy_runs as run
        where run.status = 'active'
          and greatest(run.last_run_at, run.created_at, run.updated_at, (
            select max(scheduled_at) from strategy_tick_runs where strategy_run_id = run.id
          )) < $1::timestamptz - interval '65 minutes'
        """,
        busy.now,
    )
    assert [row["id"] for row in found] == [SILENT_RUN]
    query = "select max(scheduled_at) from strategy_tick_runs where strategy_run_id = $1"
    ((last,),) = await rows(busy, query, SILENT_RUN)
    assert timedelta(hours=3) < busy.now - last < timedelta(hours=3, minutes=6)


async def test_the_slow_strategy_is_the_only_one_that_takes_seconds_by_itself(busy: Busy) -> None:
    found = await rows(
        busy,
        "select distinct strategy_run_id from strategy_tick_runs where latency_ms >= 4000",
    )
    assert [row["strategy_run_id"] for row in found] == [SLOW_RUN]


async def test_errors_in_a_row_go_on_where_the_owner_insists_and_pause_the_others(busy: Busy) -> None:
    assert await status(busy, STUBBORN_RUN) == "active"
    streak = await newest(busy, STUBBORN_RUN, 30)
    assert [found for found in streak if found != "skipped"].count("error") == 30 - streak.count("skipped") > 20
    for run in GIVEN_UP_RUNS:
        assert await status(busy, run) == "paused"
        worked = [found for found in await newest(busy, run, 8) if found != "skipped"]
        assert worked[:4] == ["error", "error", "error", "ok"]


async def test_a_user_is_paused_today_and_all_their_ticks_are_blocked(busy: Busy) -> None:
    paused = await rows(
        busy,
        "select user_id from strategy_risk_state where is_paused and paused_until > now() and day = $1",
        busy.now.date(),
    )
    assert [row["user_id"] for row in paused] == [PAUSED_USER]
    found = await rows(
        busy,
        "select distinct status, reason from strategy_tick_runs where user_id = $1 and scheduled_at > $2",
        PAUSED_USER,
        busy.now - timedelta(hours=5),
    )
    assert found == [("blocked", "user_paused: daily loss limit reached")]


async def test_one_lock_has_expired_and_one_is_held_on_a_strategy_that_is_stopped(busy: Busy) -> None:
    locks = await rows(
        busy,
        "select strategy_run_id, locked_until > now() as held from strategy_locks order by strategy_run_id",
    )
    assert locks == [(SILENT_RUN, False), (ORPHANED_RUN, True)]
    assert await status(busy, ORPHANED_RUN) == "stopped"


async def test_without_the_third_migration_the_legacy_ticks_stay(cluster: EmbeddedPostgres) -> None:
    async with new_project(cluster, "nothing") as project:
        drift = DRIFTS["two-migrations"]
        await create_project(cluster, database=project.name, drift=drift, active_until=datetime.now(UTC))
        async with project.connect() as connection:
            assert 0 < await connection.fetchval("select count(strategy_id) from strategy_tick_runs") < 1000
