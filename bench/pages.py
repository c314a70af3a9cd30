"""What pages of ticks cost on ten million ticks, and what memory an export takes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx

from app.api.cursor import encode_cursor
from app.demo.server import HOST
from app.postgres.pool import Connection, Database
from app.postgres.tick_filter import Position, TickFilter
from app.postgres.ticks import Ticks
from bench.kept_stage import KeptStage
from bench.load import LoadGenerator
from bench.ratios import LONGEST_SECONDS, Batch, Comparison, Measurement, Unit, measure
from bench.replay import Statement, record, replay
from bench.stage import Service, megabytes

TICKS = "/api/runner/tick-runs"
PAGE = 50  # As many as there are without a limit.
MOST = 500
DEEP = 10_000
REQUESTS = 10
ROUNDS = 15
EXPORTED = 100_000
MOST_MEGABYTES = 20
FILTERS = {
    # What matches, and what matches nothing, by the same column.
    "reason": ("reason=exchange_unavailable: 7", "reason=platform_kill_switch"),
    "strategy_run_id": (
        "strategy_run_id=20000000-0000-4000-8000-000000001500",
        "strategy_run_id=20000000-0000-4000-8000-000000009999",
    ),
}

# The position that the page before the deep one ends with: found by the index, and put in order.
DEEP_POSITION = """
select tick.scheduled_at, tick.id
from public.strategy_tick_runs as tick
order by tick.scheduled_at desc, tick.id desc
offset $1 limit 1
"""


async def measure_pages(stage: KeptStage, load: LoadGenerator) -> list[Measurement]:
    measurements = []
    with stage.service(cache_ms=0) as service:

        def page(query: str) -> Batch:
            request = stage.request(f"{TICKS}?{query}".replace(" ", "%20"))
            return lambda: load.batch(service.port, request, requests=REQUESTS, callers=1)

        deep = f"limit={PAGE}&cursor={await _deep_cursor(stage)}"
        async with stage.reader() as connection:
            measurements += [
                await measure(each) for limit in (PAGE, MOST) for each in await _page(stage, page, connection, limit)
            ]
        measurements.append(
            await measure(_row(f"{TICKS}, page {DEEP:,}", "page 1", page(deep), page(f"limit={PAGE}"), 1.2))
        )
        for column, (some, none) in FILTERS.items():
            measurements.append(
                await measure(_row(f"{TICKS}?{column}, no match", "one that matches", page(none), page(some), 2.0))
            )
    measurements.append(await measure(_memory(stage)))
    return measurements


def _row(title: str, floor_title: str, ours: Batch, floor: Batch, aim: float | None) -> Comparison:
    return Comparison(
        title, floor_title, ours=ours, floor=floor, unit=Unit.MILLISECONDS, work=REQUESTS, rounds=ROUNDS, aim=aim
    )


async def _page(stage: KeptStage, page: Callable[[str], Batch], connection: Connection, limit: int) -> list[Comparison]:
    """The newest page against the SELECT that reads it, and what of the difference is the transaction around that."""
    sent = await _sent(stage, limit)
    select = _repeated(connection, tuple(each for each in sent if _reads_ticks(each)))
    # The role that this becomes ends with its transaction, and the one of the connection is there again.
    whole = _repeated(connection, sent)
    return [
        _row(f"{TICKS}?limit={limit}", "its SELECT alone", page(f"limit={limit}"), select, 1.5),
        _row(f"all that limit={limit} sends, replayed", "its SELECT alone", whole, select, None),
    ]


async def _sent(stage: KeptStage, limit: int) -> tuple[Statement, ...]:
    wanted = TickFilter()

    def reader(database: Database) -> Callable[[], Awaitable[object]]:
        ticks = Ticks(database, stage.settings)
        return lambda: ticks.page(wanted, wanted.start, limit=limit)

    return await record(stage.settings, reader)


def _repeated(connection: Connection, statements: tuple[Statement, ...]) -> Batch:
    async def seconds() -> float:
        started = time.perf_counter()
        for _ in range(REQUESTS):
            await replay(connection, statements)
        return time.perf_counter() - started

    return seconds


def _reads_ticks(sent: Statement) -> bool:
    return "strategy_tick_runs as tick" in sent.text


async def _deep_cursor(stage: KeptStage) -> str:
    connection = await asyncpg.connect(stage.url)
    try:
        await connection.execute(f"set role {stage.settings.database_role}")
        row = await connection.fetchrow(DEEP_POSITION, (DEEP - 1) * PAGE - 1)
    finally:
        await connection.close()
    if row is None:
        raise RuntimeError(f"There are not so many as {DEEP} pages.")
    return encode_cursor(Position(row["scheduled_at"], row["id"]), TickFilter())


def _memory(stage: KeptStage) -> Comparison:
    """The peak of the process's memory while it exports, above what it held after a short export."""

    def grown() -> float:
        with stage.service(cache_ms=0) as service:
            _export(stage, service, most=0)
            before = megabytes(service.process_id, "VmRSS")
            # Forgets the peak so far.
            Path(f"/proc/{service.process_id}/clear_refs").write_text("5")
            _export(stage, service, most=EXPORTED)
            return megabytes(service.process_id, "VmHWM") - before

    async def grown_elsewhere() -> float:
        return await asyncio.to_thread(grown)

    async def allowed() -> float:
        return MOST_MEGABYTES

    return Comparison(
        f"memory grown by {EXPORTED:,} rows as CSV",
        "what it may grow by",
        ours=grown_elsewhere,
        floor=allowed,
        unit=Unit.MEGABYTES,
        work=1,
        rounds=3,
        aim=1.0,
    )


def _export(stage: KeptStage, service: Service, *, most: int) -> None:
    """Read one line by line. Raises RuntimeError unless there are a head, so many ticks and perhaps a last word."""
    since = f"?since={datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}" if most == 0 else ""
    headers = {"Authorization": f"Bearer {stage.token}", "Accept": "text/csv"}
    url = f"http://{HOST}:{service.port}{TICKS}{since}"
    with httpx.stream("GET", url, headers=headers, timeout=LONGEST_SECONDS, trust_env=False) as answer:
        answer.raise_for_status()
        lines = sum(1 for _ in answer.iter_lines())
    if not most < lines <= most + 2:
        raise RuntimeError(f"An export of {most} ticks had {lines} lines.")
