"""Reading the catalogue and the migration history at one settled moment."""

from dataclasses import dataclass

import asyncpg
import msgspec

from app.contract.model import ANONYMOUS, AUTHENTICATED, Contract
from app.contract.observed import (
    Catalogue,
    History,
    HistoryAccess,
    Observation,
    RecordedMigration,
)
from app.errors import CatalogueChangingError
from app.postgres.faults import IN_THE_WAY
from app.postgres.pool import Connection, Database
from app.postgres.statements import statement
from app.settings import Settings

MOST_READINGS = 4
# A history is read twice at least, and whole. Of one this long something other than migrations is told.
MOST_RECORDED = 20_000
CALLER_ROLES = (AUTHENTICATED, ANONYMOUS)
TABLE_KINDS = ("r", "p")

# What format_type shows of a type that is gone; in JSON, the whole of a string.
VANISHED_TYPE = '"???"'


@dataclass(frozen=True, slots=True)
class Reading:
    """One transaction's view. Only the equality of two readings makes either of them believable."""

    catalogue: str
    history: History


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
        self._history = statement("migration_history")
        self._statements = statement("migration_statements")

    async def read(self, connection: Connection) -> Observation:
        """Read in separate transactions until two in a row are equal; what they say was true between the two.

        One statement is not enough: catalogue look-ups by function see newer rows than the statement's snapshot, so
        that DDL committed meanwhile yields a mixture of before and after. Equal readings hold the same versions of
        the same rows, so that nothing was changed and changed back between them. Raises CatalogueChangingError when no
        two of MOST_READINGS were equal.
        """
        previous: Reading | None = None
        for _ in range(MOST_READINGS):
            reading = await self._reading(connection)
            if reading is not None and reading == previous:
                return self._observation(reading)
            previous = reading
        raise CatalogueChangingError("The catalogue kept changing while it was read.")

    async def _reading(self, connection: Connection) -> Reading | None:
        """One reading; None when an object vanished under it (XX000 "cache lookup failed", or a type shown as ???)."""
        try:
            async with self._database.transaction(connection):
                arguments = (self._schema, self._tables, self._role, CALLER_ROLES)
                catalogue = await connection.fetchval(self._catalogue, *arguments)
                history = await self._read_history(connection, catalogue)
        except (asyncpg.InternalServerError, asyncpg.UndefinedTableError):
            return None
        return Reading(catalogue, history) if VANISHED_TYPE not in catalogue else None

    async def _read_history(self, connection: Connection, catalogue: str) -> History:
        """The last statement of its transaction: what it raises takes nothing else with it."""
        kind = msgspec.json.decode(catalogue, type=Catalogue).history_kind
        if kind is None:
            return History(HistoryAccess.ABSENT)
        if kind not in TABLE_KINDS:
            # A view's functions are somebody else's code, and a read-only transaction is no fence against it.
            return History(HistoryAccess.UNREADABLE, obstacle="it is not a table")
        try:
            return await self._recorded(connection)
        except asyncpg.UndefinedTableError:
            raise
        except asyncpg.InsufficientPrivilegeError:
            obstacle = "permission denied"
        except IN_THE_WAY:
            obstacle = "it is locked, or reading it takes too long"
        except (asyncpg.SyntaxOrAccessError, asyncpg.DataError):
            obstacle = "its columns are not those of Supabase's history"
        return History(HistoryAccess.UNREADABLE, obstacle=obstacle)

    async def _recorded(self, connection: Connection) -> History:
        recorded = await connection.fetch(self._history, MOST_RECORDED + 1)
        if len(recorded) > MOST_RECORDED:
            return History(HistoryAccess.UNREADABLE, obstacle=f"it has more than {MOST_RECORDED:,} rows")
        fingerprints = await connection.fetch(self._statements) if self._compares_statements else []
        by_version = {row["version"]: row["statements_sha256"] for row in fingerprints}
        return History(
            HistoryAccess.READ,
            tuple(RecordedMigration(row["version"], row["name"], by_version.get(row["version"])) for row in recorded),
        )

    def _observation(self, reading: Reading) -> Observation:
        catalogue = msgspec.json.decode(reading.catalogue, type=Catalogue)
        return Observation(
            catalogue=catalogue,
            history=reading.history,
            wanted_role=self._role or catalogue.login.name,
            schema=self._schema,
        )
