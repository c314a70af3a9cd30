"""Reading the catalogue, the migration history and what becomes of the reading role, at one settled moment."""

from dataclasses import dataclass

import asyncpg
import msgspec

from app.contract.model import ANONYMOUS, AUTHENTICATED, Contract
from app.contract.observed import (
    Assumption,
    Catalogue,
    History,
    HistoryAccess,
    Observation,
    RecordedMigration,
)
from app.errors import CatalogueChangingError
from app.postgres.pool import Connection, Database
from app.postgres.statements import statement
from app.settings import Settings

MOST_READINGS = 4
CALLER_ROLES = (AUTHENTICATED, ANONYMOUS)
TABLE_KINDS = ("r", "p")

# Asking for a role that does not exist is an invalid parameter value; one that may not be had, insufficient privilege.
REFUSED = (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError)
# Somebody else holds what we want to read, or it is too slow: nothing is known, and nothing else is lost.
IN_THE_WAY = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)


@dataclass(frozen=True, slots=True)
class Reading:
    """One transaction's view. Only the equality of two readings makes either of them believable."""

    catalogue: str
    history: History
    assumption: Assumption


class CatalogueReader:
    """Reads what the checks of one contract need, as the login: the catalogue is open to every role."""

    def __init__(self, database: Database, settings: Settings, contract: Contract) -> None:
        self._database = database
        self._schema = settings.database_schema
        self._role = settings.reading_role
        self._tables = [table.name for table in contract.tables]
        if settings.profile_table is not None:
            self._tables.append(settings.profile_table)
        self._compares_statements = any(migration.statements_sha256 for migration in contract.migrations)
        self._catalogue = statement("catalogue")
        self._assume_role = statement("assume_role")
        self._history = statement("migration_history")
        self._statements = statement("migration_statements")

    async def read(self, connection: Connection) -> Observation:
        """Read in separate transactions until two in a row are equal; what they say was true between the two.

        One statement is not enough: catalogue look-ups by function see newer rows than the statement's snapshot, so
        that DDL committed meanwhile yields a mixture of before and after. Raises CatalogueChangingError when no two of
        MOST_READINGS were equal.
        """
        previous: Reading | None = None
        for _ in range(MOST_READINGS):
            reading = await self._reading(connection)
            if reading is not None and reading == previous:
                return self._observation(reading)
            previous = reading
        raise CatalogueChangingError("The catalogue kept changing while it was read.")

    async def _reading(self, connection: Connection) -> Reading | None:
        """One reading; None when an object vanished under it (XX000, "cache lookup failed")."""
        try:
            async with self._database.transaction(connection):
                catalogue = await connection.fetchval(
                    self._catalogue, self._schema, self._tables, self._role, CALLER_ROLES
                )
                history = await self._read_history(connection, catalogue)
                return Reading(catalogue, history, await self._try_role(connection))
        except (asyncpg.InternalServerError, asyncpg.UndefinedTableError):
            return None

    async def _read_history(self, connection: Connection, catalogue: str) -> History:
        kind = msgspec.json.decode(catalogue, type=Catalogue).history_kind
        if kind is None:
            return History(HistoryAccess.ABSENT)
        if kind not in TABLE_KINDS:
            # A view's functions are somebody else's code, and a read-only transaction is no fence against it.
            return History(HistoryAccess.UNREADABLE, obstacle="it is not a table")
        try:
            async with connection.transaction():
                recorded = await connection.fetch(self._history)
                fingerprints = await connection.fetch(self._statements) if self._compares_statements else []
        except asyncpg.InsufficientPrivilegeError:
            return History(HistoryAccess.UNREADABLE, obstacle="permission denied")
        except IN_THE_WAY:
            return History(HistoryAccess.UNREADABLE, obstacle="it is locked, or reading it takes too long")
        except asyncpg.UndefinedColumnError:
            return History(HistoryAccess.UNREADABLE, obstacle="it has no column version")
        by_version = {row["version"]: row["statements_sha256"] for row in fingerprints}
        return History(
            HistoryAccess.READ,
            tuple(RecordedMigration(row["version"], row["name"], by_version.get(row["version"])) for row in recorded),
        )

    async def _try_role(self, connection: Connection) -> Assumption:
        """Become the reading role for the rest of the transaction: behaviour, where pg_has_role differs by version."""
        if self._role is None:
            return Assumption(possible=True)
        try:
            async with connection.transaction():
                await connection.fetchval(self._assume_role, self._role)
        except REFUSED:
            return Assumption(possible=False, obstacle="permission denied")
        except IN_THE_WAY:
            return Assumption(possible=None, obstacle="the database did not answer in time")
        return Assumption(possible=True)

    def _observation(self, reading: Reading) -> Observation:
        catalogue = msgspec.json.decode(reading.catalogue, type=Catalogue)
        return Observation(
            catalogue=catalogue,
            history=reading.history,
            assumption=reading.assumption,
            wanted_role=self._role or catalogue.login.name,
            schema=self._schema,
        )
