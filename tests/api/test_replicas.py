"""A service that reads from a streaming standby where there is one, and from the primary where there is none."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from app.demo.server import EmbeddedPostgres
from app.errors import DatabaseTimeoutError
from app.postgres.pool import Database
from app.postgres.sections import SectionReader
from app.pulse import Pulse
from app.runner.figures import Window
from app.runner.model import Section, SectionResult
from app.runner.report import StatusReport
from tests.api.process import RECOVERY_SECONDS, ServiceProcess, events, eventually, serving_process
from tests.api.service import claimed
from tests.databases import NEWEST, Project, running_cluster
from tests.standby import Standby
from tests.ticks import Row, insert

STREAM = "/api/runner/tick-runs/stream"
READ = ("/api/runner/status", "/api/runner/runs", "/api/runner/tick-runs")
SESSIONS = "select count(*) from pg_stat_activity where usename = 'runner_diagnostics'"


@pytest.fixture(scope="module")
def primary() -> Iterator[EmbeddedPostgres]:
    """A cluster that may be stopped. What its standbys read gives way at once to what it sends them."""
    with running_cluster(NEWEST) as cluster:
        asyncio.run(ask(cluster, "alter system set max_standby_streaming_delay = 0"))
        yield cluster


@pytest.fixture
def standby(primary: EmbeddedPostgres) -> Iterator[Standby]:
    with Standby(primary) as standby:
        yield standby


async def ask(cluster: EmbeddedPostgres, query: str) -> object:
    connection = await asyncpg.connect(cluster.url(database="postgres"))
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def sessions(cluster: EmbeddedPostgres) -> object:
    return asyncio.run(ask(cluster, SESSIONS))


def either(*clusters: EmbeddedPostgres) -> str:
    """The URL of a standby, if there is one, among these."""
    url = Project(clusters[0], "documented").url()
    hosts = ",".join(f"127.0.0.1:{cluster.port}" for cluster in clusters)
    return url.replace(f"127.0.0.1:{clusters[0].port}", hosts) + "?target_session_attrs=prefer-standby"


@pytest.mark.parametrize("first", ["primary", "standby"])
def test_everything_is_read_from_the_standby_whichever_is_named_first(
    primary: EmbeddedPostgres, standby: Standby, tmp_path: Path, first: str
) -> None:
    hosts = (primary, standby) if first == "primary" else (standby, primary)
    with serving_process(ServiceProcess(tmp_path, either(*hosts))) as service:
        eventually(service.whole, within=RECOVERY_SECONDS)
        for path in READ:
            assert service.get(path, claimed()).status_code == 200, path
        with service.streaming(STREAM) as answer:
            row = Row(datetime.now(UTC))
            lines = events(answer)
            asyncio.run(write(primary, row))
            assert next(data["id"] for _, data in lines if "id" in data) == str(row.id)
        assert sessions(primary) == 0
        assert sessions(standby) != 0


async def write(primary: EmbeddedPostgres, row: Row) -> None:
    async with Project(primary, "documented").connect() as connection:
        await insert(connection, [row])


def test_without_a_standby_the_primary_is_read_and_one_that_takes_over_is_too(
    primary: EmbeddedPostgres, standby: Standby, tmp_path: Path
) -> None:
    with serving_process(ServiceProcess(tmp_path, either(primary, standby))) as service:
        eventually(service.whole, within=RECOVERY_SECONDS)
        standby.stop()
        eventually(service.whole, within=RECOVERY_SECONDS)
        assert sessions(primary) != 0
        standby.start()
        primary.stop()
        try:
            eventually(service.whole, within=RECOVERY_SECONDS)
            standby.promote()
            eventually(service.whole, within=RECOVERY_SECONDS)
        finally:
            primary.start()


async def judged(cluster: EmbeddedPostgres) -> StatusReport:
    """With a grace of six seconds, of which a standby may be half behind."""
    settings = Project(cluster, "documented").settings(status_grace_min_seconds=6)
    database = Database(settings)
    try:
        return await Pulse(settings, database).status(Window.HOUR)
    finally:
        await database.close()


async def caught_up(primary: EmbeddedPostgres, standby: Standby) -> None:
    """Wait until the standby has all there is; the checkpoint lets nothing wait to be sent."""
    await ask(primary, "checkpoint")
    written = await ask(primary, "select pg_current_wal_flush_lsn()::text")
    for _ in range(200):
        if await ask(standby, f"select pg_last_wal_replay_lsn() >= '{written}'"):
            return
        await asyncio.sleep(0.05)
    pytest.fail("The standby does not follow.")


async def test_of_the_present_a_standby_that_is_behind_tells_nothing(
    primary: EmbeddedPostgres, standby: Standby
) -> None:
    """What it has not got yet would look as if it had not happened: a healthy runner as one that is overdue."""
    await Project(primary, "documented").tick_until_now()
    await caught_up(primary, standby)
    await ask(standby, "select pg_wal_replay_pause()")
    await Project(primary, "documented").tick_until_now()
    assert (await judged(standby)).verdict == "ok"
    await asyncio.sleep(4)
    report = await judged(standby)
    assert (report.verdict, {reason.rule for reason in report.reasons}) == ("unknown", {"section_unreadable"})
    errors = {section.error for section in report.sections.values()}
    assert len(errors) == 1
    assert "standby" in str(errors)
    await ask(standby, "select pg_wal_replay_resume()")
    await caught_up(primary, standby)
    assert (await judged(standby)).verdict == "ok"


async def test_a_standby_to_which_nothing_new_was_sent_is_believed(primary: EmbeddedPostgres, standby: Standby) -> None:
    """A runner that is silent writes nothing: that nothing comes is just what must be told."""
    await Project(primary, "documented").tick_until_now()
    await caught_up(primary, standby)
    await asyncio.sleep(4)
    assert (await judged(standby)).verdict == "ok"


async def test_a_standby_that_keeps_up_is_believed_while_nothing_is_committed(
    primary: EmbeddedPostgres, standby: Standby
) -> None:
    """One large transaction sends all the while, and the last commit grows old."""
    on_primary = Project(primary, "documented")
    await on_primary.tick_until_now()
    await caught_up(primary, standby)
    async with on_primary.connect() as connection:
        await connection.execute("create table if not exists written (number integer)")
        async with connection.transaction():
            ends = asyncio.get_running_loop().time() + 5
            verdicts = set()
            while asyncio.get_running_loop().time() < ends:
                await connection.execute("insert into written select generate_series(1, 1000)")
                verdicts.add((await judged(standby)).verdict)
    assert verdicts == {"ok"}


async def test_a_session_that_a_standby_ends_leaves_what_was_read_of_it(
    primary: EmbeddedPostgres, standby: Standby
) -> None:
    """Where a savepoint was set it ends more than the query. What was not read is unknown, and nothing is down."""
    settings = Project(standby, "documented").settings(database_timeout_ms=60_000)
    database, on_primary = Database(settings), Project(primary, "documented")
    runs = "select count(*) as number, pg_sleep($1) from public.strategy_runs"

    async def read() -> dict[Section, SectionResult]:
        async with database.connection() as connection, database.transaction(connection, settings.reading_role):
            reader = SectionReader(connection, asyncio.get_running_loop().time() + 60, 30)
            await reader.begin()
            assert await reader.fetch(Section.RUNS, runs, 0)
            for section in (Section.ACTIVITY, Section.LOCKS):
                assert await reader.fetch(section, runs, 10) is None
        return reader.results

    try:
        reading = asyncio.ensure_future(read())
        await asyncio.sleep(1)
        await on_primary.execute("update strategy_runs set updated_at = now()")
        await on_primary.execute("vacuum (freeze) strategy_runs")
        results = await reading
        assert results[Section.RUNS].error is None
        for section in (Section.ACTIVITY, Section.LOCKS):
            assert "standby ended" in str(results[section].error)
        # The connection was thrown away, and the next one is a good one.
        assert (await judged(standby)).verdict != "down"
    finally:
        await database.close()


async def test_what_a_standby_was_waited_for_is_in_what_is_read(primary: EmbeddedPostgres, standby: Standby) -> None:
    """It replays all at once when it goes on: a snapshot of before would show a runner that has been silent."""
    on_primary = Project(primary, "documented")
    await on_primary.tick_until_now()
    await caught_up(primary, standby)
    await ask(standby, "select pg_wal_replay_pause()")
    await on_primary.execute("delete from strategy_tick_runs")
    await asyncio.sleep(4)
    settings = Project(standby, "documented").settings(status_grace_min_seconds=6)
    database = Database(settings)
    try:
        pulse = Pulse(settings, database)
        assert (await pulse.status(Window.HOUR)).verdict == "unknown"
        await on_primary.tick_until_now()
        async with on_primary.connect() as connection:
            newest = await connection.fetchval("select max(scheduled_at) from strategy_tick_runs")
        reading = asyncio.ensure_future(pulse.status(Window.HOUR))
        await asyncio.sleep(0.3)
        await ask(standby, "select pg_wal_replay_resume()")
        report = await reading
        assert report.verdict == "ok"
        assert report.last_run_at == newest
    finally:
        await database.close()


async def test_a_standby_that_lost_its_primary_tells_nothing_of_the_present(
    primary: EmbeddedPostgres, standby: Standby
) -> None:
    await Project(primary, "documented").tick_until_now()
    await caught_up(primary, standby)
    await ask(standby, "checkpoint")
    primary.stop()
    try:
        await asyncio.sleep(4)
        assert (await judged(standby)).verdict == "unknown"
        # It has not replayed any commit since then.
        standby.stop()
        standby.start()
        assert (await judged(standby)).verdict == "unknown"
        standby.promote()
        assert (await judged(standby)).verdict == "ok"
    finally:
        primary.start()


async def test_a_query_that_gives_way_to_what_the_primary_sends_may_be_tried_again(
    primary: EmbeddedPostgres, standby: Standby
) -> None:
    """A standby ends queries that need rows which its primary has cleared away. That is no finding, and no fault."""
    settings = Project(standby, "documented").settings(database_timeout_ms=60_000)
    database, on_primary = Database(settings), Project(primary, "documented")

    async def read() -> None:
        async with database.connection() as connection, database.transaction(connection, settings.reading_role):
            await connection.fetch("select count(*), pg_sleep(10) from public.strategy_runs")

    try:
        reading = asyncio.ensure_future(read())
        await asyncio.sleep(0.5)
        await on_primary.execute("update strategy_runs set updated_at = now()")
        await on_primary.execute("vacuum (freeze) strategy_runs")
        with pytest.raises(DatabaseTimeoutError, match="gave up"):
            await reading
    finally:
        await database.close()
