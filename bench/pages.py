"""What pages of ticks cost on ten million ticks, and what memory an export takes."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx

from app.api.cursor import encode_cursor
from app.demo.server import HOST
from app.postgres.pool import Connection
from app.postgres.tick_filter import Position, TickFilter
from bench.bare_page import SIZES, page_statements
from bench.kept_stage import KeptStage
from bench.load import LoadGenerator
from bench.ratios import LONGEST_SECONDS, Batch, Comparison, Measurement, Unit, measure
from bench.replay import Statement, replay
from bench.stage import Service, megabytes

TICKS = "/api/runner/tick-runs"
PAGE, MOST = SIZES
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
    with stage.service(cache_ms=0) as service, stage.service(cache_ms=0, factory="bench.bare_page:app") as bare:

        def asked(port: int, path: str) -> Batch:
            request = stage.request(path.replace(" ", "%20"))
            return lambda: load.batch(port, request, requests=REQUESTS, callers=1)

        def page(query: str) -> Batch:
            return asked(service.port, f"{TICKS}?{query}")

        deep = f"limit={PAGE}&cursor={await _deep_cursor(stage)}"
        async with stage.reader() as connection:
            for limit in SIZES:
                ours, floor = page(f"limit={limit}"), asked(bare.port, f"/{limit}")
                measurements += [await measure(each) for each in await _page(stage, ours, floor, connection, limit)]
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


async def _page(stage: KeptStage, ours: Batch, bare: Batch, connection: Connection, limit: int) -> list[Comparison]:
    """The newest page against the SELECT that reads it; and what of the difference is the transaction around that, what
    a bare route over HTTP, and what is ours.
    """
    sent = await page_statements(stage.settings, limit)
    select = _repeated(connection, tuple(each for each in sent if not each.controls))
    # The role that this becomes ends with its transaction, and the one of the connection is there again.
    whole = _repeated(connection, sent)
    title = f"{TICKS}?limit={limit}"
    return [
        _row(title, "its SELECT alone", ours, select, 1.5),
        _row(title, "a bare route that sends the same", ours, bare, 1.2),
        _row(f"a bare route that sends what limit={limit} does", "its SELECT alone", bare, select, None),
        _row(f"all that limit={limit} sends, replayed", "its SELECT alone", whole, select, None),
    ]


def _repeated(connection: Connection, statements: tuple[Statement, ...]) -> Batch:
    async def seconds() -> float:
        started = time.perf_counter()
        for _ in range(REQUESTS):
            await replay(connection, statements)
        return time.perf_counter() - started

    return seconds


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
