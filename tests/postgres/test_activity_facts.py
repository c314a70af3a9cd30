"""The facts that SQL folds out of rows are those that plain Python folds out of the same rows."""

import random
from collections import defaultdict
from datetime import timedelta
from uuid import UUID

import pytest

from app.postgres.activity import ActivityReader, GridSlots
from app.postgres.pool import Database
from app.pulse import thresholds
from app.runner.figures import Window
from app.runner.model import Reading, Tick, history_of
from app.runner.served import NONE_SERVED
from app.runner.timeframes import LEAD, slot_of, slot_start
from tests.databases import VERSIONS, Project
from tests.runner.world import served_by

STATUSES = ("ok", "ok", "skipped", "blocked", "error")
STRANGER = UUID("00000000-0000-4000-8000-000000000001")


async def fill(project: Project, chance: random.Random) -> None:
    """Runs of many timeframes with ticks at odd moments: boundaries, ties, duplicates, strangers, the future."""
    timeframes = ("1m", "5m", "15m", "1h", "90s", "1d", "1w", "nonsense", None)
    async with project.connect() as connection:
        await connection.execute(
            "delete from strategy_tick_runs; alter table strategy_runs alter timeframe drop not null"
        )
        now = await connection.fetchval("select now()")
        runs = await connection.fetch("select id, user_id from strategy_runs order by id")
        rows = []
        for run, timeframe in zip(runs, timeframes, strict=True):
            status = chance.choice(("active", "active", "active", "paused", "stopped"))
            await connection.execute(
                "update strategy_runs set timeframe = $2, status = $3 where id = $1", run["id"], timeframe, status
            )
            reach = chance.choice((2, 70, 2000, 20_000))
            for _ in range(chance.choice((0, 3, 60, 300))):
                at = now - timedelta(minutes=chance.randint(-2, reach))
                if chance.random() < 0.5:
                    at = slot_start(slot_of(at, 60), 60) - chance.choice((LEAD, LEAD + timedelta(microseconds=1)))
                user = STRANGER if chance.random() < 0.1 else run["user_id"]
                rows += [(run["id"], user, at, now, chance.choice(STATUSES))] * chance.choice((1, 1, 2))
        rows += [(None, STRANGER, now - timedelta(minutes=n), now, "ok") for n in range(5)]
        # As they come: the newest is stored last.
        rows.sort(key=lambda row: row[2])
        await connection.executemany(
            "insert into strategy_tick_runs (strategy_run_id, user_id, scheduled_at, started_at, status)"
            " values ($1, $2, $3, $4, $5)",
            rows,
        )


async def read(project: Project, window: Window | None, grid: GridSlots | None) -> Reading:
    settings = project.settings()
    database = Database(settings)
    try:
        return await ActivityReader(database, settings, thresholds(settings)).read(window=window, grid=grid)
    finally:
        await database.close()


async def own_ticks(project: Project, reading: Reading) -> dict[UUID, list[Tick]]:
    async with project.connect() as connection:
        rows = await connection.fetch(
            "select run.id, tick.scheduled_at, tick.status from strategy_tick_runs tick"
            " join strategy_runs run on run.id = tick.strategy_run_id where tick.user_id = run.user_id"
            " and tick.scheduled_at <= $1::timestamptz + interval '5 seconds'",
            reading.as_of,
        )
    ticks = defaultdict(list)
    for row in rows:
        ticks[row["id"]].append(Tick(row["scheduled_at"], row["status"]))
    return ticks


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("seed", range(6))
async def test_facts_agree(project: Project, seed: int) -> None:
    await fill(project, random.Random(seed))
    limits = thresholds(project.settings())
    for window in (Window.QUARTER, Window.HOUR, Window.WEEK):
        reading = await read(project, window, None)
        assert reading.runs is not None
        assert reading.activity is not None
        assert reading.stored is not None
        assert reading.slots is not None
        ticks = await own_ticks(project, reading)
        start = reading.as_of - limits.horizon(reading.runs.active)
        judged = {run.id for run in reading.runs.judged}
        near = {
            run: [tick for tick in some if tick.scheduled_at > start] for run, some in ticks.items() if run in judged
        }
        assert reading.activity.histories == {run: history_of(some) for run, some in near.items() if some}
        for run, history in reading.stored.items():
            newest = sorted(ticks[run], key=lambda tick: tick.scheduled_at)[-32:]
            assert history.newest_at == newest[-1].scheduled_at
        for one in reading.runs.judged:
            known = reading.history(one)
            assert (known is None) is (not ticks[one.id])
            assert known is None or known.newest_at == max(tick.scheduled_at for tick in ticks[one.id])
        since = reading.as_of - window.length - LEAD
        for one in reading.runs.active:
            inside = [tick for tick in ticks[one.id] if tick.scheduled_at > since]
            found, wanted = reading.slots.get(one.id, NONE_SERVED), served_by(one, inside)
            assert (found.first, found.served) == (wanted.first, wanted.served)
        async with project.connect() as connection:
            counted = await connection.fetch(
                "select status, count(*) from strategy_tick_runs"
                " where scheduled_at > $1 and scheduled_at <= $2 group by status",
                start,
                reading.as_of,
            )
        assert reading.activity.by_status == {row["status"]: row["count"] for row in counted}


@pytest.mark.parametrize("seed", range(3))
async def test_the_slots_of_a_grid_agree(project: Project, seed: int) -> None:
    await fill(project, random.Random(seed))
    reading = await read(project, None, GridSlots(60, timedelta(hours=24)))
    assert reading.runs is not None
    assert reading.slots is not None
    ticks = await own_ticks(project, reading)
    for run in reading.runs.active:
        found = reading.slots.get(run.id, NONE_SERVED)
        wanted = served_by(run, ticks[run.id])
        last = slot_of(reading.as_of, run.period)
        for slot in range(last - 59, last + 1):
            # What begins within the last 24 hours is read whole.
            if slot_start(slot, run.period) >= reading.as_of - timedelta(hours=24):
                assert found.outcome(slot) == wanted.outcome(slot)
