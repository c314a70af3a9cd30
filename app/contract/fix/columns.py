"""Mending columns: those that are missing, that must be gone, or that have the wrong type."""

from collections.abc import Iterator

from app.contract.fix.model import Decision, Hazard, HazardKind, Statement, Step
from app.contract.fix.situation import Situation, Subject, free_name
from app.contract.fix.sql import FOUND, block, literal, literals, stop, unless_done, when
from app.contract.identifiers import quote_identifier
from app.contract.model import TYPES, AbsentColumn, Column
from app.contract.surroundings import QuestionKind

# From a type of pg_catalog to those that hold all of its values unchanged. A varchar's text is the same text; char(n)
# is not here, for its trailing blanks would go, and neither is json, whose layout jsonb does not keep.
LOSSLESS = {
    "varchar": {"text"},
    "int2": {"int4", "int8", "numeric", "float8"},
    "int4": {"int8", "numeric", "float8"},
    "int8": {"numeric"},
    "float4": {"float8"},
}
NO_REWRITE = {("varchar", "text")}
SHORT_LOCK = Hazard(
    HazardKind.LOCKS_TABLE, "Takes an ACCESS EXCLUSIVE lock for a moment, and waits 5 s for it at most."
)
REWRITES = Hazard(HazardKind.REWRITES_TABLE, "Rewrites the table and its indexes; nobody reads or writes it meanwhile.")


def absent_columns(subject: Subject) -> Iterator[Step]:
    """Columns that must be gone are kept under another name, and no longer required."""
    for absent in subject.table.absent_columns:
        key = f"{subject.name}.column.{absent.name}.absent"
        if subject.situation.failed(key):
            yield _renamed(subject, absent, key)


def missing_columns(subject: Subject) -> Iterator[Step]:
    """Columns that are not there are added, empty."""
    for column in subject.table.columns:
        if not subject.failed("present", column):
            continue
        if column.name in subject.table.primary_key:
            parts = ("present", "type", "nullability", "references")
            keys = (*(subject.key(part, column) for part in parts), subject.key("primary_key"))
            why = f"The key needs a {column.name} for each row, and rows that are there have none."
            yield Decision(subject.situation.open(*keys), why)
        else:
            yield from _added(subject, column)


def column_types(subject: Subject) -> Iterator[Step]:
    """Types change only where no value can change with them."""
    for column in subject.table.columns:
        if subject.failed("type", column):
            yield _retyped(subject, column, subject.key("type", column))


def mentioned(situation: Situation, words: tuple[str, ...], dependents: tuple[str, ...]) -> tuple[Hazard, ...]:
    """Whatever uses a name that disappears. A trigger function that does so breaks every write."""
    names = (*situation.mentioning(*words), *dependents)
    if not names:
        return ()
    message = f"Look at these first, for they use {' or '.join(words)}: {', '.join(names)}."
    return (Hazard(HazardKind.MENTIONED_ELSEWHERE, message),)


def counted(count: int) -> str:
    """A count in words. In a table of more than MOST_READ rows there may be more."""
    return "1 row" if count == 1 else f"{count} rows"


def _renamed(subject: Subject, absent: AbsentColumn, key: str) -> Step:
    target, attribute = subject.target, subject.around.attribute(absent.name)
    if attribute is None or attribute.computed or absent.name in subject.relation.primary_key:
        return Decision((key,), f"{absent.name} is part of the primary key, or Postgres fills it by itself.")
    if attribute.domain:
        return Decision((key,), f"The domain of {absent.name} may refuse null; change its type first.")
    kept = free_name(f"legacy_{absent.name}", (column.name for column in subject.relation.columns))
    column, new = quote_identifier(absent.name), quote_identifier(kept)
    own_keys = target.constraints("f", absent.name, extra="\n  and con.conparentid = 0")
    refusing = subject.situation.surroundings.refused_by(subject.name, absent.name)
    drops = (f"alter table {target.name} drop constraint if exists {quote_identifier(name)};" for name in refusing)
    sql = block(
        unless_done(f"not {target.has(absent.name)}"),
        target.each(own_keys, "drop"),
        *drops,
        f"alter table {target.name} alter column {column} drop not null;",
        f"alter table {target.name} rename column {column} to {new};",
        declare=FOUND,
    )
    about = f"Keep {subject.name}.{absent.name} as {kept}, no longer required and without its foreign key."
    uses = mentioned(subject.situation, (absent.name,), attribute.dependents)
    hazards = (SHORT_LOCK, *_rules_on(subject, absent.name, kept, refusing), *uses)
    return Statement(1, (key,), about, sql, hazards)


def _rules_on(subject: Subject, column: str, kept: str, refusing: tuple[str, ...]) -> Iterator[Hazard]:
    """What becomes of the constraints on a column in which nobody writes any more."""
    foreign = [found.name for found in subject.around.constraints if (found.kind, found.columns) == ("f", (column,))]
    gone = [quote_identifier(name) for name in (*foreign, *refusing)]
    if gone:
        yield Hazard(HazardKind.DROPS_RULE, f"Drops {', '.join(gone)}, which would hold rows to {kept}.")
    shared = [
        quote_identifier(found.name)
        for found in subject.around.constraints
        if column in found.columns and len(found.columns) > 1
    ]
    if shared:
        message = f"Look whether rows without {kept} satisfy {', '.join(shared)}, which the runner would have to."
        yield Hazard(HazardKind.MENTIONED_ELSEWHERE, message)


def _added(subject: Subject, column: Column) -> Iterator[Step]:
    target, name = subject.target, quote_identifier(column.name)
    required = column.nullable is False
    empty = subject.count(QuestionKind.ROWS) == 0
    definition = f"{name} {column.type}"
    definition += " not null" if required and empty else ""
    definition += f" check ({name} in ({literals(column.values)}))" if column.values else ""
    sql = block(
        when(
            target.has(column.name),
            when(
                f"not {target.is_type(column.name, TYPES[column.type])}",
                stop(f"{subject.name}.{column.name} has come into being since, with another type."),
            ),
            "return;",
        ),
        f"alter table {target.name} add column {definition};",
        *_with_default(subject, column),
        *_still_readable(subject, column),
    )
    parts = ("present", "type", "values", *(("nullability",) if not required or empty else ()))
    mends = subject.situation.open(*(subject.key(part, column) for part in parts))
    yield Statement(1, mends, f"Add {subject.name}.{column.name}.", sql, (SHORT_LOCK,))
    if required and not empty:
        why = f"Rows that are there will have no {column.name}. Decide what it is for them, then require it."
        yield Decision((subject.key("nullability", column),), why, required_afterwards(subject, column))


def default_of(column: Column) -> str | None:
    """What is supplied for a column where nobody else would: the runner writes no such time. It refuses no row."""
    return "pg_catalog.now()" if column.type == "timestamptz" and column.name in ("created_at", "updated_at") else None


def _with_default(subject: Subject, column: Column) -> Iterator[str]:
    """For new rows: of those that are there nobody knows the time."""
    default = default_of(column)
    if default is not None:
        name = quote_identifier(column.name)
        yield f"alter table {subject.target.name} alter column {name} set default {default};"


def _still_readable(subject: Subject, column: Column) -> Iterator[str]:
    """Whoever was granted each column instead of the table has no right to a new one."""
    reader = subject.situation.observation.catalogue.reading_role
    held = [name for name in ("SELECT", "INSERT", "UPDATE") if name in subject.relation.privileges]
    if reader is None or "SELECT" not in held:
        return
    asked = ", ".join(map(literal, (reader.name, subject.target.name, column.name, "select")))
    given = ", ".join(f"{privilege.lower()} ({quote_identifier(column.name)})" for privilege in held)
    yield when(
        f"not pg_catalog.has_column_privilege({asked})",
        f"grant {given} on table {subject.target.name} to {quote_identifier(reader.name)};",
    )


def required_afterwards(subject: Subject, column: Column) -> str:
    """To start from where rows lack what is to be required."""
    name, table = quote_identifier(column.name), subject.target.name
    return (
        f"update {table} set {name} = ... where {name} is null;\nalter table {table} alter column {name} set not null;"
    )


def _retyped(subject: Subject, column: Column, key: str) -> Step:
    target, name, wanted = subject.target, quote_identifier(column.name), TYPES[column.type]
    found, attribute = subject.relation.column(column.name), subject.around.attribute(column.name)
    proposal = f"alter table {target.name} alter column {name} type {column.type} using {name}::{column.type};"
    if found is None or attribute is None or attribute.domain or found.type.schema != "pg_catalog":
        return Decision((key,), f"{column.name} has a type of its own, which only its makers can judge.", proposal)
    if wanted not in LOSSLESS.get(found.type.name, set()):
        why = f"Not every {found.type.display} stays what it is as {column.type}: look at the values first."
        return Decision((key,), why, proposal)
    if attribute.dependents or attribute.computed:
        users = ", ".join(attribute.dependents) or "its own definition"
        return Decision((key,), f"Postgres does not change a type that is used by {users}.", proposal)
    sql = block(
        unless_done(target.is_type(column.name, wanted)),
        when(
            f"not {target.is_type(column.name, found.type.name)}",
            stop(f"{subject.name}.{column.name} is no longer {found.type.name}."),
        ),
        f"alter table {target.name} alter column {name} type {column.type};",
    )
    hazard = SHORT_LOCK if (found.type.name, wanted) in NO_REWRITE else REWRITES
    return Statement(1, (key,), f"Make {subject.name}.{column.name} {column.type}.", sql, (hazard,))
