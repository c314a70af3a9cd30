"""Of a long window only what is new is read again, and its figures are those of a reading of everything."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any
from uuid import UUID

import pytest

from app.postgres.pool import Database
from app.postgres.sections import SectionReader
from app.pulse import Pulse
from app.runner.figures import Window
from app.runner.model import Section
from app.runner.report import StatusReport
from tests.databases import Connection, Project
from tests.stored_rows import moment
from tests.ticks import RUNS, USERS, Row, insert

SECOND = 1_000_000
MINUTE = 60 * SECOND
NOW = 1_795_608_000 * SECOND  # 2026-11-25T12:00:00Z
KEPT = ("slots", "ticks", "series")


@asynccontextmanager
async def pulse(project: Project) -> AsyncIterator[Pulse]:
    settings = project.settings()
    database = Database(settings)
    try:
        yield Pulse(settings, database)
    finally:
        await database.close()


async def read_whole(project: Project, window: Window) -> StatusReport:
    async with pulse(project) as one:
        return await one.status(window)


def figures(report: StatusReport) -> dict[str, Any]:
    assert all(section.ok for section in report.sections.values())
    return {
        "verdict": report.verdict,
        "rules": [reason.rule for reason in report.reasons],
        "ticks": report.ticks,
        "series": report.series,
    }


def remembered(report: StatusReport) -> bool:
    """Whether counts, which are exact when all is read, came from memory in part."""
    return report.sections["ticks"].accuracy == "approximate"


def tick(random: Random, at: int) -> Row:
    scheduled_at = moment(at)
    assert scheduled_at is not None
    place = random.randrange(3)
    return Row(
        scheduled_at,
        id=UUID(int=random.getrandbits(128)),
        strategy_run_id=random.choice((RUNS[place], RUNS[place], RUNS[place], None)),
        user_id=random.choice((*[USERS[place]] * 4, USERS[(place + 1) % 3])),
        status=random.choice(("ok", "ok", "ok", "skipped", "blocked", "error")),
        reason=random.choice((None, "cooldown", f"exchange_unavailable: {random.randrange(30)}", "é\x01")),
        signal=random.choice((None, "buy", "hold")),
        latency_ms=random.choice((None, 0, 1, 3, random.randrange(5000))),
    )


async def begin(connection: Connection, random: Random) -> None:
    # The tables' own triggers would say that runs were changed now, and not at the moments of this test.
    await connection.execute("truncate strategy_tick_runs; alter table strategy_runs disable trigger user")
    await connection.execute(
        "update strategy_runs set created_at = $1, updated_at = $1, last_run_at = null",
        moment(NOW - 30 * 24 * 60 * MINUTE),
    )
    await insert(connection, [tick(random, NOW - random.randrange(25 * 60 * MINUTE)) for _ in range(1500)])


# What happens to a run, at a moment.
HAPPENINGS = (
    "update strategy_runs set timeframe = '5m', updated_at = $2 where id = $1",
    "update strategy_runs set timeframe = '1m', updated_at = $2 where id = $1",
    "update strategy_runs set status = 'paused', updated_at = $2 where id = $1",
    "update strategy_runs set status = 'active', updated_at = $2 where id = $1",
    # Nobody says when.
    "update strategy_runs set status = 'active', timeframe = '15m' where $2::timestamptz is not null and id = $1",
    "update strategy_runs set status = 'paused' where $2::timestamptz is not null and id = $1",
    "update strategy_runs set created_at = $2, updated_at = $2 where id = $1",
    # The runner ran it: from here on its row does not say any more when it was activated.
    "update strategy_runs set last_run_at = $2, updated_at = $2 where id = $1",
)


@pytest.mark.parametrize("window", [Window.QUARTER_DAY, Window.DAY])
@pytest.mark.parametrize("seed", range(3))
async def test_figures_are_those_of_a_reading_of_everything(
    project: Project, clock: list[int], window: Window, seed: int
) -> None:
    """While ticks come up to ten minutes late, in any order, and runs are paused, changed and activated."""
    random, now, from_memory = Random(seed), NOW, 0
    async with project.connect() as connection, pulse(project) as one:
        await begin(connection, random)
        for _ in range(25):
            now += random.choice((0, SECOND, 30 * SECOND, 100 * SECOND, random.randrange(4 * MINUTE)))
            clock.append(now)
            late = [random.randrange(10 * MINUTE - SECOND) for _ in range(random.randrange(40))]
            await insert(connection, [tick(random, now - some) for some in late])
            if random.random() < 0.3:
                await connection.execute(random.choice(HAPPENINGS), random.choice(RUNS), moment(now))
            report = await one.status(window)
            assert figures(report) == figures(await read_whole(project, window))
            from_memory += remembered(report)
    assert from_memory > 10


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("status = 'paused'", "status = 'active'"),
        ("timeframe = '5m'", "timeframe = '7m'"),
        ("timeframe = '1h'", "timeframe = '30m'"),
        (f"user_id = '{USERS[1]}'", f"user_id = '{USERS[0]}'"),
    ],
)
async def test_a_run_that_became_another_without_a_word_has_its_slots_read_again(
    project: Project, clock: list[int], before: str, after: str
) -> None:
    """As if it had been so for the whole window, which is what its row says."""
    async with project.connect() as connection, pulse(project) as one:
        await begin(connection, Random(7))
        await connection.execute(f"update strategy_runs set {before} where id = $1", RUNS[0])
        clock.append(NOW)
        was = await one.status(Window.DAY)
        await connection.execute(f"update strategy_runs set {after} where id = $1", RUNS[0])
        clock.append(NOW + SECOND)
        report = await one.status(Window.DAY)
        assert figures(report) == figures(await read_whole(project, Window.DAY))
        assert report.ticks.missed != was.ticks.missed
        assert remembered(report)


async def test_what_is_written_later_than_that_is_counted_within_five_minutes(
    project: Project, clock: list[int]
) -> None:
    random = Random(1)
    async with project.connect() as connection, pulse(project) as one:
        await begin(connection, random)
        clock.append(NOW)
        before = await one.status(Window.DAY)
        await insert(connection, [tick(random, NOW - 11 * MINUTE)])
        totals = []
        for seconds in (1, 60, 299, 300):
            clock.append(NOW + seconds * SECOND)
            totals.append((await one.status(Window.DAY)).ticks.total)
        whole = await read_whole(project, Window.DAY)
    assert before.ticks.total is not None
    assert totals[0] == before.ticks.total
    assert totals[-1] == whole.ticks.total
    assert not remembered(whole)


async def test_a_tick_that_leaves_and_was_never_counted_has_all_read_again(project: Project, clock: list[int]) -> None:
    async with project.connect() as connection, pulse(project) as one:
        await begin(connection, Random(8))
        clock.append(NOW)
        await one.status(Window.DAY)
        at = moment(NOW - 24 * 60 * MINUTE + 2 * SECOND)
        assert at is not None
        await insert(connection, [Row(at, reason="nobody else says this")])
        clock.append(NOW + 3 * SECOND)
        report = await one.status(Window.DAY)
        assert figures(report) == figures(await read_whole(project, Window.DAY))
        assert not remembered(report)


@pytest.mark.parametrize(
    "change",
    [
        "delete from strategy_tick_runs where status = 'error'",
        "update strategy_tick_runs set latency_ms = 7, reason = 'mended'",
        "truncate strategy_tick_runs",
        "alter table strategy_tick_runs alter latency_ms type bigint using latency_ms * 2",
        """
        alter table strategy_tick_runs rename to old;
        create table strategy_tick_runs (like old);
        grant select on strategy_tick_runs to service_role;
        insert into strategy_tick_runs select * from old limit 100;
        """,
    ],
)
async def test_after_anything_but_an_insert_all_is_read_again(project: Project, clock: list[int], change: str) -> None:
    async with project.connect() as connection, pulse(project) as one:
        await begin(connection, Random(2))
        clock.append(NOW)
        await one.status(Window.DAY)
        clock.append(NOW + SECOND)
        assert remembered(await one.status(Window.DAY))
        await connection.execute(change)
        await connection.execute("select pg_stat_force_next_flush()")
        clock.append(NOW + 2 * SECOND)
        report = await one.status(Window.DAY)
        assert figures(report) == figures(await read_whole(project, Window.DAY))
        assert not remembered(report)
        clock.append(NOW + 3 * SECOND)
        assert remembered(await one.status(Window.DAY))


async def test_a_clock_that_was_set_back_has_all_read_again(project: Project, clock: list[int]) -> None:
    async with project.connect() as connection, pulse(project) as one:
        await begin(connection, Random(3))
        for now in (NOW, NOW - 60 * MINUTE, NOW - 60 * MINUTE + SECOND, NOW + 60 * MINUTE):
            clock.append(now)
            assert figures(await one.status(Window.DAY)) == figures(await read_whole(project, Window.DAY))


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ("select 1", "drop table early"),
        ("select 1", "truncate early"),
        ("select 1", "delete from early"),
        ("select 1", "alter table strategy_tick_runs detach partition early"),
        (
            "alter table strategy_tick_runs detach partition early",
            "alter table strategy_tick_runs attach partition early for values from (minvalue) to ('2026-11-25T00:00Z')",
        ),
    ],
    ids=["drop", "truncate", "delete", "detach", "attach"],
)
async def test_a_partition_that_comes_or_goes_has_all_read_again(
    project: Project, clock: list[int], before: str, change: str
) -> None:
    async with project.connect() as connection, pulse(project) as one:
        await connection.execute(
            """
            alter table strategy_tick_runs rename to old;
            create table strategy_tick_runs (like old including defaults) partition by range (scheduled_at);
            grant select on strategy_tick_runs to service_role;
            create table early partition of strategy_tick_runs for values from (minvalue) to ('2026-11-25T00:00Z');
            create table late partition of strategy_tick_runs for values from ('2026-11-25T00:00Z') to (maxvalue);
            """
        )
        await begin(connection, Random(4))
        await connection.execute(before)
        clock.append(NOW)
        await one.status(Window.DAY)
        clock.append(NOW + SECOND)
        assert remembered(await one.status(Window.DAY))
        await connection.execute(change)
        await connection.execute("select pg_stat_force_next_flush()")
        clock.append(NOW + 2 * SECOND)
        report = await one.status(Window.DAY)
        assert figures(report) == figures(await read_whole(project, Window.DAY))
        assert not remembered(report)


async def test_what_could_not_be_read_is_not_remembered(project: Project, clock: list[int]) -> None:
    async with project.connect() as connection, pulse(project) as one:
        await begin(connection, Random(5))
        clock.append(NOW)
        await one.status(Window.DAY)
        async with project.connect() as other, other.transaction():
            await other.execute("lock table strategy_tick_runs in access exclusive mode")
            clock.append(NOW + SECOND)
            report = await one.status(Window.DAY)
            assert {name for name in KEPT if report.sections[name].ok} == set()
            assert (report.ticks.total, report.series) == (None, None)
        clock.append(NOW + 2 * SECOND)
        assert figures(await one.status(Window.DAY)) == figures(await read_whole(project, Window.DAY))


async def test_of_too_many_reasons_none_is_kept_and_the_most_frequent_are_still_exact(
    project: Project, clock: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.postgres.window.MOST_REASONS_KEPT", 20)
    counted = """
        select array_agg(found.number order by found.number desc)
        from (
          select count(*) as number from strategy_tick_runs
          where reason is not null and scheduled_at > $1::timestamptz - interval '1 day' and scheduled_at <= $1
          group by reason order by number desc limit 10
        ) as found
    """
    async with project.connect() as connection, pulse(project) as one:
        await begin(connection, Random(6))
        for step in range(3):
            clock.append(NOW + step * SECOND)
            report = await one.status(Window.DAY)
            assert [reason.count for reason in report.ticks.reasons or ()] == await connection.fetchval(
                counted, moment(clock[-1])
            )
            assert not remembered(report)


async def test_a_run_that_was_resumed_and_then_run_is_not_called_one_that_missed_its_slots(
    project: Project, clock: list[int]
) -> None:
    """When it was resumed is only known until the runner touches its row."""
    async with project.connect() as connection, pulse(project) as one:
        await begin(connection, Random(9))
        change = "update strategy_runs set status = $2, last_run_at = $3, updated_at = $4 where id = $1"
        await connection.execute(change, RUNS[0], "paused", None, moment(NOW - 5 * MINUTE))
        for seconds, last_run in ((0, None), (10, None), (60, 57), (120, 117)):
            clock.append(NOW + seconds * SECOND)
            if seconds:
                at = moment(NOW + (last_run or 5) * SECOND)
                await connection.execute(change, RUNS[0], "active", at if last_run else None, at)
            report = await one.status(Window.DAY)
            assert figures(report) == figures(await read_whole(project, Window.DAY))


async def test_a_deletion_while_a_reading_goes_on_is_found_by_the_next(
    project: Project, clock: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with project.connect() as connection, pulse(project) as one:
        await begin(connection, Random(2))
        fetch = SectionReader.fetch

        async def fetch_after_a_deletion(
            reader: SectionReader, section: Section, query: str, *arguments: object
        ) -> Sequence[Any] | None:
            await connection.execute("delete from strategy_tick_runs where status = 'error'")
            await connection.execute("select pg_stat_force_next_flush()")
            return await fetch(reader, section, query, *arguments)

        clock.append(NOW)
        with monkeypatch.context() as patch:
            patch.setattr(SectionReader, "fetch", fetch_after_a_deletion)
            assert ((await one.status(Window.DAY)).ticks.by_status or {})["error"] > 0
        clock.append(NOW + SECOND)
        report = await one.status(Window.DAY)
        assert (report.ticks.by_status or {})["error"] == 0
        assert figures(report) == figures(await read_whole(project, Window.DAY))


async def test_of_a_view_nothing_is_kept_for_nothing_tells_of_its_rows(project: Project, clock: list[int]) -> None:
    async with project.connect() as connection, pulse(project) as one:
        await begin(connection, Random(10))
        await connection.execute(
            """
            alter table strategy_tick_runs rename to stored;
            create view strategy_tick_runs as select * from stored;
            grant select on strategy_tick_runs to service_role;
            """
        )
        for step, sql in enumerate(("select 1", "delete from stored")):
            clock.append(NOW + step * SECOND)
            await connection.execute(sql)
            report = await one.status(Window.DAY)
            assert not remembered(report)
        assert report.ticks.total == 0


async def test_a_status_that_is_null_and_one_that_says_so_are_counted_together(
    project: Project, clock: list[int]
) -> None:
    async with project.connect() as connection, pulse(project) as one:
        await begin(connection, Random(11))
        await connection.execute(
            """
            truncate strategy_tick_runs;
            alter table strategy_tick_runs drop constraint strategy_tick_runs_status_check, alter status drop not null;
            """
        )
        at = moment(NOW - 60 * MINUTE)
        assert at is not None
        await insert(connection, [Row(at, status=status) for status in ("null", "ok", "ok")])
        await connection.execute(
            "update strategy_tick_runs set status = null where id in "
            "(select id from strategy_tick_runs where status = 'ok' limit 1)"
        )
        clock.append(NOW)
        report = await one.status(Window.DAY)
        assert (report.ticks.total, (report.ticks.by_status or {})["null"]) == (3, 2)
