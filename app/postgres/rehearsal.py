"""Trying how the database behaves: as somebody else, in transactions that are always rolled back."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from app.contract.identifiers import quote_identifier
from app.contract.observed import Refusal
from app.postgres.faults import ROLE_REFUSED
from app.postgres.pool import Connection, Database
from app.postgres.statements import statement
from app.settings import Settings

LONGEST_MESSAGE = 200


class ObstacleError(Exception):
    """Why something could not be tried. It never leaves this room."""


class RoleChangedError(ObstacleError):
    """A function changed the role."""

    def __init__(self) -> None:
        super().__init__("a function that was called changed the role")


class Rehearsal:
    """Transactions on one connection as a given role with given claims.

    Each statement may take a fifth of a request's time, so that one that is too slow costs its own answer alone.
    A function called in a transaction may have changed the role. Then whatever was found in it is worth nothing:
    RoleChangedError is raised, now and from then on, and whoever holds the connection throws it away.
    """

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self.connection = connection
        self.spoiled = False
        self._timeout = f"{settings.database_timeout_ms // 5}ms"
        self._lock_timeout = f"{settings.database_timeout_ms // 20}ms"
        self._longest_pause = f"{settings.database_timeout_ms}ms"
        self._search_path = f"{quote_identifier(settings.database_schema)}, extensions"

    @asynccontextmanager
    async def as_role(
        self, role: str | None, claims: Mapping[str, Any] | None = None, *, row_security: bool = True
    ) -> AsyncIterator[Connection]:
        """Become `role` (None stays as logged in) for the block. Raises ObstacleError when that is refused.

        Without `row_security`, reading a table of which policies would hide rows raises InsufficientPrivilegeError: to
        find the few that they show, all would be read.
        """
        async with self._frame(role, claims, row_security=row_security) as expected:
            yield self.connection
            self._require(expected, await self.connection.fetchval(statement("current_role")))

    async def ask(
        self, role: str | None, claims: Mapping[str, Any] | None, query: str, *arguments: object
    ) -> asyncpg.Record:
        """The one row that a query gives as `role`, in two round trips less than a block.

        Its column `role` says who was asking when everything else in it had been evaluated.
        """
        async with self._frame(role, claims) as expected:
            row: asyncpg.Record | None = await self.connection.fetchrow(query, *arguments)
            if row is None:
                raise LookupError("A query that is asked gives one row.")
            self._require(expected, row["role"])
        return row

    @asynccontextmanager
    async def _frame(
        self, role: str | None, claims: Mapping[str, Any] | None, *, row_security: bool = True
    ) -> AsyncIterator[str]:
        if self.spoiled:
            raise RoleChangedError
        await self.connection.execute(statement("begin_rehearsal"))
        try:
            yield await self._become(role, claims, "on" if row_security else "off")
        finally:
            # On a connection that is lost this raises an InterfaceError in place of what it was lost by, and must: that
            # is an error of Postgres as well, which would be taken for what the caller met.
            await self.connection.execute(statement("end_rehearsal"))

    async def _become(self, role: str | None, claims: Mapping[str, Any] | None, row_security: str) -> str:
        document = json.dumps(claims) if claims is not None else ""
        limits = (self._search_path, self._timeout, self._lock_timeout)
        settings = (*limits, document, role or "none", row_security, self._longest_pause)
        try:
            return str(await self.connection.fetchval(statement("rehearsal"), *settings))
        except ROLE_REFUSED as error:
            raise ObstacleError(f"the login cannot become {role}") from error

    def _require(self, expected: str, role: str) -> None:
        if role != expected:
            self.spoiled = True
            raise RoleChangedError


@asynccontextmanager
async def rehearsing(database: Database, settings: Settings) -> AsyncIterator[Rehearsal]:
    """A rehearsal on a connection of its own, which is thrown away if it was spoiled."""
    async with database.connection() as connection:
        rehearsal = Rehearsal(settings, connection)
        yield rehearsal
        if rehearsal.spoiled:
            connection.terminate()


@asynccontextmanager
async def tasks() -> AsyncIterator[asyncio.TaskGroup]:
    """A group of tasks of which the first error ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        first = errors.exceptions[0]
        # What the log names is what it was raised for.
        raise first from first.__cause__


def refusal(error: asyncpg.PostgresError) -> Refusal:
    """One line of at most 200 characters of what was raised, without its context, which may repeat rows."""
    lines = (error.message or "").splitlines() or [""]
    return Refusal(error.sqlstate or "XX000", lines[0][:LONGEST_MESSAGE])
