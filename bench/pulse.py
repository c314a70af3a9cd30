"""What the runner's status costs on ten million ticks, and how many readings many callers cause."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib import resources

import asyncpg

from app.postgres.pool import Connection, Database
from app.pulse import Pulse
from app.runner.figures import Window
from app.settings import Settings
from bench.kept_stage import KeptStage
from bench.load import LoadGenerator
from bench.ratios import Batch, Comparison, Measurement, Unit, measure
from bench.replay import Statement, record, replay
from bench.stage import Service

STATUS = "/api/runner/status"
CALLERS = 200
CACHE_MS = 2000  # As REPORT_CACHE_MS has it.
PERIODS = 3
REFRESHES = 10

# One reading of the window that counts what a status counts most of, and nothing else.
PLAIN_PASS = """
select tick.status, tick.latency_ms, count(*) as number
from public.strategy_tick_runs as tick
where tick.scheduled_at > $1 and tick.scheduled_at <= $2
group by tick.status, tick.latency_ms
"""
NAIVE = ("figures", "runs", "series")
# Each reading looks at this table once, and nothing else does: a vacuum is no scan.
READINGS = """
select coalesce(seq_scan, 0) + coalesce(idx_scan, 0)
from pg_stat_user_tables
where schemaname = 'public' and relname = 'strategy_risk_state'
"""


async def measure_pulse(stage: KeptStage, load: LoadGenerator) -> list[Measurement]:
    """The ticks must lead up to now."""
    measurements = []
    for window, rounds in ((Window.HOUR, 11), (Window.DAY, 5)):
        async with stage.login() as connection:
            comparison = Comparison(
                f"{STATUS}?window={window.value}, cold",
                "its statements, replayed",
                ours=_cold(stage, load, window),
                floor=await _replayed(stage, connection, window),
                unit=Unit.MILLISECONDS,
                work=1,
                rounds=rounds,
                aim=1.15,
            )
            measurements.append(await measure(comparison))
    measurements += [await measure(_refreshed(stage, load, window)) for window in (Window.DAY, Window.WEEK)]
    async with stage.login() as connection, stage.reader() as reader:
        measurements += [await measure(each) for each in await _passes(stage, connection, reader)]
    measurements.append(await measure(_callers(stage, load)))
    return measurements


def _cold(stage: KeptStage, load: LoadGenerator, window: Window) -> Batch:
    """The first of its window that a process is asked for; of another, it was asked before, and has a connection."""

    async def seconds() -> float:
        with stage.service(cache_ms=0) as service:
            await _asked(stage, load, service, Window.QUARTER)
            return await _asked(stage, load, service, window)

    return seconds


def _refreshed(stage: KeptStage, load: LoadGenerator, window: Window) -> Comparison:
    """The mean of those that follow the first. The database's time goes on by itself, and no tick comes meanwhile."""

    async def refreshed() -> float:
        with stage.service(cache_ms=0) as service:
            await _asked(stage, load, service, window)
            return sum([await _asked(stage, load, service, window) for _ in range(REFRESHES)]) / REFRESHES

    return Comparison(
        f"{STATUS}?window={window.value}, refreshed",
        "cold",
        ours=refreshed,
        floor=_cold(stage, load, window),
        unit=Unit.MILLISECONDS,
        work=1,
        rounds=3,
        aim=0.03,
    )


async def _asked(stage: KeptStage, load: LoadGenerator, service: Service, window: Window) -> float:
    return await load.batch(service.port, stage.request(f"{STATUS}?window={window.value}"), requests=1, callers=1)


async def _replayed(stage: KeptStage, connection: Connection, window: Window) -> Batch:
    began = datetime.now(UTC)
    statements = await record_status(stage.settings, window)

    async def seconds() -> float:
        later, started = datetime.now(UTC) - began, time.perf_counter()
        await replay(connection, statements, later=later)
        return time.perf_counter() - started

    return seconds


async def record_status(settings: Settings, window: Window) -> tuple[Statement, ...]:
    """The statements of one status. Raises RuntimeError when a part of it could not be read: then it is no floor."""

    def reader(database: Database) -> Callable[[], Awaitable[object]]:
        async def read() -> None:
            # A new one each time: it remembers nothing, and reads all of the window.
            report = await Pulse(settings, database).status(window)
            failed = [f"{name}: {section.error}" for name, section in report.sections.items() if section.error]
            if failed:
                raise RuntimeError(f"A status of {window.value} could not be read: {'; '.join(failed)}.")

        return read

    return await record(settings, reader)


async def _passes(stage: KeptStage, connection: Connection, reader: Connection) -> list[Comparison]:
    """All statements of a day's status against one pass over the same ticks, and against how they are first written."""

    def reading(*queries: str) -> Batch:
        async def seconds() -> float:
            started, now = time.perf_counter(), datetime.now(UTC)
            for query in queries:
                await reader.fetch(query, now - Window.DAY.length, now)
            return time.perf_counter() - started

        return seconds

    naive = [resources.files("bench").joinpath("sql", f"naive_{name}.sql").read_text() for name in NAIVE]
    ours = await _replayed(stage, connection, Window.DAY)
    return [
        Comparison(
            f"statements of {STATUS}?window=24h",
            title,
            ours=ours,
            floor=floor,
            unit=Unit.MILLISECONDS,
            work=1,
            rounds=rounds,
            aim=aim,
        )
        for title, floor, rounds, aim in (
            ("group by status, latency_ms, alone", reading(PLAIN_PASS), 5, 3.0),
            ("percentile_cont, and a subquery a strategy", reading(*naive), 3, None),
        )
    ]


def _callers(stage: KeptStage, load: LoadGenerator) -> Comparison:
    """Readings that the database counts for a period of the cache in which so many call at once."""

    def readings(callers: int) -> Batch:
        async def number() -> float:
            before = await _readings(stage)
            with stage.service(cache_ms=CACHE_MS) as service:
                request = stage.request(f"{STATUS}?window=1h")
                for _ in range(PERIODS):
                    await load.batch(service.port, request, requests=callers, callers=callers)
                    await asyncio.sleep(CACHE_MS / 1000)
            return await _readings(stage) - before

        return number

    return Comparison(
        f"readings a cache period, {CALLERS} callers",
        "readings a cache period, 1 caller",
        ours=readings(CALLERS),
        floor=readings(1),
        unit=Unit.NUMBER,
        work=PERIODS,
        rounds=2,
        aim=1.0,
    )


async def _readings(stage: KeptStage) -> int:
    """So far. The sessions of a service that was stopped tell their counts as they end, which takes a moment."""
    await asyncio.sleep(1)
    connection = await asyncpg.connect(stage.url)
    try:
        counted: int = await connection.fetchval(READINGS)
        return counted
    finally:
        await connection.close()
