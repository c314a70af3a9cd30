"""Pages of ticks against an oracle in plain Python."""

import asyncio
import json
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from app.errors import DatabaseError, DatabaseTimeoutError, SchemaDriftError
from app.postgres import ticks as ticks_module
from app.postgres.pool import Database
from app.postgres.tick_filter import NEWEST, Position, Tick, TickFilter
from app.postgres.ticks import SEPARATOR, TickPage, Ticks
from app.render.ticks import page_lines
from tests.databases import VERSIONS, Project
from tests.ticks import RUNS, USERS, Row, insert, newest_first, refill

NOON = datetime(2026, 1, 29, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@asynccontextmanager
async def reading(project: Project, **overrides: object) -> AsyncIterator[Ticks]:
    chosen = project.settings(**overrides)
    database = Database(chosen)
    try:
        yield Ticks(database, chosen)
    finally:
        await database.close()


async def every_page(ticks: Ticks, wanted: TickFilter, limit: int) -> list[TickPage]:
    pages, start = [], wanted.start
    while True:
        pages.append(await ticks.page(wanted, start, limit=limit))
        following = pages[-1].next
        if following is None:
            return pages
        assert (following.scheduled_at, following.id) < (start.scheduled_at, start.id)
        start = following


def ids(pages: list[TickPage]) -> list[str]:
    return [json.loads(line)["id"] for page in pages for line in page_lines(page)]


times = some.integers(0, 5).map(lambda n: NOON + n * MICROSECOND) | some.integers(-3000, 0).map(
    lambda minutes: NOON + timedelta(minutes=minutes)
)
reasons = some.sampled_from(["cooldown", "cool", "100% sure_", "100", "user_paused: x", "\x1b[2J\u202e", None])
rows_of_ticks = some.lists(
    some.builds(
        Row,
        scheduled_at=times,
        id=some.uuids(version=4),
        strategy_run_id=some.sampled_from([*RUNS, None]),
        user_id=some.sampled_from(USERS),
        status=some.sampled_from(["ok", "skipped", "blocked", "error"]),
        reason=reasons,
        signal=some.sampled_from(["buy", "sell", "hold", None]),
        latency_ms=some.none() | some.integers(0, 3),
    ),
    max_size=40,
    unique_by=lambda row: row.id,
)


def some_of(values: list[Any]) -> some.SearchStrategy[tuple[Any, ...]]:
    return some.just(()) | some.lists(some.sampled_from(values), min_size=1, max_size=2, unique=True).map(tuple)


filters = some.builds(
    TickFilter,
    strategy_run_ids=some_of([*RUNS, uuid.UUID(int=5)]),
    user_ids=some_of([*USERS]),
    statuses=some_of(["ok", "skipped", "blocked", "error"]),
    signals=some_of(["buy", "sell", "hold"]),
    reasons=some_of(["cool", "100%", "100", "_", "%", "user_paused", "\x1b"]),
    since=some.none() | times,
    until=some.none() | times,
    min_latency_ms=some.none() | some.integers(0, 3),
)


def as_tick(row: Row) -> Tick:
    values = (row.id, row.scheduled_at, row.strategy_run_id, row.user_id)
    return Tick(*values, row.status, row.signal, row.reason, row.latency_ms, line="")


@given(rows=rows_of_ticks, wanted=filters, limit=some.integers(1, 7), enough=some.sampled_from([1, 5, 20_000]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_pages_give_every_match_once_and_in_order(
    project: Project, rows: list[Row], wanted: TickFilter, limit: int, enough: int
) -> None:
    """Whatever the ties, the filter, the size of pages, how soon a search gives up; and as listeners' filters do."""
    await refill(project, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ticks_module, "ENOUGH_TICKS", enough)
        async with reading(project) as ticks:
            pages = await every_page(ticks, wanted, limit)
    assert ids(pages) == newest_first(row for row in rows if wanted.matches(as_tick(row)))
    assert all(page.number == len(page_lines(page)) <= limit for page in pages)
    assert pages[-1].scanned_to == wanted.since


@pytest.mark.parametrize("version", VERSIONS)
async def test_concurrent_inserts_make_pages_lose_and_repeat_nothing(project: Project) -> None:
    """Writers add ticks at the very times that are paged through."""
    chance = random.Random(1)
    moments = [NOON + chance.randrange(6) * MICROSECOND for _ in range(400)]
    before = [Row(moment) for moment in moments]
    await refill(project, before)
    stop = asyncio.Event()

    async def write() -> None:
        async with project.connect() as connection:
            while not stop.is_set():
                await insert(connection, [Row(chance.choice(moments)) for _ in range(5)])
                await asyncio.sleep(0.01)

    writers = [asyncio.create_task(write()) for _ in range(2)]
    async with reading(project) as ticks:
        found = []
        for _ in range(3):
            start: Position | None = NEWEST
            seen: list[str] = []
            while start is not None:
                page = await ticks.page(TickFilter(), start, limit=17)
                seen += [json.loads(line)["id"] for line in page_lines(page)]
                start = page.next
            found.append(seen)
    stop.set()
    await asyncio.gather(*writers)
    for seen in found:
        assert len(seen) == len(set(seen))
        existing = {str(row.id) for row in before}
        assert [id_ for id_ in seen if id_ in existing] == newest_first(before)


async def test_one_request_looks_at_most_a_day_back_from_the_newest_tick_there_is(project: Project) -> None:
    old, older, oldest = (Row(NOON - timedelta(hours=hours), status="error") for hours in (1, 30, 300))
    await refill(project, [Row(NOON), old, older, oldest])
    wanted = TickFilter(statuses=("error",))
    async with reading(project) as ticks:
        pages = await every_page(ticks, wanted, 10)
        unfiltered = await ticks.page(TickFilter(), NEWEST, limit=10)
    # Silence is skipped, so that each page but the last has a tick.
    assert [page.number for page in pages] == [1, 1, 1]
    assert pages[0].scanned_to == NOON - timedelta(hours=24)
    assert ids(pages) == newest_first([old, older, oldest])
    # Without a filter nothing but the page's own ticks is looked at: it is full however old they are.
    assert unfiltered.number == 4
    assert unfiltered.next is None


async def test_a_page_ends_where_enough_ticks_were_looked_at_in_whole_times(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticks_module, "ENOUGH_TICKS", 5)
    rows = [Row(NOON - timedelta(minutes=n // 4)) for n in range(40)]
    rare = replace(rows[25], status="error", strategy_run_id=RUNS[2])
    await refill(project, [*rows[:25], rare, *rows[26:]])
    async with reading(project) as ticks:
        first = await ticks.page(TickFilter(statuses=("error",)), NEWEST, limit=3)
        assert (first.number, first.scanned_to) == (0, NOON - timedelta(minutes=1))
        assert ids(await every_page(ticks, TickFilter(statuses=("error",)), 3)) == [str(rare.id)]
        # A run's ticks are found by its index at once, however many others lie in between.
        by_run = await ticks.page(TickFilter(strategy_run_ids=(RUNS[2],)), NEWEST, limit=3)
    assert ids([by_run]) == [str(rare.id)]
    assert by_run.next is None


async def test_a_run_that_ticks_often_is_looked_for_by_time_and_no_more_than_so_far(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To fetch thousands from all over a large table for the fifty newest takes longer than a request may."""
    monkeypatch.setattr(ticks_module, "ENOUGH_TICKS", 10)
    monkeypatch.setattr(ticks_module, "MOST_TIMES", 4)
    rows = [Row(NOON - timedelta(minutes=n), strategy_run_id=RUNS[n % 5 == 0]) for n in range(200)]
    await refill(project, rows)
    wanted = TickFilter(strategy_run_ids=(RUNS[1],))
    async with reading(project) as ticks:
        monkeypatch.setattr(ticks, "_page_by_key", "select not_to_be_asked")
        enough = await ticks.page(wanted, NEWEST, limit=5)
        short = await ticks.page(wanted, NEWEST, limit=50)
        every = await every_page(ticks, wanted, 50)
    assert ids([enough]) == newest_first(rows[::5])[:5]
    assert 5 < short.number < 15
    assert short.scanned_to is not None
    assert short.scanned_to > NOON - timedelta(minutes=60)
    assert ids(every) == newest_first(rows[::5])


async def test_a_run_whose_ticks_take_too_long_to_fetch_has_a_short_page(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticks_module, "ENOUGH_TICKS", 5)
    rows = [Row(NOON - timedelta(minutes=n)) for n in range(40)]
    rare = replace(rows[25], strategy_run_id=RUNS[2])
    await refill(project, [*rows[:25], rare, *rows[26:]])
    async with reading(project) as ticks:
        fetching = "materialized (\n      select"
        assert fetching in ticks._page_by_key  # noqa: SLF001
        slow = ticks._page_by_key.replace(fetching, f"{fetching} pg_catalog.pg_sleep(5),")  # noqa: SLF001
        monkeypatch.setattr(ticks, "_page_by_key", slow)
        wanted = TickFilter(strategy_run_ids=(RUNS[2],))
        page = await ticks.page(wanted, NEWEST, limit=3)
        assert (page.number, page.scanned_to) == (0, NOON - timedelta(minutes=5))
        assert ids(await every_page(ticks, wanted, 3)) == [str(rare.id)]


@pytest.mark.parametrize("version", VERSIONS)
async def test_rows_are_the_documents_columns_as_the_database_has_them(project: Project) -> None:
    hostile = 'user_paused: \x1b[2J \x7f \u202e ,\n"quoted" \\ \'; drop table x; --'
    meta = json.dumps({"note": "x" * 1_000_000, "nested": {"a": [1, 2.5, None]}})
    row = Row(NOON + MICROSECOND, strategy_run_id=None, reason=hostile, latency_ms=None, signal=None, meta=meta)
    await refill(project, [row, Row(NOON)])
    async with reading(project) as ticks:
        page = await ticks.page(TickFilter(), NEWEST, limit=2, meta=True)
        plain = await ticks.page(TickFilter(), NEWEST, limit=2)
    found = [json.loads(line) for line in page.lines.split(SEPARATOR)]
    time = "2026-01-29T12:00:00.000001+00:00"
    assert found[0] == {
        "id": str(row.id),
        "strategy_run_id": None,
        "user_id": str(row.user_id),
        "scheduled_at": time,
        "started_at": time,
        "finished_at": time,
        "status": "ok",
        "reason": hostile,
        "signal": None,
        "latency_ms": None,
        "meta": json.loads(meta),
    }
    assert [json.loads(line) for line in page_lines(plain)] == [
        {name: value for name, value in line.items() if name != "meta"} for line in found
    ]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("template", ["two_migrations"])
async def test_after_two_migrations_ticks_are_there_without_their_run_and_it_is_said(project: Project) -> None:
    async with reading(project) as ticks:
        page = await ticks.page(TickFilter(statuses=("ok",)), NEWEST, limit=5)
        with pytest.raises(SchemaDriftError, match="no column strategy_run_id to select by"):
            await ticks.page(TickFilter(strategy_run_ids=(RUNS[0],)), NEWEST, limit=5)
        with pytest.raises(SchemaDriftError, match="no column strategy_run_id to select by"):
            await ticks.require_columns(TickFilter(strategy_run_ids=(RUNS[0],)))
        after = await ticks.after(Position(NOON, uuid.UUID(int=0)), 5)
    assert page.missing == ("strategy_run_id",)
    assert page.number == 5
    assert {json.loads(line)["strategy_run_id"] for line in page_lines(page)} == {None}
    assert len(after) == 5


async def test_any_documented_column_but_the_keys_may_be_missing(project: Project) -> None:
    await refill(project, [Row(NOON)])
    others = ("user_id", "started_at", "finished_at", "status", "reason", "signal", "latency_ms", "meta")
    for name in others:
        await project.execute(f"alter table strategy_tick_runs drop column {name} cascade")
    async with reading(project) as ticks:
        page = await ticks.page(TickFilter(), NEWEST, limit=5, meta=True)
    assert page.missing == others
    assert page.number == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("drop table strategy_tick_runs", "no table strategy_tick_runs"),
        ("alter table strategy_tick_runs drop column scheduled_at", "lacks id or scheduled_at"),
        ("revoke select on strategy_tick_runs from service_role", "may not be read"),
        ("alter role service_role nobypassrls", "may not be read"),
        ("alter table strategy_tick_runs alter column id type text", "other types than documented"),
        ("alter table strategy_tick_runs alter column scheduled_at type date", "other types than documented"),
    ],
)
async def test_what_keeps_ticks_from_being_read_is_said_and_points_to_the_schema(
    project: Project, change: str, words: str
) -> None:
    await project.execute(change)
    try:
        async with reading(project) as ticks:
            for wanted in (TickFilter(), TickFilter(statuses=("ok",))):
                with pytest.raises(SchemaDriftError, match=words) as caught:
                    await ticks.page(wanted, NEWEST, limit=5)
                assert "/api/runner/schema" in str(caught.value)
    finally:
        await project.execute("alter role service_role bypassrls")


@pytest.mark.parametrize(
    "change",
    [
        "alter table strategy_tick_runs alter column scheduled_at type text",
        "alter table strategy_tick_runs alter column strategy_run_id type text",
    ],
)
async def test_a_column_of_another_type_is_an_error_of_ours(project: Project, change: str) -> None:
    await project.execute(
        f"alter table strategy_tick_runs drop constraint strategy_tick_runs_strategy_run_id_fkey; {change}"
    )
    async with reading(project) as ticks:
        with pytest.raises(DatabaseError):
            await ticks.page(TickFilter(strategy_run_ids=(RUNS[0],)), NEWEST, limit=5)


async def test_a_status_that_is_an_enum_can_be_filtered_too(project: Project) -> None:
    await project.execute(
        "create type outcome as enum ('ok', 'skipped', 'blocked', 'error');"
        "alter table strategy_tick_runs drop constraint strategy_tick_runs_status_check;"
        "alter table strategy_tick_runs alter column status type outcome using status::outcome"
    )
    async with reading(project) as ticks:
        assert (await ticks.page(TickFilter(statuses=("ok",)), NEWEST, limit=5)).number == 5


async def test_a_locked_table_is_an_answer_in_time(project: Project) -> None:
    async with project.connect() as other, other.transaction():
        await other.execute("lock table strategy_tick_runs in access exclusive mode")
        async with reading(project, database_timeout_ms=2000) as ticks:
            started = asyncio.get_running_loop().time()
            with pytest.raises(DatabaseTimeoutError, match="locked"):
                await ticks.page(TickFilter(), NEWEST, limit=5)
            assert asyncio.get_running_loop().time() - started < 2


async def test_an_empty_table_is_an_empty_page_with_nothing_after_it(project: Project) -> None:
    await refill(project, [])
    async with reading(project) as ticks:
        for wanted in (TickFilter(), TickFilter(statuses=("ok",)), TickFilter(user_ids=USERS)):
            page = await ticks.page(wanted, wanted.start, limit=5)
            assert (page.lines, page.number, page.next, page.scanned_to) == ("", 0, None, None)


async def test_times_that_python_has_no_name_for_break_nothing(project: Project) -> None:
    await refill(project, [Row(NOON)])
    for time in ("'infinity'", "'-infinity'", "'20000-01-01'", "'4000-01-01 BC'"):
        await project.execute(
            "insert into strategy_tick_runs (user_id, scheduled_at, started_at, status) values"
            f" ('{USERS[0]}', {time}, {time}, 'ok')"
        )
    async with reading(project) as ticks:
        for wanted in (TickFilter(), TickFilter(statuses=("ok",))):
            page = await ticks.page(wanted, NEWEST, limit=5)
            assert page.number == 1
            assert page.next is None
