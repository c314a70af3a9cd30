"""What viewers cost the watched database: up to 1,000 look at one process.

Each does what the page does: a status and the runs every five seconds, the schema every thirty, one page of ticks as it
arrives, and the stream. A runner ticks beside them. What the database did for the service's login alone is told by its
own log, which has every statement with the time it took, and by its account of the buffers that each session asked for.
Two minutes or so a number of viewers; it stops by itself.
"""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg
import httpx
import uvloop
from rich import box
from rich.console import Console
from rich.table import Table

from app.demo.database import LOGIN
from app.demo.server import HOST, EmbeddedPostgres
from app.postgres.pool import Connection
from bench.mix import STREAM, TICKS, UNUSED
from bench.production import keep_ticking, production_stage
from bench.stage import admin_token

STATUSES = ("/api/runner/status?window=1h", "/api/runner/runs?limit=500")
SCHEMA = "/api/runner/schema"
PAGE_SECONDS, SCHEMA_SECONDS = 5.0, 30.0  # As the page has them.
ARRIVING_SECONDS = 0.06  # each after the one before, on average
ANSWER_SECONDS = 30.0
DURATION = re.compile(rb"duration: ([\d.]+) ms  (\w+)")
EXECUTED = (b"execute", b"statement")
# Every session of the login: which it is, and the buffers it has asked for, found or not.
BUFFERS = """
select activity.pid, sum(io.hits + io.reads)::bigint as buffers
from pg_catalog.pg_stat_activity as activity
cross join lateral pg_catalog.pg_stat_get_backend_io(activity.pid) as io
where activity.usename = $1
group by activity.pid
order by activity.pid
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What the database did: statements, buffers, and milliseconds of work; in `seconds`."""

    statements: int
    buffers: int
    milliseconds: float
    seconds: float

    def an_hour(self, amount: float) -> float:
        return amount / self.seconds * 3600


@dataclass(slots=True)
class Account:
    """Reads what was done since it was last asked."""

    cluster: EmbeddedPostgres
    connection: Connection
    place: int = 0
    began: float = 0.0
    seen: dict[int, int] | None = None

    async def since(self) -> Cost:
        # A session tells its account at the end of a transaction, a second after it last did at the soonest.
        buffers = {row["pid"]: row["buffers"] for row in await self.connection.fetch(BUFFERS, LOGIN)}
        with self.cluster.log.open("rb") as log:
            log.seek(self.place)
            lines = DURATION.findall(log.read())
            self.place = log.tell()
        before, began = self.seen or {}, self.began
        self.seen, self.began = buffers, time.perf_counter()
        return Cost(
            statements=sum(kind in EXECUTED for _, kind in lines),
            buffers=sum(number - before.get(session, 0) for session, number in buffers.items()),
            milliseconds=sum(float(taken) for taken, _ in lines),
            seconds=self.began - began,
        )


@dataclass(frozen=True, slots=True)
class Found:
    """`arriving` is what it cost that they came, `watching` what it cost that they stayed."""

    viewers: int
    arriving: Cost
    watching: Cost
    requests: int


@dataclass(slots=True)
class Viewers:
    """What viewers share. `answers` counts theirs; any but 200 ends the run."""

    base_url: str
    token: str
    answers: int = 0

    async def view(self, arrived: asyncio.Event, later: float) -> None:
        await asyncio.sleep(later)
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=self.base_url,
                    headers={"Authorization": f"Bearer {self.token}"},
                    timeout=ANSWER_SECONDS,
                    trust_env=False,
                    verify=UNUSED,
                )
            )
            stream = await stack.enter_async_context(_listening(client))
            await self._get(client, f"{TICKS}?limit=50")
            arrived.set()
            try:
                await self._look(client)
            finally:
                stream.cancel()

    async def _look(self, client: httpx.AsyncClient) -> None:
        schema_at = 0.0
        while True:
            began = time.perf_counter()
            for path in STATUSES:
                await self._get(client, path)
            if began >= schema_at:
                schema_at = began + SCHEMA_SECONDS
                await self._get(client, SCHEMA)
            await asyncio.sleep(max(0.0, PAGE_SECONDS - (time.perf_counter() - began)))

    async def _get(self, client: httpx.AsyncClient, path: str) -> None:
        async with client.stream("GET", path) as answer:
            answer.raise_for_status()
            async for _ in answer.aiter_raw():
                pass
        self.answers += 1


@asynccontextmanager
async def _listening(client: httpx.AsyncClient) -> AsyncIterator["asyncio.Task[None]"]:
    """A stream that is read to nowhere, begun when this yields."""
    begun = asyncio.Event()

    async def listen() -> None:
        async with client.stream("GET", STREAM, timeout=httpx.Timeout(ANSWER_SECONDS, read=None)) as answer:
            answer.raise_for_status()
            begun.set()
            async for _ in answer.aiter_raw():
                pass

    task = asyncio.create_task(listen())
    waiting = asyncio.create_task(begun.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        waiting.cancel()
        task.result()
    yield task


def run_viewers(viewers: int, seconds: float) -> Found:
    """`seconds` are those for which they are watched after they have come."""
    with production_stage() as (cluster, settings, service):
        shared = Viewers(f"http://{HOST}:{service.port}", admin_token(settings))
        return uvloop.run(_run(cluster, shared, viewers, seconds))


async def _run(cluster: EmbeddedPostgres, shared: Viewers, viewers: int, seconds: float) -> Found:
    connection: Connection = await asyncpg.connect(cluster.url())
    try:
        await connection.execute(f"alter role {LOGIN} set log_min_duration_statement = 0")
        account = Account(cluster, connection)
        await account.since()
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(keep_ticking(cluster))
            events = [asyncio.Event() for _ in range(viewers)]
            chance = random.Random(8)
            spread = ARRIVING_SECONDS * (viewers - 1)
            looking = [group.create_task(shared.view(event, chance.uniform(0, spread))) for event in events]
            async with asyncio.timeout(spread + ANSWER_SECONDS):
                await asyncio.gather(*(event.wait() for event in events))
            # What they read first is read by all at once: it is over before they are said to be watching.
            await asyncio.sleep(PAGE_SECONDS * 2)
            arriving, before = await account.since(), shared.answers
            await asyncio.sleep(seconds)
            watching, requests = await account.since(), shared.answers - before
            for task in (ticking, *looking):
                task.cancel()
    finally:
        await connection.close()
    return Found(viewers, arriving, watching, requests)


def print_viewers(found: Sequence[Found]) -> None:
    table = Table(box=box.MARKDOWN)
    for heading in ("viewers", "requests a second", "statements an hour", "buffers an hour", "busy an hour"):
        table.add_column(heading, no_wrap=True, justify="right")
    for heading in ("a viewer-hour", "as they came, each"):
        table.add_column(heading, no_wrap=True, justify="right")
    for one in found:
        cost = one.watching
        table.add_row(
            f"{one.viewers:,}",
            f"{one.requests / cost.seconds:,.1f}",
            f"{cost.an_hour(cost.statements):,.0f}",
            f"{cost.an_hour(cost.buffers):,.0f}",
            f"{cost.an_hour(cost.milliseconds) / 1000:,.0f} s",
            f"{cost.an_hour(cost.statements) / one.viewers:,.0f} statements, "
            f"{cost.an_hour(cost.buffers) / one.viewers:,.0f} buffers, "
            f"{cost.an_hour(cost.milliseconds) / one.viewers:,.0f} ms",
            f"{one.arriving.statements / one.viewers:,.1f} statements",
        )
    Console(width=220, highlight=False, markup=False).print(table)
