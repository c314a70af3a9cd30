"""Connections to the watched database: bounded in number and in time, and clean when they are handed on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from app.postgres.faults import CONNECT_FAULTS, QUERY_FAULTS, fault, refused
from app.postgres.statements import statement
from app.settings import Settings

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

PING_SECONDS = 1.0


class Database:
    """The pool, and one connection beside it for the health probe. Nothing is opened before the first use.

    There is no prepared-statement cache: a statement prepared before DDL fails after it (InvalidCachedStatementError),
    and a fix may be applied while we run. docs/decisions/0003-no-statement-cache.md has what that costs.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = settings.database.for_driver
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._probe: asyncpg.Connection[asyncpg.Record] | None = None
        self._longest_lock = f"{settings.database_timeout_ms // 20}ms"
        self._commit, self._rollback = statement("commit"), statement("rollback")
        self._ping = statement("ping")

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection of the pool, for at most DATABASE_TIMEOUT_MS in all, waiting for a free one included.

        Raises DatabaseUnavailableError, DatabaseTimeoutError, or DatabaseError for a query the server refused.
        A connection on which anything went wrong is thrown away: giving it back would wait for the cancelling of its
        query, which on a stalled socket takes as long as the query did.
        """
        limit = asyncio.timeout(self._settings.timeout_seconds)
        watchdog: Watchdog | None = None
        try:
            async with limit:
                pool = await self._open_pool()
                connection = await _acquire(pool)
                async with _held(pool, connection, until=limit.when() or 0) as watchdog:
                    yield connection
        except QUERY_FAULTS as error:
            late = limit.expired() or (watchdog is not None and watchdog.has_bitten)
            raise fault(TimeoutError() if late else error) from error

    @asynccontextmanager
    async def long_connection(
        self, seconds: float, *, ready_by: float
    ) -> AsyncIterator[tuple[Connection, Callable[[], None]]]:
        """A connection of the pool for what outlives a request's time, and what to call once it has answered.

        Its socket is closed under it when it was held for `seconds`; at `ready_by`, a time on the event loop's clock,
        if it has not answered by then: one that was good when it was last used may never answer again. Raises what
        `connection` raises.

        No asyncio.timeout spans the block: it is bound to the task that enters it, and the generator behind a streamed
        answer is begun by one task, goes on in a second and may be closed by a third.
        """
        watchdog: Watchdog | None = None
        try:
            async with asyncio.timeout_at(ready_by):
                pool = await self._open_pool()
                connection = await _acquire(pool)
            ends_at = asyncio.get_running_loop().time() + seconds
            async with _held(pool, connection, until=ready_by) as watchdog:
                yield connection, partial(watchdog.put_off, ends_at)
        except QUERY_FAULTS as error:
            raise fault(TimeoutError() if watchdog is not None and watchdog.has_bitten else error) from error

    @asynccontextmanager
    async def transaction(self, connection: Connection, role: str | None = None) -> AsyncIterator[None]:
        """A read-only transaction of one snapshot, in the frame of `sql/transaction.sql`; as a role, or as the login.

        Raises InsufficientPrivilegeError or InvalidParameterValueError for a role that the login cannot become. A
        statement may take a fifth of what a request may, so that one that is too slow costs its own answer alone.
        """
        async with self._framed(connection, self._settings.database_timeout_ms // 5, role):
            yield

    @asynccontextmanager
    async def long_transaction(
        self, connection: Connection, seconds: float, role: str | None = None
    ) -> AsyncIterator[None]:
        """The same for a `long_connection`, whose reader decides how fast it goes: a statement, or a pause between two,
        may take all of its time.
        """
        async with self._framed(connection, round(seconds * 1000), role):
            yield

    @asynccontextmanager
    async def _framed(self, connection: Connection, longest_ms: int, role: str | None) -> AsyncIterator[None]:
        if connection.is_in_transaction():
            raise RuntimeError("The end of a transaction within another would be the end of both.")
        pause_ms = max(longest_ms, self._settings.database_timeout_ms)
        limits = {
            "longest": f"{longest_ms}ms",
            "longest_lock": self._longest_lock,
            "longest_pause": f"{pause_ms}ms",
        }
        end = self._rollback
        try:
            await connection.execute(statement("transaction", {"role": role or "none", **limits}))
            yield
            end = self._commit
        finally:
            # What a connection was lost by is what is to be raised, not that it is lost.
            if not is_lost(connection):
                await connection.execute(end)

    async def ping(self) -> None:
        """Raises DatabaseError unless the database answers within a second, on a connection of its own."""
        try:
            async with asyncio.timeout(PING_SECONDS):
                if self._probe is None or self._probe.is_closed():
                    self._probe = await asyncpg.connect(self._url, statement_cache_size=0)
                with ExitStack() as unless_all_went_well:
                    unless_all_went_well.callback(self._probe.terminate)
                    await self._probe.execute(self._ping)
                    unless_all_went_well.pop_all()
        except CONNECT_FAULTS as error:
            raise refused(error) from error

    async def close(self) -> None:
        """Close every connection without waiting for queries that still run."""
        if self._probe is not None:
            self._probe.terminate()
        if self._pool is not None:
            self._pool.terminate()

    async def _open_pool(self) -> "asyncpg.Pool[asyncpg.Record]":
        """Made on first use, for a pool belongs to an event loop. As it opens no connection at once, this neither
        waits nor fails while the database is down.
        """
        if self._pool is None:
            self._pool = asyncpg.create_pool(
                self._url,
                min_size=0,
                max_size=self._settings.database_pool_size,
                statement_cache_size=0,
                reset=_nothing_to_reset,
            )
        return await self._pool


class Watchdog:
    """Closes the socket under a connection at a time on the event loop's clock.

    A cancelled transaction still says so to the server and waits for its answer, on a stalled socket for ever.
    """

    def __init__(self, connection: Connection, until: float) -> None:
        self.has_bitten = False
        self._connection = connection
        self._timer = asyncio.get_running_loop().call_at(until, self._bite)

    def put_off(self, until: float) -> None:
        self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(until, self._bite)

    def cancel(self) -> None:
        self._timer.cancel()

    def _bite(self) -> None:
        self.has_bitten = True
        _throw_away(self._connection)


@asynccontextmanager
async def _held(
    pool: "asyncpg.Pool[asyncpg.Record]", connection: "PoolConnectionProxy[asyncpg.Record]", *, until: float
) -> AsyncIterator["Watchdog"]:
    """Give a connection back after the block, or throw it away; `until` is a time on the event loop's clock."""
    watchdog = Watchdog(connection, until)
    try:
        with ExitStack() as unless_all_went_well:
            unless_all_went_well.callback(_throw_away, connection)
            yield watchdog
            unless_all_went_well.pop_all()
    finally:
        watchdog.cancel()
        await pool.release(connection)


def is_lost(connection: Connection) -> bool:
    """Whether it was closed, by whichever side."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        # The pool takes a connection that ends from whoever has it.
        return True


def _throw_away(connection: Connection) -> None:
    if not is_lost(connection):
        connection.terminate()


async def _acquire(pool: "asyncpg.Pool[asyncpg.Record]") -> "PoolConnectionProxy[asyncpg.Record]":
    try:
        return await pool.acquire()
    except CONNECT_FAULTS as error:
        raise refused(error) from error


async def _nothing_to_reset(_connection: Connection) -> None:
    """Every setting and every role of ours ends with its transaction, so asyncpg's own reset would undo nothing."""
