"""The feed of new ticks: late rows, reconnects, slow listeners, a database that goes away."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app import tick_feed
from app.errors import BusyError, SchemaDriftError
from app.postgres.pool import Database
from app.postgres.tick_filter import Position, Tick, TickFilter
from app.postgres.ticks import Ticks
from app.tick_feed import Events, Notice, NoticeKind, TickFeed
from tests.databases import Project
from tests.ticks import Row, insert, refill

EVERYTHING = TickFilter()


@asynccontextmanager
async def feeding(project: Project, poll_seconds: float = 0.05) -> AsyncIterator[TickFeed]:
    settings = project.settings()
    database = Database(settings)
    feed = TickFeed(Ticks(database, settings), poll_seconds=poll_seconds)
    try:
        yield feed
    finally:
        await feed.close()
        await database.close()


OneByOne = AsyncGenerator[Tick | Notice | None]


async def one_by_one(batches: AsyncGenerator[Events | None]) -> OneByOne:
    async for batch in batches:
        for event in [None] if batch is None else batch:
            yield event


@asynccontextmanager
async def listening(
    feed: TickFeed, wanted: TickFilter = EVERYTHING, after: Position | None = None
) -> AsyncIterator[OneByOne]:
    async with aclosing(feed.listen(wanted, after)) as batches, aclosing(one_by_one(batches)) as events:
        yield events


async def until(events: OneByOne, wanted: set[UUID], seconds: float = 20) -> list[Tick]:
    """The ticks that come until all of `wanted` have."""
    missing, found = set(wanted), []
    async with asyncio.timeout(seconds):
        while missing:
            event = await anext(events)
            if isinstance(event, Tick):
                found.append(event)
                missing.discard(event.id)
    return found


def now() -> datetime:
    return datetime.now(UTC)


async def test_no_row_is_lost_by_late_rows_random_ids_disconnects_and_resumes(project: Project) -> None:
    """Several writers take seconds for the 200 rows of each scheduled_at, in random order. One listener stays; another
    goes away again and again, and comes back with the position of the last tick it was given.
    """
    await refill(project, [])
    chance = random.Random(7)
    groups = [[Row(now() - timedelta(seconds=40 - 10 * n)) for _ in range(200)] for n in range(4)]
    everything = {row.id for group in groups for row in group}

    async def write(rows: list[Row]) -> None:
        async with project.connect() as connection:
            for place in range(0, len(rows), 4):
                await insert(connection, rows[place : place + 4])
                await asyncio.sleep(0.03)

    async with feeding(project) as feed, listening(feed) as staying:
        assert await anext(staying) is None
        # Rows of one group are shuffled over the writers, and the groups overlap.
        shuffled = [row for group in groups for row in chance.sample(group, len(group))]
        writers = [asyncio.create_task(write(shuffled[n::4])) for n in range(4)]
        found: set[UUID] = set()
        last: Position | None = Position(now() - timedelta(seconds=60), UUID(int=0))
        reconnects = 0
        async with asyncio.timeout(60):
            while found != everything:
                reconnects += 1
                async with listening(feed, after=last) as events:
                    for _ in range(chance.randrange(30, 900)):
                        event = await anext(events)
                        if isinstance(event, Tick):
                            found.add(event.id)
                            last = event.position
                        if found == everything:
                            break
        stayed = await until(staying, everything)
        await asyncio.gather(*writers)
    assert {tick.id for tick in stayed} == everything
    assert len(stayed) == len(everything)
    assert reconnects > 1


async def test_a_listener_gets_what_its_filter_selects_and_nothing_from_before(project: Project) -> None:
    await refill(project, [Row(now(), status="error")])
    async with feeding(project) as feed, listening(feed, TickFilter(statuses=("error",))) as events:
        assert await anext(events) is None
        wanted = [Row(now() - timedelta(minutes=9), status="error"), Row(now() + timedelta(days=300), status="error")]
        async with project.connect() as connection:
            await insert(connection, [Row(now()), wanted[0], Row(now(), status="blocked"), wanted[1]])
        assert [tick.id for tick in await until(events, {row.id for row in wanted})] == [row.id for row in wanted]


async def test_many_listeners_cost_one_poll(project: Project) -> None:
    """Counted by the database: transactions of two seconds with one listener and with forty."""
    count = "select xact_commit from pg_stat_database where datname = current_database()"
    costs = []
    async with project.connect() as connection:
        for number in (1, 40):
            async with feeding(project, poll_seconds=0.2) as feed:
                listeners = [feed.listen(EVERYTHING) for _ in range(number)]
                for events in listeners:
                    assert await anext(events) is None
                await asyncio.sleep(1.2)
                before = await connection.fetchval(count)
                await asyncio.sleep(2.4)
                costs.append(await connection.fetchval(count) - before)
                for events in listeners:
                    await events.aclose()
    assert costs[1] < costs[0] * 2 + 5


async def test_a_listener_that_does_not_read_is_dropped_and_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tick_feed, "LONGEST_QUEUE", 10)
    async with feeding(project) as feed, listening(feed) as slow:
        assert await anext(slow) is None
        async with project.connect() as connection, listening(feed) as quick:
            assert await anext(quick) is None
            for _ in range(4):
                rows = [Row(now()) for _ in range(5)]
                await insert(connection, rows)
                await until(quick, {row.id for row in rows})
        event = await anext(slow)
        assert isinstance(event, Notice)
        assert event.kind is NoticeKind.DROPPED
        with pytest.raises(StopAsyncIteration):
            await anext(slow)


async def test_a_database_out_of_reach_is_told_and_made_up_for(project: Project) -> None:
    async with feeding(project) as feed, listening(feed) as events:
        assert await anext(events) is None
        row = Row(now() - timedelta(minutes=5))
        async with project.connect() as other, other.transaction():
            await other.execute("lock table strategy_tick_runs in access exclusive mode")
            async with asyncio.timeout(10):
                stalled = await anext(events)
            await insert(other, [row])
        async with asyncio.timeout(10):
            following = [await anext(events), await anext(events)]
    assert isinstance(stalled, Notice)
    assert stalled.kind is NoticeKind.STALLED
    kinds = [event.id if isinstance(event, Tick) else event and event.kind for event in following]
    assert kinds == [row.id, NoticeKind.RECOVERED]


async def test_what_was_missed_is_given_for_a_day_and_a_longer_gap_is_told(project: Project) -> None:
    rows = [Row(now() - timedelta(hours=hours)) for hours in (30, 23, 2)] + [Row(now() - timedelta(minutes=1))]
    await refill(project, rows)
    async with feeding(project) as feed:
        position = Position(rows[0].scheduled_at, UUID(int=0))
        async with listening(feed, after=position) as events:
            first = await anext(events)
            found = await until(events, {row.id for row in rows[1:]})
    assert isinstance(first, Notice)
    assert first.kind is NoticeKind.GAP
    assert [tick.id for tick in found] == [row.id for row in rows[1:]]


async def test_closing_ends_every_listening_at_once_and_new_ones_too(project: Project) -> None:
    async with feeding(project) as feed:
        listeners = [feed.listen(EVERYTHING) for _ in range(3)]
        for events in listeners:
            assert await anext(events) is None
        feed.shut()
        listeners.append(feed.listen(EVERYTHING))
        assert await anext(listeners[-1]) is None
        for events in listeners:
            [event] = await anext(events) or ()
            assert isinstance(event, Notice)
            assert event.kind is NoticeKind.CLOSED


async def test_what_cannot_be_listened_to_is_refused_at_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tick_feed, "MOST_LISTENERS", 1)
    async with feeding(project) as feed, listening(feed) as events:
        assert await anext(events) is None
        with pytest.raises(BusyError):
            await anext(feed.listen(TickFilter()))
        await project.execute("alter table strategy_tick_runs drop column reason")
        with pytest.raises(SchemaDriftError):
            await anext(feed.listen(TickFilter(reasons=("x",))))
