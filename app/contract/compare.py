"""The comparison: a contract and an observation in, a tuple of checks out."""

from dataclasses import replace

from app.contract.access import promotion_expectation
from app.contract.check import Check, Expectation, Outcome, Severity, make_checks
from app.contract.connection import Way, connection_expectation
from app.contract.migrations import (
    MigrationState,
    MigrationStatus,
    migration_expectations,
    migration_statuses,
)
from app.contract.model import Contract
from app.contract.observed import Observation
from app.contract.roles import role_expectations
from app.contract.tables import table_expectations


def compare(
    contract: Contract,
    observation: Observation | None,
    *,
    way: Way,
    reading_role: str | None,
    profile_table: str | None,
) -> tuple[Check, ...]:
    """Every check of a contract: tables, the connection, roles, migrations; the same keys whatever was observed.

    `observation` is None when the catalogue never held still; then every check is unknown. `reading_role` is None to
    stay as logged in.
    """
    expectations = all_expectations(contract, way=way, reading_role=reading_role, profile_table=profile_table)
    states = {status.version: status for status in migration_statuses(contract, observation)}
    checks = make_checks(expectations, observation)
    return tuple(
        _with_hint(expectation, check, states) for expectation, check in zip(expectations, checks, strict=True)
    )


def all_expectations(
    contract: Contract, *, way: Way, reading_role: str | None, profile_table: str | None
) -> tuple[Expectation, ...]:
    """Every check before it is made, in the order of a report."""
    return (
        *table_expectations(contract),
        *([promotion_expectation(profile_table)] if profile_table is not None else []),
        connection_expectation(way),
        *role_expectations(contract, reading_role=reading_role),
        *migration_expectations(contract),
    )


def conformant(checks: tuple[Check, ...]) -> bool | None:
    """False when an error failed; else None when an error is unknown; else True. Warnings never decide."""
    outcomes = {check.outcome for check in checks if check.severity is Severity.ERROR}
    if Outcome.FAIL in outcomes:
        return False
    return None if Outcome.UNKNOWN in outcomes else True


def _with_hint(expectation: Expectation, check: Check, states: dict[str, MigrationStatus]) -> Check:
    """Point a failed check without advice of its own at the migration that brings what is missing."""
    migration = expectation.introduced_by
    if check.outcome is not Outcome.FAIL or check.hint is not None or migration is None:
        return check
    state = states[migration.version].state
    if state is MigrationState.MISSING:
        return replace(check, hint=f"{migration.file} brings it, and has not been applied.")
    return replace(check, hint=f"{migration.file} should have brought it (its state: {state}).")
