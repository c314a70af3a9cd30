"""Making tables: those the document lists in full, anew; and in the place of one that is set aside."""

from collections.abc import Iterator

from app.contract.fix.columns import default_of, mentioned
from app.contract.fix.grants import service_grants
from app.contract.fix.model import Decision, Hazard, HazardKind, Statement, Step
from app.contract.fix.policies import new_policies, shuts_out_the_runner
from app.contract.fix.situation import ORDINARY, Situation, Subject, free_name
from app.contract.fix.sql import FOUND, Target, block, identifiers, literals, stop, unless_done, when
from app.contract.identifiers import quote_identifier
from app.contract.model import Column, Table

STOP = Hazard(
    HazardKind.STOP_THE_RUNNER,
    "Stop the runner two minutes before, until every lock it holds has expired: one that cannot be carried over would"
    " bind it no longer.",
)


def missing_table(situation: Situation, table: Table) -> Iterator[Step]:
    """A table that is not there, or under whose name something else is."""
    migration = situation.contract.introduced_by(table.name)
    by = f" {migration.file} creates it." if migration is not None else ""
    if situation.observation.catalogue.relation(table.name) is not None:
        yield Decision((table.key,), f"Something else bears the name {table.name}. Rename or replace it.{by}")
    elif situation.observation.catalogue.schema is None:
        yield Decision((table.key,), f"There is no schema {situation.observation.schema} to make it in.")
    elif (obstacle := shuts_out_the_runner(situation)) is not None:
        yield Decision((table.key,), obstacle)
    elif table.open_ended or not table.columns:
        yield Decision((table.key,), f"The document does not list all its columns, so it is not made up here.{by}")
    else:
        yield from _created(situation, table)


def set_aside(subject: Subject) -> Iterator[Step]:
    """The old table keeps its rows under another name; the new one has the rights, policies and triggers of the old."""
    situation, table = subject.situation, subject.table
    pointless = _pointless(situation, table)
    mends = tuple(key for key in situation.open_of(table) if key not in pointless)
    belongings = situation.surroundings.belongings.get(table.name)
    if subject.relation.kind != ORDINARY or belongings is None:
        yield Decision(mends, f"What belongs to {table.name} could not be read, so it is not replaced.")
        return
    obstacle = None if subject.relation.row_security else shuts_out_the_runner(situation)
    if obstacle is not None:
        yield Decision(mends, obstacle)
        return
    kept = free_name(f"{table.name}_legacy", situation.surroundings.taken_names)
    there = frozenset(column.name for column in table.columns)
    lost = tuple(column.name for column in subject.relation.columns if column.name not in there)
    sql = block(
        unless_done(subject.target.has(*table.primary_key)),
        f"alter table {subject.target.name} rename to {quote_identifier(kept)};",
        _definition(situation, table),
        *_carried_over(subject, Target(situation.observation.schema, kept)),
        f"alter table {subject.target.name} enable row level security;",
        subject.target.revoke_all(),
        *(belonging.statement for belonging in belongings if there.issuperset(belonging.columns)),
        declare=FOUND,
    )
    about = f"Keep {table.name} as {kept}, and make it anew with its documented key."
    uses = mentioned(situation, (table.name, *lost), subject.around.dependents)
    yield Statement(1, mends, about, sql, (STOP, *uses, *_stay(subject, kept)))
    for belonging in belongings:
        if not there.issuperset(belonging.columns):
            why = f"The {belonging.kind} {belonging.name} of the old {table.name} uses columns that the new one lacks."
            yield Decision((), f"{why} Decide whether it is still needed.", belonging.statement)
    yield from _unreferenced(pointless)


def _stay(subject: Subject, kept: str) -> Iterator[Hazard]:
    """What goes on belonging to the old table, and is for somebody to make again where it is still needed."""
    foreign = (f"foreign key of {name}" for name in subject.around.referenced_by)
    names = (*foreign, *subject.around.left_behind)
    if names:
        yield Hazard(HazardKind.MENTIONED_ELSEWHERE, f"These stay with {kept}: {', '.join(names)}.")


def _created(situation: Situation, table: Table) -> Iterator[Step]:
    target, pointless = situation.target(table.name), _pointless(situation, table)
    policies, decisions = new_policies(situation, table)
    left = {*pointless, *(key for decision in decisions for key in decision.leaves)}
    keys = (*situation.open_of(table), *situation.open(f"role.privileges.{table.name}"))
    present = target.has(*(column.name for column in table.columns))
    sql = block(
        when(
            target.exists(),
            when(f"not ({present})", stop(f"{table.name} has come into being since, and looks otherwise.")),
            "return;",
        ),
        _definition(situation, table),
        *(f"create index on {target.name} ({quote_identifier(name)} desc);" for name in table.indexed),
        *policies,
        f"alter table {target.name} enable row level security;",
        *service_grants(situation, table),
    )
    yield Statement(1, tuple(key for key in keys if key not in left), f"Create {table.name}.", sql)
    yield from decisions
    yield from _unreferenced(pointless)


def _definition(situation: Situation, table: Table) -> str:
    lines = [_column(situation, table, column) for column in table.columns]
    if table.primary_key:
        lines.append(f"primary key ({identifiers(table.primary_key)})")
    listed = ",\n  ".join(lines)
    return f"create table {situation.target(table.name).name} (\n  {listed}\n);"


def _column(situation: Situation, table: Table, column: Column) -> str:
    name, reference = quote_identifier(column.name), column.references
    words = [name, column.type]
    if table.primary_key == (column.name,) and column.type == "uuid" and reference is None:
        words.append("default pg_catalog.gen_random_uuid()")
    elif (default := default_of(column)) is not None:
        words.append(f"default {default}")
    if column.nullable is False:
        words.append("not null")
    if column.values:
        words.append(f"check ({name} in ({literals(column.values)}))")
    if reference is not None and situation.can_be_referenced(reference, column.type):
        words.append(f"references {situation.target(reference.table).name} ({quote_identifier(reference.column)})")
    return " ".join(words)


def _carried_over(subject: Subject, aside: Target) -> Iterator[str]:
    """Rows whose old key is that of a row which the new key points at go on binding the runner."""
    situation, relation, table = subject.situation, subject.relation, subject.table
    if len(relation.primary_key) != 1 or len(table.primary_key) != 1:
        return
    old, new = relation.primary_key[0], table.primary_key[0]
    column = next(column for column in table.columns if column.name == new)
    others = [other for other in table.columns if other.name != new]
    fits = situation.is_right(table.name, old, column.type)
    fits = fits and all(situation.is_right(table.name, other.name, other.type) for other in others)
    reference = column.references
    if not fits or reference is None or not situation.can_be_referenced(reference, column.type):
        return
    required = [f"old.{quote_identifier(other.name)} is not null" for other in others if other.nullable is False]
    values = ", ".join(f"old.{quote_identifier(name)}" for name in (old, *(other.name for other in others)))
    referenced = situation.target(reference.table).name
    matching = f"run.{quote_identifier(reference.column)} = old.{quote_identifier(old)}"
    condition = f"\nwhere {' and '.join(required)}" if required else ""
    yield (
        f"insert into {subject.target.name} ({identifiers((new, *(other.name for other in others)))})\n"
        f"select {values}\n"
        f"from {aside.name} as old\n"
        f"join {referenced} as run on {matching}{condition};"
    )


def _pointless(situation: Situation, table: Table) -> frozenset[str]:
    """Foreign keys that a new table cannot have, for what they would point at is not as it should be."""
    return frozenset(
        f"{table.name}.column.{column.name}.references"
        for column in table.columns
        if column.references is not None and not situation.can_be_referenced(column.references, column.type)
    )


def _unreferenced(keys: frozenset[str]) -> Iterator[Decision]:
    for key in sorted(keys):
        yield Decision((key,), "What it points at is not there as documented. Mend that, then plan a fix again.")
