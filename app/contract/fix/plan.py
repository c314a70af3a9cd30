"""From what failed to a plan: every failed check is mended by a statement, or left to a person with the reason."""

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime

from app.contract.check import Check, Outcome
from app.contract.fix.columns import absent_columns, column_types, missing_columns
from app.contract.fix.grants import grants, promotion, roles
from app.contract.fix.keys import foreign_keys, primary_key
from app.contract.fix.model import PARTS, Decision, Fix, Hazard, HazardKind, Part, Statement, Step
from app.contract.fix.policies import policies
from app.contract.fix.questions import is_set_aside
from app.contract.fix.rules import SCANS, nullability, values
from app.contract.fix.situation import PARTITIONED, AdminRule, Situation, Subject
from app.contract.fix.sql import block
from app.contract.fix.tables import missing_table, set_aside
from app.contract.identifiers import quote_identifier
from app.contract.migrations import MigrationState, lacking, migration_statuses, repair
from app.contract.model import Contract
from app.contract.observed import Observation
from app.contract.surroundings import Surroundings

VERSION = re.compile(r"[0-9]{14}")
GREATEST_VERSION = 10**14 - 1 - len(PARTS)
IN_PLACE = (absent_columns, missing_columns, column_types, nullability, values, primary_key, foreign_keys)


def plan_fix(  # noqa: PLR0913 - everything a plan is made of, and nothing else
    contract: Contract,
    observation: Observation,
    surroundings: Surroundings,
    checks: tuple[Check, ...],
    admins: AdminRule,
    *,
    now: datetime,
) -> Fix:
    """The plan for one report. What it makes of the same arguments is always the same."""
    situation = Situation(contract, observation, surroundings, {check.key: check for check in checks}, admins)
    steps = list(_steps(situation)) if surroundings.obstacle is None else []
    decided = [step for step in steps if isinstance(step, Decision)]
    statements = _in_order([step for step in steps if isinstance(step, Statement)])
    reached = {key for step in decided for key in step.leaves} | {key for step in statements for key in step.mends}
    decided += [
        _left(check, surroundings) for check in checks if check.outcome is Outcome.FAIL and check.key not in reached
    ]
    left = {key for decision in decided for key in decision.leaves}
    version, hazards = _version(observation, now), list(_missing_migrations(contract, observation, left))
    if version > GREATEST_VERSION:
        version = int(f"{now.astimezone(UTC):%Y%m%d%H%M%S}")
        hazards.append(Hazard(HazardKind.OUT_OF_ORDER, "The history records a version after which none can come."))
    parts = [
        Part(number, str(version + number - 1), _name(situation, number, ours), ours)
        for number in PARTS
        if (ours := tuple(statement for statement in statements if statement.part == number))
    ]
    return Fix(tuple(parts), tuple(decided), tuple(hazards))


def with_hints(checks: tuple[Check, ...], fix: Fix) -> tuple[Check, ...]:
    """The checks, each failed one pointing at the statement that mends it, or at the decision it waits for."""
    pointers: dict[str, str] = {}
    for part in fix.parts:
        for number, statement in enumerate(part.statements, 1):
            pointers |= dict.fromkeys(statement.mends, f"The fix mends it: part {part.number}, statement {number}.")
    for number, decision in enumerate(fix.decisions, 1):
        pointers |= dict.fromkeys(decision.leaves, f"The fix leaves it to you: decision {number}.")
    return tuple(_with_hint(check, pointers) for check in checks)


def _with_hint(check: Check, pointers: Mapping[str, str]) -> Check:
    pointer = pointers.get(check.key)
    if check.outcome is not Outcome.FAIL or pointer is None:
        return check
    if check.hint is None:
        return replace(check, hint=pointer)
    # A hint that is SQL, or ends with a command, stays something to paste.
    if check.hint.endswith(";"):
        return replace(check, hint=f"{check.hint} -- {pointer}")
    said = (check.hint, pointer) if check.hint.endswith(".") else (pointer, check.hint)
    return replace(check, hint=" ".join(said))


def _steps(situation: Situation) -> Iterator[Step]:
    """In an order in which each finds what it needs: tables, columns, their keys, keys that point at them, access."""
    for table in situation.contract.tables:
        if situation.failed(table.key):
            yield from missing_table(situation, table)
    in_place = []
    for subject in situation.subjects():
        if subject.around.partition:
            yield from _partition(subject)
        elif is_set_aside(subject.table, subject.relation):
            yield from set_aside(subject)
        else:
            in_place.append(subject)
    for mend in IN_PLACE:
        for subject in in_place:
            yield from mend(subject)
    for subject in situation.subjects():
        yield from grants(subject)
    for subject in in_place:
        yield from policies(subject)
        yield from _indexes(subject)
    yield from promotion(situation)
    yield from roles(situation)


def _in_order(statements: list[Statement]) -> list[Statement]:
    """As planned, but for what reads whole tables: that comes first in its part, for a lock is kept to the end of the
    migration, and until then the runner would wait.
    """
    looks = tuple(look for statement in statements for look in statement.looks)
    first = [Statement(1, (), "Look for rows that are in the way.", block(*looks), (SCANS,))] if looks else []
    adding = [statement for statement in statements if statement.part == 1]
    validating = [statement for statement in statements if statement.part != 1]
    return [*first, *adding, *sorted(validating, key=lambda statement: SCANS not in statement.hazards)]


def _partition(subject: Subject) -> Iterator[Decision]:
    leaves = subject.situation.open_of(subject.table)
    if leaves:
        yield Decision(leaves, f"{subject.name} is itself a partition of another table, which must be mended instead.")


def _indexes(subject: Subject) -> Iterator[Decision]:
    """CONCURRENTLY keeps the runner writing, and does not run inside a transaction, as a migration does."""
    if subject.failed("indexes"):
        split = subject.relation.kind == PARTITIONED
        how = "on each partition first, then on the table" if split else "outside a transaction"
        proposals = [
            f"create index {'' if split else 'concurrently '}on {subject.target.name} ({quote_identifier(name)} desc);"
            for name in subject.table.indexed
        ]
        why = f"Make the index by hand, {how}, so that the runner goes on writing."
        yield Decision((subject.key("indexes"),), why, "\n".join(proposals))


def _left(check: Check, surroundings: Surroundings) -> Decision:
    if surroundings.obstacle is not None:
        return Decision((check.key,), f"What surrounds it could not be read: {surroundings.obstacle}.")
    return Decision((check.key,), check.hint or check.message)


def _missing_migrations(contract: Contract, observation: Observation, left: AbstractSet[str]) -> Iterator[Hazard]:
    """First of all hazards: the documented way may be the better one, and is the only one to what is left."""
    for migration, status in zip(contract.migrations, migration_statuses(contract, observation), strict=True):
        if status.state is not MigrationState.MISSING:
            continue
        unmended = [name for name in lacking(migration, observation) if _key_of(name) in left]
        if unmended:
            said = f"Apply it: this fix does not bring {', '.join(unmended)}. Check again afterwards."
        else:
            said = (
                "To apply it may be the better fix: where nobody needs what it"
                " drops, push it and leave this one out; it is then recorded, and its warning clears. To keep what it"
                " drops, apply this one, and mark that migration as applied, which clears the warning:"
                f" {repair(migration)}. Mark it before supabase db push, which else runs all that is pending in the"
                " folder, that migration first. It can still be applied after this one. Check again in either case."
            )
        yield Hazard(HazardKind.MISSING_MIGRATION, f"{migration.file} has not been applied. {said}")


def _key_of(introduced: str) -> str:
    """The key of the check that a table or a column, as a migration introduces it, is there."""
    table, _, column = introduced.partition(".")
    return f"{table}.column.{column}.present" if column else f"{table}.table"


def _version(observation: Observation, now: datetime) -> int:
    """The greater of now and the greatest recorded version plus one; what is not 14 digits is not compared."""
    recorded = [int(row.version) for row in observation.history.recorded if VERSION.fullmatch(row.version)]
    return max([int(f"{now.astimezone(UTC):%Y%m%d%H%M%S}"), *(version + 1 for version in recorded)])


def _name(situation: Situation, number: int, statements: tuple[Statement, ...]) -> str:
    """`runner_fix_<table>` where all of a part is about one table."""
    if number > 1:
        return "runner_fix_validate"
    tables = {situation.checks[key].table for statement in statements for key in statement.mends}
    what = str(next(iter(tables))) if len(tables) == 1 else "schema"
    return f"runner_fix_{re.sub(r'[^a-z0-9]+', '_', what.lower()).strip('_') or 'schema'}"
