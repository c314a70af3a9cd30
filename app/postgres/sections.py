"""Statements of one transaction that fail alone, and none beyond the time of all."""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import asyncpg

from app.postgres.faults import IN_THE_WAY
from app.postgres.pool import Connection, is_lost
from app.postgres.statements import statement
from app.runner.model import Section, SectionResult

# Below this, starting one more statement would only cost the time in which the answer could still be given.
LEAST_SECONDS = 0.1

TABLES = {
    Section.RUNS: "strategy_runs",
    Section.LOCKS: "strategy_locks",
    Section.RISK: "strategy_risk_state",
}
TICKS = "strategy_tick_runs"
# What the columns are named whose type matters to what is made of them.
TIMES = ("_at", "_until", "bucket")
NUMBERS = {"ms", "latency_ms"}

OTHER_TYPES = "{table} has a column of another type than documented; /api/runner/schema says which"
_SENTENCES: Mapping[type[Exception], str] = {
    asyncpg.UndefinedColumnError: "{table} lacks a column that is read; /api/runner/schema says which",
    asyncpg.UndefinedTableError: "{table} does not exist; see /api/runner/schema",
    asyncpg.InvalidSchemaNameError: "the schema does not exist; see /api/runner/schema",
    asyncpg.InsufficientPrivilegeError: "the reading role may not read {table}; see /api/runner/schema",
    asyncpg.LockNotAvailableError: "{table} is locked",
    asyncpg.QueryCanceledError: "reading {table} took too long",
}


class SectionReader:
    """Reads sections in a transaction, until a deadline on the event loop's clock.

    A section that fails leaves the transaction as `begin` left it, at its savepoint: nothing is written, so that one
    serves all sections.
    """

    def __init__(self, connection: Connection, deadline: float, statement_seconds: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self._statement_seconds = statement_seconds
        self._locked: set[str] = set()
        self._ended: str | None = None
        self.results: dict[Section, SectionResult] = {}

    async def begin(self) -> tuple[datetime, bool]:
        """The one clock of a reading, and whether it is that of a standby."""
        (row,) = await self._connection.fetch(statement("as_of"), f"{int(self._statement_seconds * 1000)}ms")
        # After the settings, which would else be gone with the first section that fails.
        await self._connection.execute(statement("savepoint"))
        return row["as_of"], row["on_standby"]

    async def fetch(self, section: Section, query: str, *arguments: object) -> Sequence[Any] | None:
        """The rows; None when they cannot be had, and `results` says why. Several statements add up in one section.

        Raises what a lost connection raises.
        """
        table = TABLES.get(section, TICKS)
        started = time.perf_counter()
        rows, error = None, await self._obstacle(table)
        if error is None:
            try:
                rows = await self._connection.fetch(query, *arguments)
                if _has_other_types(rows):
                    rows, error = None, OTHER_TYPES.format(table=table)
            except asyncpg.PostgresError as raised:
                error = await self._recover(raised, table)
                if isinstance(raised, IN_THE_WAY[0]):
                    # What is locked now is locked for the next statement, too, and would cost its wait again.
                    self._locked.add(table)
        self._note(section, started, error)
        return rows

    def from_memory(self, section: Section) -> None:
        """Say of a section that a part of it was read before."""
        self.results[section] = replace(self.results[section], remembered=True)

    def fail(self, section: Section, error: str) -> None:
        """Say of a section that it, or a part of it, could not be read."""
        before = self.results.get(section)
        self.results[section] = SectionResult(before.duration_ms if before is not None else 0, error)

    async def _recover(self, raised: asyncpg.PostgresError, table: str) -> str:
        """Why a section could not be read, when the next may be. Raises what the connection was lost by."""
        if not is_lost(self._connection):
            await self._connection.execute(statement("rollback_to_savepoint"))
            return _sentence(raised, table)
        # Where a savepoint was set, a standby that must replay what removes the rows ends the session, not the query.
        if not isinstance(raised.__cause__, asyncpg.TransactionRollbackError):
            raise raised
        self._ended = "the standby ended the reading to replay what its primary sent"
        return self._ended

    async def _obstacle(self, table: str) -> str | None:
        if self._ended is not None:
            return self._ended
        if table in self._locked:
            return f"{table} is locked"
        left = self._deadline - asyncio.get_running_loop().time()
        if left < LEAST_SECONDS:
            return "there was no time left for it"
        if left < self._statement_seconds:
            await self._connection.fetchval(statement("statement_timeout"), f"{int(left * 900)}ms")
        return None

    def _note(self, section: Section, started: float, error: str | None) -> None:
        before = self.results.get(section)
        taken = round((time.perf_counter() - started) * 1000)
        if before is not None:
            taken, error = taken + before.duration_ms, error or before.error
        self.results[section] = SectionResult(taken, error)


def _has_other_types(rows: Sequence[Any]) -> bool:
    """Whether a time has no zone or is none, or milliseconds are no number. Of the others, one value tells the type."""
    for name in rows[0].keys() if rows else ():
        if name in NUMBERS:
            if not all(row[name] is None or math.isfinite(row[name]) for row in rows):
                return True
            continue
        value = next((row[name] for row in rows if row[name] is not None), None)
        if isinstance(value, list) or (value is not None and name.endswith(TIMES) and not _has_zone(value)):
            return True
    return False


def _has_zone(value: object) -> bool:
    return isinstance(value, datetime) and value.tzinfo is not None


def _sentence(error: asyncpg.PostgresError, table: str) -> str:
    for kind, sentence in _SENTENCES.items():
        if isinstance(error, kind):
            return sentence.format(table=table)
    return f"the database refused to read {table} (SQLSTATE {error.sqlstate or 'unknown'})"
