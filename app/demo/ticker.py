"""A runner for the demo: it ticks the strategies as the platform's own does, so that there is something to watch."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn, TypeAlias

import asyncpg

from app.demo.activity import (
    ERRORS_UNTIL_PAUSED,
    MINUTE,
    SERVED_EXCHANGES,
    STUBBORN_RUN,
    SWITCHED_ON_AFTER,
    Outcome,
    Strategy,
    cycle_start,
    floor_to_minute,
    is_due,
    last_boundary,
    outcome,
    paused,
)
from app.demo.scripts import script
from app.postgres.faults import CONNECT_FAULTS

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

ROLE = "service_role"
OWNER = "runner-1"
STATEMENT_SECONDS = 30
LOCKED = Outcome("skipped", "lock_not_acquired", None, 0)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Cycle:
    """`began` is when it really did, which is later than `scheduled_at` if the demo was starting then."""

    connection: Connection
    scheduled_at: datetime
    began: datetime

    async def audit(self, strategy: Strategy, result: Outcome, ended_at: datetime) -> None:
        latency_ms = None if result.status == "skipped" else (ended_at - self.began) // timedelta(milliseconds=1)
        await self.connection.execute(
            script("sql", "runner_tick.sql"),
            *(strategy.id, strategy.user_id, self.scheduled_at, ended_at),
            *(result.status, result.reason, result.signal, latency_ms),
        )

    async def leave_behind(self, strategy: Strategy, result: Outcome, ended_at: datetime) -> None:
        """In the strategy's own row, where the engine ran."""
        if result.engine_ran:
            await self.connection.execute(script("sql", "runner_ran.sql"), strategy.id, ended_at, result.traded)
        if result.status == "error":
            await self.connection.execute(script("sql", "runner_pause.sql"), strategy.id, ERRORS_UNTIL_PAUSED)


class Ticker:
    """Goes on where the past day ended. It has its own login and connection, one a cycle, and writes as service_role.

    `since` is the end of that day. Whatever the database refuses costs what it was asked for, as it would the real
    runner: without its audit row a strategy is still run, without its lock it is not.
    """

    def __init__(
        self,
        url: str,
        *,
        since: datetime,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._url = url
        self._boundary = last_boundary(since)
        self._now = now
        self._sleep = sleep

    async def run(self) -> NoReturn:
        """One cycle for each minute, until cancelled. Cycles that a sleeping machine has missed stay missed."""
        while True:
            self._boundary = max(self._boundary + MINUTE, floor_to_minute(self._now()))
            await self._sleep((cycle_start(self._boundary) - self._now()).total_seconds())
            try:
                await self.cycle(self._boundary)
                await self._sleep(SWITCHED_ON_AFTER.total_seconds())
                await self.insist()
            except CONNECT_FAULTS as error:
                logger.info("A cycle of the demo's runner failed: %s", type(error).__name__)

    async def cycle(self, boundary: datetime) -> None:
        """Tick whatever is due, one after another, under one `scheduled_at`. Raises what connecting may raise."""
        async with self._connection() as connection:
            await connection.execute(script("sql", "runner_pauses.sql"))
            strategies = [Strategy(*row) for row in await connection.fetch(script("sql", "runner_strategies.sql"))]
            blocked = await connection.fetch(script("sql", "runner_blocked.sql"))
            reasons = {row["user_id"]: paused(row["paused_reason"]) for row in blocked}
            cycle = _Cycle(connection, cycle_start(boundary), self._now())
            for strategy in strategies:
                if strategy.exchange in SERVED_EXCHANGES and is_due(strategy, boundary):
                    with suppress(asyncpg.PostgresError):
                        await self._tick(
                            cycle, strategy, outcome(strategy, boundary, blocked=reasons.get(strategy.user_id))
                        )

    async def insist(self) -> None:
        """What the owner of one strategy does, not the runner. Raises what connecting may raise."""
        async with self._connection() as connection:
            await connection.execute(script("sql", "owner_switches_on.sql"), STUBBORN_RUN)

    async def _tick(self, cycle: _Cycle, strategy: Strategy, result: Outcome) -> None:
        """Under its lock, which outlives only the end of the runner itself."""
        acquired = await cycle.connection.fetchval(script("sql", "runner_lock.sql"), strategy.id, OWNER)
        if acquired is None:
            result = LOCKED
        await self._sleep(result.milliseconds / 1000)
        ended_at = self._now()
        with suppress(asyncpg.PostgresError):
            await cycle.audit(strategy, result, ended_at)
        with suppress(asyncpg.PostgresError):
            await cycle.leave_behind(strategy, result, ended_at)
        await cycle.connection.execute(script("sql", "runner_unlock.sql"), strategy.id, OWNER)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        # No statement is kept: somebody may alter a table meanwhile, to see what is said of it.
        connection: Connection = await asyncpg.connect(
            self._url,
            statement_cache_size=0,
            command_timeout=STATEMENT_SECONDS,
            server_settings={"role": ROLE, "application_name": OWNER},
        )
        try:
            yield connection
        finally:
            # Nothing waits here: the demo may be ending while somebody holds a lock.
            connection.terminate()
