"""Trying how the database behaves: as somebody else, in transactions that are always rolled back."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from app.contract.identifiers import quote_identifier
from app.contract.observed import Refusal
from app.postgres.pool import Connection
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
    """

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self.connection = connection
        self.spoiled = False
        self._timeout = f"{settings.database_timeout_ms // 5}ms"
        self._lock_timeout = f"{settings.database_timeout_ms // 20}ms"
        self._search_path = f"{quote_identifier(settings.database_schema)}, extensions"

    @asynccontextmanager
    async def as_role(
        self, role: str | None, claims: Mapping[str, Any] | None = None, *, row_security: bool = True
    ) -> AsyncIterator[Connection]:
        """Become `role` (None stays as logged in) for the block. Raises ObstacleError when that is refused.

        Without `row_security`, reading a table of which policies would hide rows raises InsufficientPrivilegeError: to
        find the few that they show, all would be read.

        A function called in the block may have changed the role. Then whatever the block found is worth nothing:
        RoleChangedError is raised, now and from then on, and whoever holds the connection throws it away.
        """
        if self.spoiled:
            raise RoleChangedError
        transaction = self.connection.transaction(readonly=True)
        await transaction.start()
        try:
            expected = await self._become(role, claims, "on" if row_security else "off")
            # What the block raises ends the transaction, and with it any change of the role.
            yield self.connection
            self.spoiled = await self.connection.fetchval(statement("current_role")) != expected
        finally:
            await transaction.rollback()
        if self.spoiled:
            raise RoleChangedError

    async def _become(self, role: str | None, claims: Mapping[str, Any] | None, row_security: str) -> str:
        document = json.dumps(claims) if claims is not None else ""
        settings = (self._search_path, self._timeout, self._lock_timeout, document, role or "none", row_security)
        try:
            return str(await self.connection.fetchval(statement("rehearsal"), *settings))
        except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError) as error:
            raise ObstacleError(f"the login cannot become {role}") from error


def refusal(error: asyncpg.PostgresError) -> Refusal:
    """One line of at most 200 characters of what was raised, without its context, which may repeat rows."""
    lines = (error.message or "").splitlines() or [""]
    return Refusal(error.sqlstate or "XX000", lines[0][:LONGEST_MESSAGE])
