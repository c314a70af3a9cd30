"""Callers of every kind there is, each with a connection of its own: ask, look at the answer, think, ask again."""

import asyncio
import csv
import io
import itertools
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

import httpx
import msgspec

from bench.tallies import Tallies

if TYPE_CHECKING:
    import asyncpg

    Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

IDS = (Path(__file__).parent / "sql/ids.sql").read_text()
RUNNER = "/api/runner"
TICKS, STREAM = f"{RUNNER}/tick-runs", f"{RUNNER}/tick-runs/stream"
WINDOWS = ("15m", "1h", "6h", "24h")
# Of 100 callers. Streams come on top of these in the table of answers once, when they begin.
SHARES = {
    "probes": 10,
    "statuses": 25,
    "schemas": 10,
    "runs": 10,
    "walkers": 15,
    "filtered": 10,
    "exports": 2,
    "streams": 10,
    "metrics": 3,
    "strangers": 5,
}
ANSWER_SECONDS = 30
# Nothing is encrypted here, and reading all certificates for every caller would take a while.
UNUSED = ssl.create_default_context()


class Page(msgspec.Struct, rename="camel"):
    next_cursor: str | None
    tick_runs: tuple["Tick", ...]


class Tick(msgspec.Struct):
    id: UUID


@dataclass(frozen=True, slots=True)
class Selection:
    """Ticks of the last hours, those of some statuses or (with none) all."""

    since: datetime
    statuses: tuple[str, ...]

    @property
    def parameters(self) -> list[tuple[str, str]]:
        return [("since", self.since.isoformat()), *(("status", status) for status in self.statuses)]


@dataclass(slots=True)
class Mix:
    """What the callers share. `think` is the mean time in seconds between an answer and the next request."""

    base_url: str
    admins: tuple[str, ...]
    probe: str
    pool: "Pool"
    tallies: Tallies
    think: float
    ends_at: float = 0.0

    def caller(self, kind: str) -> Awaitable[None]:
        kinds: dict[str, Callable[[httpx.AsyncClient], Awaitable[None]]] = {
            "probes": self._cycle(("/healthz", "/livez"), None),
            "statuses": self._cycle([f"{RUNNER}/status?window={window}" for window in WINDOWS]),
            "schemas": self._cycle([f"{RUNNER}/schema"]),
            "runs": self._cycle([f"{RUNNER}/runs"]),
            "walkers": lambda client: self._walk(client, ()),
            "filtered": lambda client: self._walk(client, ("error", "blocked")),
            "exports": self._export,
            "metrics": self._cycle(["/metrics"], self.probe),
            "strangers": self._cycle([f"{RUNNER}/status"], "not.a.token"),
        }
        return self._again_and_again(kinds[kind])

    async def ids(self, selection: Selection) -> set[UUID]:
        rows = await self.pool.fetch(IDS, selection.since, selection.statuses or None)
        return {row["id"] for row in rows}

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(
            base_url=self.base_url, timeout=ANSWER_SECONDS, verify=UNUSED, trust_env=False
        ) as client:
            yield client

    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {random.choice(self.admins)}"}

    async def _again_and_again(self, ask: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
        """Until the end; the first request comes at a time of its own, too. A lost connection is an answer of none."""
        loop = asyncio.get_running_loop()
        async with self.client() as client:
            while True:
                await self._pause()
                if loop.time() >= self.ends_at:
                    return
                try:
                    await ask(client)
                except httpx.TransportError:
                    # Counted where it was timed.
                    continue

    async def _pause(self) -> None:
        await asyncio.sleep(self.think * random.uniform(0.5, 1.5))

    def _cycle(
        self, paths: "list[str] | tuple[str, ...]", credential: str | None = ""
    ) -> Callable[[httpx.AsyncClient], Awaitable[None]]:
        """One of the paths after another; as an admin, with another credential, or (None) without any."""
        turns = itertools.cycle(paths)

        async def ask(client: httpx.AsyncClient) -> None:
            headers = self.authorization()
            if credential != "":
                headers = {} if credential is None else {"Authorization": f"Bearer {credential}"}
            await self._get(client, next(turns), headers=headers)

        return ask

    async def _get(
        self,
        client: httpx.AsyncClient,
        path: str,
        *,
        headers: dict[str, str],
        parameters: Sequence[tuple[str, str]] = (),
        counted_as: str | None = None,
    ) -> httpx.Response:
        with self.tallies.timed(counted_as or path.partition("?")[0]) as outcome:
            answer = await client.get(path, headers=headers, params=httpx.QueryParams(tuple(parameters)) or None)
            busy = answer.status_code == 503 and answer.json().get("code") == "busy"
            outcome.append("busy" if busy else str(answer.status_code))
        return answer

    async def _walk(self, client: httpx.AsyncClient, statuses: tuple[str, ...]) -> None:
        """Every page from the newest to the last, with all the callers and the runner going on meanwhile."""
        hours, limit = random.choice(((0.25, "50"), (1, "200"), (3, "500")))
        selection = Selection(datetime.now(UTC) - timedelta(hours=hours), statuses)
        parameters = [*selection.parameters, ("limit", limit)]
        name = f"{TICKS}?status" if statuses else TICKS
        before, read, cursor = await self.ids(selection), list[UUID](), list[tuple[str, str]]()
        while True:
            answer = await self._get(
                client, TICKS, headers=self.authorization(), parameters=parameters + cursor, counted_as=name
            )
            if answer.status_code != 200:
                return
            page = msgspec.json.decode(answer.content, type=Page)
            read += [tick.id for tick in page.tick_runs]
            if page.next_cursor is None:
                break
            cursor = [("cursor", page.next_cursor)]
            if asyncio.get_running_loop().time() < self.ends_at:
                await asyncio.sleep(self.think / 4)
        self.tallies.pages.check(before, read, await self.ids(selection))

    async def _export(self, client: httpx.AsyncClient) -> None:
        selection = Selection(datetime.now(UTC) - timedelta(hours=3), ())
        before = await self.ids(selection)
        answer = await self._get(
            client,
            TICKS,
            headers={**self.authorization(), "Accept": "text/csv"},
            parameters=selection.parameters,
            counted_as=f"{TICKS} as CSV",
        )
        if answer.status_code == 200:
            read = [UUID(row["id"]) for row in csv.DictReader(io.StringIO(answer.text, newline=""))]
            self.tallies.exports.check(before, read, await self.ids(selection))


class Listener:
    """One listener of the stream. `listening` is set when it is; from then on `heard` must miss nothing."""

    def __init__(self, mix: Mix) -> None:
        self._mix = mix
        self.listening = asyncio.Event()
        self.heard: set[UUID] = set()

    async def listen(self) -> None:
        """Until it is cancelled, or the stream ends, which it should not."""
        async with self._mix.client() as client:
            with self._mix.tallies.timed(STREAM) as outcome:
                request = client.build_request("GET", STREAM, headers=self._mix.authorization())
                answer = await client.send(request, stream=True)
                outcome.append(str(answer.status_code))
            try:
                async for line in answer.aiter_lines():
                    self.listening.set()
                    # The data of a notice has no id.
                    if line.startswith("data: ") and (given := msgspec.json.decode(line[6:]).get("id")):
                        self.heard.add(UUID(given))
            finally:
                await answer.aclose()
