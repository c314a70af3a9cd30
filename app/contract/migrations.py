"""The documented migrations: which of them are recorded, and which have had their effect."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from app.contract.check import Expectation, Judgement, Severity, failed, passed, skipped, unknown
from app.contract.model import Contract, Migration
from app.contract.observed import History, HistoryAccess, Observation, RecordedMigration

HISTORY = "migrations.history"
HISTORY_TABLE = "supabase_migrations.schema_migrations"


class MigrationState(StrEnum):
    APPLIED = "applied"
    RENUMBERED = "renumbered"
    UNRECORDED = "unrecorded"
    MISSING = "missing"
    INEFFECTIVE = "ineffective"
    UNKNOWN = "unknown"


class Effect(StrEnum):
    """How many of a migration's objects exist."""

    ALL = "all"
    SOME = "some"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    version: str
    name: str
    state: MigrationState


def migration_statuses(contract: Contract, observation: Observation | None) -> tuple[MigrationStatus, ...]:
    """The state of every documented migration, in the order of the contract."""
    return tuple(
        MigrationStatus(migration.version, migration.name, _state(contract, migration, observation))
        for migration in contract.migrations
    )


def migration_expectations(contract: Contract) -> Iterator[Expectation]:
    """The `migrations.*` checks. None of them is worse than a warning but a migration recorded without any effect."""
    yield _history()
    for migration in contract.migrations:
        yield _migration(contract, migration)
    yield _order(contract)


def recorded_as(contract: Contract, migration: Migration, history: History) -> RecordedMigration | None:
    """The row that records a migration: by version, then by name, then by statements.

    A row that carries another documented migration's version is that one's, whatever its name says.
    """
    taken = {other.version for other in contract.migrations} - {migration.version}
    rows = [row for row in history.recorded if row.version not in taken]
    by_version = (row for row in rows if row.version == migration.version)
    by_name = (row for row in rows if row.name == migration.name)
    by_statements = (
        row
        for row in rows
        if migration.statements_sha256 is not None and row.statements_sha256 == migration.statements_sha256
    )
    return next(by_version, None) or next(by_name, None) or next(by_statements, None)


def effect(contract: Contract, migration: Migration, observation: Observation) -> Effect:
    """What of a migration is there. Legacy tables may have been dropped since: their absence proves nothing."""
    exists = {name: _exists(name, observation) for name in migration.introduces}
    required = [name for name in exists if name not in contract.legacy_tables()]
    if all(exists[name] for name in required):
        return Effect.ALL
    return Effect.SOME if any(exists.values()) else Effect.NONE


def lacking(migration: Migration, observation: Observation) -> list[str]:
    return [name for name in migration.introduces if not _exists(name, observation)]


def _exists(name: str, observation: Observation) -> bool:
    table, _, column = name.partition(".")
    relation = observation.catalogue.relation(table)
    return relation is not None and (not column or relation.column(column) is not None)


def _state(contract: Contract, migration: Migration, observation: Observation | None) -> MigrationState:
    if observation is None or observation.history.access is HistoryAccess.UNREADABLE:
        return MigrationState.UNKNOWN
    there = effect(contract, migration, observation)
    record = recorded_as(contract, migration, observation.history)
    if record is None:
        return MigrationState.UNRECORDED if there is Effect.ALL else MigrationState.MISSING
    if there is Effect.NONE:
        return MigrationState.INEFFECTIVE
    return MigrationState.APPLIED if record.version == migration.version else MigrationState.RENUMBERED


def repair(migration: Migration) -> str:
    """The command that records a migration without running it."""
    return f"supabase migration repair --status applied {migration.version}"


def _history() -> Expectation:
    def judge(observation: Observation) -> Judgement:
        history = observation.history
        if history.access is HistoryAccess.ABSENT:
            return failed(
                "no such table",
                f"There is no {HISTORY_TABLE}: migrations are judged by their effect alone.",
            )
        if history.access is HistoryAccess.UNREADABLE:
            login = observation.catalogue.login.name
            return failed(
                "not readable",
                f"{HISTORY_TABLE} cannot be read as {login}: {history.obstacle}.",
                hint=f"Grant the login USAGE on schema supabase_migrations and SELECT on {HISTORY_TABLE}.",
            )
        return passed("readable", f"{HISTORY_TABLE} records {len(history.recorded)} migrations.")

    return Expectation(HISTORY, None, Severity.WARNING, f"{HISTORY_TABLE} can be read", judge)


def _migration(contract: Contract, migration: Migration) -> Expectation:
    file, objects = migration.file, ", ".join(migration.introduces)

    def judge(observation: Observation) -> Judgement:
        state = _state(contract, migration, observation)
        match state:
            case MigrationState.APPLIED:
                absent = lacking(migration, observation)
                rest = f"not there: {', '.join(absent)}" if absent else "what it brings is there"
                judgement = passed(state, f"{file} is recorded; {rest}.")
            case MigrationState.UNRECORDED if observation.history.access is HistoryAccess.ABSENT:
                judgement = passed(state, f"What {file} brings is there; there is no history that could record it.")
            case MigrationState.UNRECORDED:
                judgement = failed(
                    state,
                    f"What {file} brings is there, but the history does not record it: a push would run it again.",
                    hint=f"Mark it as applied: {repair(migration)}",
                )
            case MigrationState.RENUMBERED:
                record = recorded_as(contract, migration, observation.history)
                judgement = failed(
                    state,
                    f"{file} is recorded under version {record and record.version}: a push would run it again.",
                    hint=f"Mark it as applied: {repair(migration)}",
                )
            case MigrationState.MISSING:
                judgement = failed(
                    state,
                    f"{file} is not recorded, and of what it brings is not there:"
                    f" {', '.join(lacking(migration, observation))}.",
                    hint="Never edit it. Apply it, and this clears; or bring what is missing with a new migration, and"
                    f" then mark it as applied: {repair(migration)}",
                )
            case MigrationState.INEFFECTIVE:
                judgement = failed(
                    state,
                    f"{file} is recorded as applied, but nothing of it exists: {objects}.",
                    severity=Severity.ERROR,
                    hint="Bring what is missing with a new migration; the recorded one will not run again.",
                )
            case MigrationState.UNKNOWN:
                judgement = unknown(f"Whether {file} is applied cannot be told: {HISTORY_TABLE} cannot be read.")
        return judgement

    return Expectation(f"migrations.{migration.version}", None, Severity.WARNING, f"{file} is applied", judge)


def _order(contract: Contract) -> Expectation:
    def judge(observation: Observation) -> Judgement:
        if observation.history.access is HistoryAccess.UNREADABLE:
            return unknown(f"The order cannot be told: {HISTORY_TABLE} cannot be read.")
        if observation.history.access is HistoryAccess.ABSENT:
            return skipped(HISTORY)
        earlier_missing: Migration | None = None
        for migration in contract.migrations:
            recorded = recorded_as(contract, migration, observation.history) is not None
            if recorded and earlier_missing is not None:
                return failed(
                    f"{migration.version} without {earlier_missing.version}",
                    f"{migration.file} is recorded, the earlier {earlier_missing.file} is not.",
                )
            if not recorded and earlier_missing is None:
                earlier_missing = migration
        return passed("in order", "No documented migration is recorded without the ones before it.")

    return Expectation("migrations.order", None, Severity.WARNING, "recorded in the documented order", judge)
