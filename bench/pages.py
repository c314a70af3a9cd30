"""Pages on ten million ticks: against the SELECT alone, far from the first one, and where nothing matches."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from uuid import UUID

import asyncpg

from app.demo.database import OWNER
from app.postgres.pool import Connection, Database
from app.postgres.tick_filter import Position, TickFilter
from app.postgres.ticks import Ticks
from app.settings import Settings
from bench.kept import LARGEST, KeptTicks
from bench.ratios import Batch, Comparison, Measurement, Unit, measure
from bench.replay import RecordingDatabase

PAGES = 10
ROUNDS = 25
LIMIT = 50
FAR = 10_000
NO_RUN = UUID(int=0)
TITLE = "a page of 50 ticks"


async def measure_pages(ticks: KeptTicks) -> list[Measurement]:
    settings = ticks.settings(LARGEST)
    database = Database(settings)
    reader = Ticks(database, settings)
    try:
        async with _bare(ticks) as bare:
            (at,) = await bare.fetch(_text("tick_number.sql"), FAR * LIMIT)
            far = Position(at["scheduled_at"], at["id"])
            run = await bare.fetchval(_text("some_run.sql"))
            first = _pages(reader, TickFilter())
            comparisons = [
                _comparison(TITLE, "its SELECT, alone", first, await _select(bare, settings), 1.5),
                _comparison("its SELECT, alone", "one by hand, no JSON", await _select(bare, settings), _by_hand(bare)),
                _comparison(f"page {FAR:,}, by cursor", "page 1", _pages(reader, TickFilter(), far), first, 1.2),
                _comparison(
                    "a reason that no tick has",
                    "one that 1 % have",
                    _pages(reader, TickFilter(reasons=("no such reason",))),
                    _pages(reader, TickFilter(reasons=("exchange_unavailable",))),
                    2,
                ),
                _comparison(
                    "a run that has no tick",
                    "one that has 10,000",
                    _pages(reader, TickFilter(strategy_run_ids=(NO_RUN,))),
                    _pages(reader, TickFilter(strategy_run_ids=(run,))),
                    2,
                ),
            ]
            return [await measure(comparison) for comparison in comparisons]
    finally:
        await database.close()


def _pages(reader: Ticks, wanted: TickFilter, start: Position | None = None) -> Batch:
    async def seconds() -> float:
        began = time.perf_counter()
        for _ in range(PAGES):
            await reader.page(wanted, start or wanted.start, limit=LIMIT)
        return time.perf_counter() - began

    return seconds


async def _select(bare: Connection, settings: Settings) -> Batch:
    """The statement of a page that reads ticks, without the transaction and the role around it."""
    database = RecordingDatabase(settings)
    try:
        await Ticks(database, settings).page(TickFilter(), TickFilter().start, limit=LIMIT)
    finally:
        await database.close()
    (select,) = [sent for sent in database.statements if "strategy_tick_runs" in sent.text]

    async def seconds() -> float:
        began = time.perf_counter()
        for _ in range(PAGES):
            await bare.fetch(select.text, *select.parameters)
        return time.perf_counter() - began

    return seconds


def _by_hand(bare: Connection) -> Batch:
    query = _text("newest_ticks.sql")

    async def seconds() -> float:
        began = time.perf_counter()
        for _ in range(PAGES):
            await bare.fetch(query, LIMIT)
        return time.perf_counter() - began

    return seconds


@asynccontextmanager
async def _bare(ticks: KeptTicks) -> AsyncIterator[Connection]:
    """Without a statement cache, as ours."""
    url = ticks.cluster.url(OWNER, LARGEST)
    connection: Connection = await asyncpg.connect(url, statement_cache_size=0)
    try:
        yield connection
    finally:
        await connection.close()


def _comparison(title: str, floor_title: str, ours: Batch, floor: Batch, aim: float | None = None) -> Comparison:
    return Comparison(
        title, floor_title, ours=ours, floor=floor, unit=Unit.MILLISECONDS, work=PAGES, rounds=ROUNDS, aim=aim
    )


def _text(file: str) -> str:
    return (resources.files("bench") / "sql" / file).read_text(encoding="utf-8")
