"""The use cases, in the order in which a person would do them by hand."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from app.contract.check import Check, Outcome, Severity
from app.contract.compare import compare, conformant
from app.contract.connection import Way
from app.contract.fix.model import NO_FIX, Fix
from app.contract.fix.plan import plan_fix, with_hints
from app.contract.fix.questions import questions
from app.contract.fix.situation import AdminRule
from app.contract.load import contract_digest
from app.contract.migrations import HISTORY_TABLE, MigrationStatus, migration_statuses
from app.contract.model import Contract
from app.contract.observed import HistoryAccess, Observation
from app.contract.surroundings import Surroundings
from app.errors import CatalogueChangingError, DatabaseError, DatabaseTimeoutError
from app.postgres.catalogue import CatalogueReader
from app.postgres.pool import Database
from app.postgres.probes import Probes
from app.postgres.surroundings import SurroundingsReader
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """Where the report comes from. What could not be read is None."""

    host: str
    server_version: str | None
    login: str | None
    role: str | None
    schema: str
    bypasses_row_security: bool | None


@dataclass(frozen=True, slots=True)
class ContractFacts:
    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Summary:
    """`fail` counts failed errors, `warning` failed warnings."""

    passed: int
    fail: int
    warning: int
    unknown: int
    skipped: int


@dataclass(frozen=True, slots=True)
class Migrations:
    """`source` is None where there is no history; `readable` is False then, too."""

    source: str | None
    readable: bool
    expected: tuple[MigrationStatus, ...]


@dataclass(frozen=True, slots=True)
class SchemaReport:
    """Whether a database conforms to the contract, and what would mend it. `checked_at` is UTC, `duration_ms` that of
    reading, comparing and planning.
    """

    checked_at: datetime
    duration_ms: int
    conformant: bool | None
    database: DatabaseFacts
    contract: ContractFacts
    summary: Summary
    migrations: Migrations
    checks: tuple[Check, ...]
    fix: Fix


class Diagnostics:
    """What this product does, over one database and one contract."""

    def __init__(
        self,
        settings: Settings,
        contract: Contract,
        database: Database,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._contract = contract
        self._contract_facts = ContractFacts(contract.name, contract_digest(contract))
        url = settings.database
        self._way = Way(url.local, url.ssl_mode)
        self._database = database
        self._reader = CatalogueReader(database, settings, contract)
        self._probes = Probes(database, settings, contract)
        self._surroundings = SurroundingsReader(database, settings, contract)
        self._admins = AdminRule(
            profile_table=settings.profile_table,
            profile_column=settings.admin_profile_column,
            claim=tuple(settings.admin_claim.split(".")),
            values=settings.admin_values,
        )
        self._now = now

    async def check_schema(self) -> SchemaReport:
        """Read the catalogue and compare it with the contract. Raises DatabaseError when nothing could be read."""
        checked_at, started = self._now(), time.perf_counter()
        deadline = asyncio.get_running_loop().time() + self._settings.timeout_seconds
        observation = await self._observe(deadline)
        checks = compare(
            self._contract,
            observation,
            way=self._way,
            reading_role=self._settings.reading_role,
            profile_table=self._settings.profile_table,
        )
        fix = await self._plan(observation, checks, checked_at, deadline)
        return SchemaReport(
            checked_at=checked_at,
            duration_ms=round((time.perf_counter() - started) * 1000),
            conformant=conformant(checks),
            database=self._database_facts(observation),
            contract=self._contract_facts,
            summary=summarise(checks),
            migrations=Migrations(
                source=_history_source(observation),
                readable=observation is not None and observation.history.access is HistoryAccess.READ,
                expected=migration_statuses(self._contract, observation),
            ),
            checks=with_hints(checks, fix),
            fix=fix,
        )

    async def _plan(
        self, observation: Observation | None, checks: tuple[Check, ...], now: datetime, deadline: float
    ) -> Fix:
        """The fix of what failed. The report does not wait on it: what keeps it from being planned is told in it."""
        if observation is None or all(check.outcome is not Outcome.FAIL for check in checks):
            return NO_FIX
        try:
            async with asyncio.timeout_at(deadline):
                asked = questions(self._contract, observation, checks, self._admins)
                surroundings = await self._surroundings.read(observation, asked)
        except TimeoutError:
            surroundings = Surroundings(obstacle="the database did not answer in time")
        except DatabaseError as error:
            surroundings = Surroundings(obstacle=str(error).rstrip("."))
        return plan_fix(self._contract, observation, surroundings, checks, self._admins, now=now)

    async def _observe(self, deadline: float) -> Observation | None:
        """None when the catalogue never held still. Raises DatabaseTimeoutError when all of it takes too long."""
        try:
            async with asyncio.timeout_at(deadline):
                async with self._database.connection() as connection:
                    observation = await self._reader.read(connection)
                return await self._probes.probe(observation)
        except CatalogueChangingError:
            return None
        except TimeoutError as error:
            raise DatabaseTimeoutError("The database did not answer in time.") from error

    def _database_facts(self, observation: Observation | None) -> DatabaseFacts:
        host = self._settings.database.host or "a socket"
        if observation is None:
            role, schema = self._settings.reading_role, self._settings.database_schema
            return DatabaseFacts(host, None, None, role, schema, bypasses_row_security=None)
        catalogue = observation.catalogue
        role_facts = catalogue.reading_role
        return DatabaseFacts(
            host=host,
            server_version=catalogue.server_version,
            login=catalogue.login.name,
            role=observation.wanted_role,
            schema=observation.schema,
            bypasses_row_security=role_facts.bypasses_row_security if role_facts is not None else None,
        )


def summarise(checks: tuple[Check, ...]) -> Summary:
    def count(outcome: Outcome, severity: Severity | None = None) -> int:
        return sum(check.outcome is outcome and severity in (None, check.severity) for check in checks)

    return Summary(
        passed=count(Outcome.PASS),
        fail=count(Outcome.FAIL, Severity.ERROR),
        warning=count(Outcome.FAIL, Severity.WARNING),
        unknown=count(Outcome.UNKNOWN),
        skipped=count(Outcome.SKIPPED),
    )


def _history_source(observation: Observation | None) -> str | None:
    if observation is None or observation.history.access is HistoryAccess.ABSENT:
        return None
    return HISTORY_TABLE
