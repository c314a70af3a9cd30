"""The demo's runner works as the platform's does, ends with the demo, and ends nothing itself.

Its clock is the test's: a cycle that takes ten seconds is over in one.
"""

import asyncio
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
import uvicorn

from app.demo.activity import (
    GIVEN_UP_RUNS,
    MINUTE,
    NEWS_KEY,
    PAUSED_USER,
    SILENT_RUN,
    SLOW_RUN,
    STUBBORN_RUN,
    Strategy,
    cycle_start,
    last_boundary,
    outcome,
)
from app.demo.database import API_LOGIN
from app.demo.run import DemoServer
from app.demo.server import HOST, free_port
from app.demo.ticker import Ticker
from app.main import create_app
from tests.databases import Connection, Project
from tests.demo.conftest import Busy

HEALTHY_RUN = uuid.UUID("20000000-0000-4000-8000-000000001001")
HOUR = timedelta(hours=1)


class Clock:
    """Sleeping moves it on, and `while_asleep` may look at the database meanwhile."""

    def __init__(self, now: datetime) -> None:
        self.moment = now
        self.slept: list[float] = []
        self.while_asleep: Callable[[], Awaitable[None]] | None = None

    def now(self) -> datetime:
        # No two readings of a real clock are the same.
        self.moment += timedelta(microseconds=1)
        return self.moment

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self.while_asleep is not None:
            await self.while_asleep()
        await asyncio.sleep(0)
        self.moment += timedelta(seconds=max(seconds, 0))


def full_hour(busy: Busy) -> datetime:
    """The next boundary at which every active strategy is due, and the slow and the failing one do not skip."""
    boundary = last_boundary(busy.now).replace(minute=0) + HOUR
    picky = [Strategy(run, PAUSED_USER, "bybit", "5m", NEWS_KEY) for run in (SLOW_RUN, STUBBORN_RUN)]
    while not all(outcome(strategy, boundary).engine_ran for strategy in picky):
        boundary += HOUR
    return boundary


def ticker_of(project: Project, clock: Clock, since: datetime) -> Ticker:
    return Ticker(project.url(API_LOGIN), since=since, now=clock.now, sleep=clock.sleep)


async def play(busy: Busy, *boundaries: datetime) -> Clock:
    clock = Clock(cycle_start(boundaries[0]))
    for boundary in boundaries:
        clock.moment = cycle_start(boundary)
        await ticker_of(busy.project, clock, busy.now).cycle(boundary)
    return clock


async def written(connection: Connection, boundary: datetime) -> list[asyncpg.Record]:
    """The rows of a cycle, in the order in which the runner takes the strategies."""
    query = "select * from strategy_tick_runs where scheduled_at = $1 order by strategy_run_id"
    return list(await connection.fetch(query, cycle_start(boundary)))


async def test_a_cycle_writes_one_row_for_each_that_is_due_when_that_tick_ends(busy: Busy) -> None:
    boundary = full_hour(busy)
    clock = Clock(cycle_start(boundary))
    async with busy.project.connect() as connection:
        counts: list[int] = []
        lives: set[timedelta] = set()

        async def look() -> None:
            query = "select count(*) from strategy_tick_runs where scheduled_at = $1"
            counts.append(await connection.fetchval(query, cycle_start(boundary)))
            held = await connection.fetch("select * from strategy_locks where lock_owner = 'runner-1'")
            assert len(held) == 1
            lives.add(held[0]["locked_until"] - held[0]["updated_at"])

        clock.while_asleep = look
        active = await connection.fetchval("select count(*) from strategy_runs where status = 'active'")
        await ticker_of(busy.project, clock, busy.now).cycle(boundary)
        rows = await written(connection, boundary)
        assert await connection.fetchval("select count(*) from strategy_locks where lock_owner = 'runner-1'") == 0
    # Of the active ones only the silent one is nobody's.
    assert len(rows) == active - 1 > 190
    assert counts == list(range(len(rows)))
    assert lives == {timedelta(minutes=2)}
    ends = [row["finished_at"] for row in rows]
    assert ends == sorted(ends)
    assert len(set(ends)) == len(ends)
    assert all(row["started_at"] == row["finished_at"] for row in rows)
    assert [row["id"] for row in rows] != sorted(row["id"] for row in rows)
    assert SILENT_RUN not in {row["strategy_run_id"] for row in rows}
    last = rows[-1]
    assert last["strategy_run_id"] == SLOW_RUN
    assert last["finished_at"] - cycle_start(boundary) > timedelta(seconds=4)


async def test_latency_counts_from_the_start_of_the_cycle_and_skips_have_none(busy: Busy) -> None:
    boundary = full_hour(busy)
    await play(busy, boundary)
    async with busy.project.connect() as connection:
        rows = await written(connection, boundary)
    assert {"ok", "skipped", "blocked", "error"} == {row["status"] for row in rows}
    for row in rows:
        if row["status"] == "skipped":
            assert row["latency_ms"] is None
        else:
            since_start = (row["finished_at"] - cycle_start(boundary)) // timedelta(milliseconds=1)
            assert row["latency_ms"] == pytest.approx(since_start, abs=1)


async def test_only_an_engine_that_ran_moves_last_run_at_and_only_a_trade_moves_last_signal_at(busy: Busy) -> None:
    boundary = full_hour(busy)
    query = "select id, last_run_at, last_signal_at from strategy_runs"
    async with busy.project.connect() as connection:
        before = {row["id"]: row for row in await connection.fetch(query)}
        await play(busy, boundary)
        after = {row["id"]: row for row in await connection.fetch(query)}
        for tick in await written(connection, boundary):
            run = tick["strategy_run_id"]
            ran = tick["status"] in ("ok", "error")
            traded = tick["signal"] in ("buy", "sell")
            assert after[run]["last_run_at"] == (tick["finished_at"] if ran else before[run]["last_run_at"])
            assert after[run]["last_signal_at"] == (tick["finished_at"] if traded else before[run]["last_signal_at"])


async def test_ticks_of_a_paused_user_are_blocked_and_a_pause_goes_on_into_a_new_day(busy: Busy) -> None:
    boundary = full_hour(busy)
    async with busy.project.connect() as connection:
        # As it is just after midnight: the newest row is yesterday's.
        await connection.execute(
            f"delete from strategy_risk_state where user_id = '{PAUSED_USER}';"
            "insert into strategy_risk_state (user_id, day, is_paused, paused_reason, paused_until) values"
            f" ('{PAUSED_USER}', (now() at time zone 'utc')::date - 1, true, 'too bold', now() + interval '1 day')"
        )
        await play(busy, boundary)
        rows = [row for row in await written(connection, boundary) if row["user_id"] == PAUSED_USER]
        today = await connection.fetchrow(
            "select is_paused, paused_reason from strategy_risk_state"
            " where user_id = $1 and day = (now() at time zone 'utc')::date",
            PAUSED_USER,
        )
    assert len(rows) >= 3
    assert {(row["status"], row["reason"]) for row in rows} == {("blocked", "user_paused: too bold")}
    assert tuple(today or ()) == (True, "too bold")


async def test_a_lock_of_somebody_else_is_respected_until_it_expires(busy: Busy) -> None:
    first, second = full_hour(busy), full_hour(busy) + HOUR
    lock = "insert into strategy_locks values ($1, now() + interval '1 minute', 'runner-2', now())"
    async with busy.project.connect() as connection:
        await connection.execute(lock, HEALTHY_RUN)
        await play(busy, first)
        (tick,) = [row for row in await written(connection, first) if row["strategy_run_id"] == HEALTHY_RUN]
        assert (tick["status"], tick["reason"], tick["latency_ms"]) == ("skipped", "lock_not_acquired", None)
        query = "select lock_owner from strategy_locks where strategy_run_id = $1"
        assert await connection.fetchval(query, HEALTHY_RUN) == "runner-2"
        await connection.execute("update strategy_locks set locked_until = now() - interval '1 second'")
        await play(busy, second)
        (tick,) = [row for row in await written(connection, second) if row["strategy_run_id"] == HEALTHY_RUN]
        assert tick["reason"] != "lock_not_acquired"
        assert await connection.fetchval(query, HEALTHY_RUN) is None


async def test_the_third_error_in_a_row_pauses_and_its_owner_insists(busy: Busy) -> None:
    boundary = full_hour(busy)
    query = "select status from strategy_runs where id = $1"
    # More than three, for it skips some.
    boundaries = [boundary + number * MINUTE for number in range(20)]
    async with busy.project.connect() as connection:
        await connection.execute("update strategy_runs set status = 'paused' where id = $1", STUBBORN_RUN)
        clock = Clock(boundary)
        await ticker_of(busy.project, clock, busy.now).insist()
        errors = 0
        for minute in boundaries:
            assert await connection.fetchval(query, STUBBORN_RUN) == ("active" if errors < 3 else "paused")
            if errors == 3:
                break
            await play(busy, minute)
            tick = next(row for row in await written(connection, minute) if row["strategy_run_id"] == STUBBORN_RUN)
            errors += tick["status"] == "error"
        assert errors == 3
        await ticker_of(busy.project, clock, busy.now).insist()
        assert await connection.fetchval(query, STUBBORN_RUN) == "active"
        assert await connection.fetchval(query, GIVEN_UP_RUNS[0]) == "paused"


async def test_without_its_audit_rows_the_runner_trades_on(busy: Busy) -> None:
    boundary = full_hour(busy)
    query = "select count(*) from strategy_runs where last_run_at >= $1"
    async with busy.project.connect() as connection:
        await connection.execute("revoke insert on strategy_tick_runs from service_role")
        await play(busy, boundary)
        assert await written(connection, boundary) == []
        assert await connection.fetchval(query, cycle_start(boundary)) > 150
        assert await connection.fetchval("select count(*) from strategy_locks where lock_owner = 'runner-1'") == 0


DRIFTED = {
    "no locks": "drop table strategy_locks",
    "no ticks": "drop table strategy_tick_runs",
    "no runs": "drop table strategy_runs cascade",
    "no risk": "drop table strategy_risk_state",
    "renamed": "alter table strategy_runs rename column timeframe to period",
    "another type": "alter table strategy_locks alter column lock_owner type integer using 1",
    "no grants": "revoke all on all tables in schema public from service_role",
}


@asynccontextmanager
async def running(ticker: Ticker) -> AsyncIterator["asyncio.Task[None]"]:
    task: asyncio.Task[None] = asyncio.create_task(ticker.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def after_cycles(task: "asyncio.Task[None]", clock: Clock, minutes: int) -> None:
    """Wait until it has slept through some minutes of its clock; what ended it is raised here."""
    until = clock.moment + minutes * MINUTE
    deadline = time.monotonic() + 60
    while clock.moment < until:
        assert time.monotonic() < deadline
        if task.done():
            task.result()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("drift", DRIFTED)
async def test_whatever_the_database_has_become_the_runner_goes_on(busy: Busy, drift: str) -> None:
    clock = Clock(full_hour(busy) + timedelta(seconds=1))
    await busy.project.execute(DRIFTED[drift])
    async with running(ticker_of(busy.project, clock, clock.moment)) as task:
        await after_cycles(task, clock, 3)
        assert not task.done()


@pytest.mark.parametrize("template", ["two_migrations"])
async def test_a_project_with_two_migrations_is_left_as_it_is(project: Project) -> None:
    clock = Clock(datetime.now(UTC))
    async with project.connect() as connection:
        before = await connection.fetch("select * from strategy_tick_runs order by id")
        async with running(ticker_of(project, clock, clock.moment)) as task:
            await after_cycles(task, clock, 6)
        assert before == await connection.fetch("select * from strategy_tick_runs order by id")


@pytest.mark.parametrize("fault", ["nothing listens", "wrong password", "no such role"])
async def test_a_database_out_of_reach_is_tried_again(project: Project, fault: str) -> None:
    clock = Clock(datetime.now(UTC))
    url = project.url(API_LOGIN, "wrong" if fault == "wrong password" else None)
    if fault == "nothing listens":
        url = url.replace(f":{project.cluster.port}/", f":{free_port()}/")
    if fault == "no such role":
        await project.execute("create role stranger login password 'stranger'")
        url = project.url("stranger", "stranger")
    async with running(Ticker(url, since=clock.moment, now=clock.now, sleep=clock.sleep)) as task:
        await after_cycles(task, clock, 3)
        assert not task.done()


async def test_the_first_cycle_after_the_past_day_is_caught_up_and_missed_hours_are_not(busy: Busy) -> None:
    """A demo that was made at 11:59:50 and listens at 12:00:03 still ticks for 12:00."""
    boundary = last_boundary(busy.now) + MINUTE
    clock = Clock(boundary + timedelta(seconds=3))
    async with running(ticker_of(busy.project, clock, busy.now)) as task:
        await after_cycles(task, clock, 2)
    assert clock.slept[0] < 0
    async with busy.project.connect() as connection:
        assert len(await written(connection, boundary)) > 10
    asleep = Clock(boundary + 5 * HOUR)
    async with running(ticker_of(busy.project, asleep, busy.now)) as task:
        await after_cycles(task, asleep, 2)
    async with busy.project.connect() as connection:
        query = "select count(*) from strategy_tick_runs where scheduled_at between $1 and $2"
        hours = (boundary + 10 * MINUTE, boundary + 5 * HOUR - MINUTE)
        assert await connection.fetchval(query, *hours) == 0


@contextmanager
def demo_server(project: Project, ticker: Ticker) -> Iterator[str]:
    port = free_port()
    config = uvicorn.Config(create_app(project.settings()), host=HOST, port=port, http="h11", log_config=None)
    server = DemoServer(config, "listening", ticker)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield f"http://{HOST}:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the demo did not stop"


async def until_sessions(project: Project, count: int) -> None:
    query = "select count(*) from pg_stat_activity where usename = $1 and datname = current_database()"
    deadline = time.monotonic() + 20
    async with project.connect() as connection:
        while await connection.fetchval(query, API_LOGIN) != count:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


async def test_the_runner_ends_with_the_demo_even_while_it_waits_for_a_lock(busy: Busy) -> None:
    """On a real clock: the cycle for the boundary that was missed starts at once."""
    async with busy.project.connect() as connection, connection.transaction():
        await connection.execute("lock table strategy_locks")
        ticker = Ticker(busy.project.url(API_LOGIN), since=datetime.now(UTC) - 2 * MINUTE)
        began = time.monotonic()
        with demo_server(busy.project, ticker) as url:
            await until_sessions(busy.project, 1)
            assert (await asyncio.to_thread(httpx.get, f"{url}/healthz")).status_code == 200
        assert time.monotonic() - began < 15
    # A session that waits for a lock sees only afterwards that nobody is there any more.
    await until_sessions(busy.project, 0)


@pytest.mark.parametrize("template", ["two_migrations"])
async def test_a_drifted_demo_keeps_serving_and_says_nothing_about_its_runner(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    slept = threading.Semaphore(0)

    async def sleep(seconds: float) -> None:
        slept.release()
        await asyncio.sleep(seconds)

    ticker = Ticker(project.url(API_LOGIN), since=datetime.now(UTC) - 2 * MINUTE, sleep=sleep)
    with demo_server(project, ticker) as url:
        # Before its first cycle it sleeps for a negative time, and after it for one that is longer than this test.
        assert await asyncio.to_thread(slept.acquire, timeout=20)
        assert await asyncio.to_thread(slept.acquire, timeout=20)
        await until_sessions(project, 0)
        assert (await asyncio.to_thread(httpx.get, f"{url}/healthz")).status_code == 200
    printed = capfd.readouterr()
    assert printed.out == "listening\n"
    assert printed.err == ""
