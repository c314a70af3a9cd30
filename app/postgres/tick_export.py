"""All selected ticks through a server-side cursor, a batch at a time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from app.errors import BusyError
from app.postgres.pool import Connection, Database
from app.postgres.statements import statement
from app.postgres.tick_filter import Position, TickFilter
from app.postgres.ticks import conditions, faults_of_ticks, missing_columns, time_of
from app.settings import Settings

MOST_ROWS = 100_000
MOST_SECONDS = 60.0
# A reader that stalls is cut off by then, wherever it stalls.
GRACE_SECONDS = 5.0
AT_A_TIME = 2


@dataclass(frozen=True, slots=True)
class Batch:
    """Some ticks as JSON objects, and the position of the last. `cap` says why no more follow where more would."""

    lines: tuple[str, ...]
    last: Position
    cap: str | None = None


class TickExports:
    """At most AT_A_TIME exports of MOST_ROWS and MOST_SECONDS each, and never all connections of the pool but one's."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._schema = settings.database_schema
        self._role = settings.reading_role
        self._free = min(AT_A_TIME, max(1, settings.database_pool_size // 2))
        self._columns = statement("tick_columns")
        self._declare = statement("tick_export", {"schema": settings.database_schema})
        self._fetch, self._fetch_wide = statement("tick_export_fetch"), statement("tick_export_fetch_wide")

    async def batches(
        self, wanted: TickFilter, start: Position, *, meta: bool, deadline: float
    ) -> AsyncGenerator[Batch]:
        """By the deadline, on the event loop's clock, the database has begun; it may then take its time to find rows.

        Raises BusyError at the first batch when as many as may run are running, and DatabaseError at any.

        Whoever does not read to the end must close the generator: that ends the transaction and frees its connection.
        """
        if self._free == 0:
            raise BusyError("As many exports as may run at a time are running; each ends within a minute.")
        self._free -= 1
        try:
            async with self._reading(deadline) as (connection, ready):
                place = (start.scheduled_at, start.id, wanted.floor)
                await connection.execute(self._declare, *place, *conditions(wanted), meta)
                columns = await connection.fetch(self._columns, self._schema)
                missing_columns(wanted, [row["name"] for row in columns])
                ready()
                fetch = self._fetch_wide if meta else self._fetch
                async for batch in _capped(lambda: connection.fetch(fetch)):
                    yield batch
        finally:
            self._free += 1

    @asynccontextmanager
    async def _reading(self, deadline: float) -> AsyncIterator[tuple[Connection, Callable[[], None]]]:
        longest = MOST_SECONDS + GRACE_SECONDS
        async with self._database.long_connection(longest, ready_by=deadline) as (connection, ready):
            with faults_of_ticks():
                async with self._database.long_transaction(connection, MOST_SECONDS, self._role):
                    yield connection, ready


async def _capped(fetch: Callable[[], Awaitable[list[asyncpg.Record]]]) -> AsyncIterator[Batch]:
    loop = asyncio.get_running_loop()
    deadline, number = loop.time() + MOST_SECONDS, 0
    while rows := await fetch():
        number += len(rows)
        cap = _cap(number, late=loop.time() >= deadline)
        if cap is not None and not await fetch():
            cap = None
        last = Position(time_of(rows[-1]["scheduled_at"]), rows[-1]["id"])
        yield Batch(tuple(row["line"] for row in rows), last, cap)
        if cap is not None:
            return


def _cap(number: int, *, late: bool) -> str | None:
    if number >= MOST_ROWS:
        return f"an export ends after {MOST_ROWS} ticks"
    return f"an export ends after {MOST_SECONDS:.0f} seconds" if late else None
