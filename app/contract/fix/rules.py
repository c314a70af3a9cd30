"""Mending what columns accept: null, and the values of a set. Added without a look at old rows, validated in part 2."""

from collections.abc import Iterator

from app.contract.fix.columns import SHORT_LOCK, counted, required_afterwards
from app.contract.fix.model import Decision, Hazard, HazardKind, Statement, Step
from app.contract.fix.situation import Subject
from app.contract.fix.sql import FOUND, block, literals, stop, unless_done, when
from app.contract.identifiers import quote_identifier
from app.contract.model import Column
from app.contract.surroundings import QuestionKind

TEXTUAL = frozenset({"text", "varchar", "bpchar"})
SCANS = Hazard(HazardKind.LOCKS_TABLE, "Reads the whole table; the runner goes on writing meanwhile.")
MAY_FAIL = Hazard(
    HazardKind.MAY_FAIL,
    "The table is too large to look beforehand for old rows that break the rule; one that does stops this part.",
)


def nullability(subject: Subject) -> Iterator[Step]:
    """Columns that must take null, and columns that must not."""
    for column in subject.table.columns:
        if not subject.failed("nullability", column):
            continue
        if column.nullable:
            yield from _nullable(subject, column)
        else:
            yield from _required(subject, column)


def values(subject: Subject) -> Iterator[Step]:
    """A CHECK that refuses a documented value is replaced; one that is missing or takes more is a person's matter."""
    for column in subject.table.columns:
        if subject.failed("values", column):
            yield from _accepting(subject, column)
        elif column.values:
            yield from _still_to_validate(subject, column)


def _nullable(subject: Subject, column: Column) -> Iterator[Step]:
    target, attribute = subject.target, subject.around.attribute(column.name)
    key, in_key = subject.key("nullability", column), column.name in subject.relation.primary_key
    if in_key and subject.failed("primary_key"):
        return  # Whatever becomes of the key decides this, too: keys.py.
    if attribute is None or attribute.computed or not attribute.required or in_key:
        yield Decision((key,), f"It is not the column {column.name} itself that refuses null, but its key or domain.")
        return
    drop = f"alter table {target.name} alter column {quote_identifier(column.name)} drop not null;"
    sql = block(when(target.is_required(column.name), drop))
    yield Statement(1, (key,), f"Let {subject.name}.{column.name} be empty.", sql, (SHORT_LOCK,))


def _required(subject: Subject, column: Column) -> Iterator[Step]:
    key, found = subject.key("nullability", column), subject.relation.column(column.name)
    nulls = subject.count(QuestionKind.NULLS, column)
    if nulls:
        why = f"{counted(nulls)} of {subject.name} have no {column.name}. Decide what it is for them, then require it."
        yield Decision((key,), why, required_afterwards(subject, column))
    elif found is not None and found.not_null:
        # Since Postgres 18, NOT NULL can be NOT VALID.
        query = subject.target.constraints("n", column.name, extra=" and not con.convalidated")
        about = f"Validate that every row of {subject.name} has {column.name}."
        yield Statement(2, (key,), about, block(subject.target.each(query, "validate"), declare=FOUND), (SCANS,))
    else:
        yield from _required_in_two_steps(subject, column, nulls)


def _required_in_two_steps(subject: Subject, column: Column, nulls: int | None) -> Iterator[Statement]:
    """By a CHECK that is validated without keeping anybody out, and makes SET NOT NULL a matter of a moment."""
    target, name = subject.target, quote_identifier(column.name)
    constraint = subject.own_check(f"{column.name}_runner_fix_not_null", column)
    quoted = quote_identifier(constraint)
    done = f"{target.is_required(column.name)} or {target.has_constraint(constraint)}"
    look = when(
        f"not ({done})",
        when(
            f"exists (select from {target.name} as old where old.{name} is null)",
            stop(f"{subject.name} has rows without {column.name}: decide what it is for them first."),
        ),
    )
    add = block(
        unless_done(done), f"alter table {target.name} add constraint {quoted} check ({name} is not null) not valid;"
    )
    about = f"Refuse new rows of {subject.name} without {column.name}."
    yield Statement(1, (), about, add, _new_rule(column, nulls), (look,))
    pending = when(target.has_constraint(constraint), f"alter table {target.name} validate constraint {quoted};")
    yield Statement(2, (), f"Validate that every row of {subject.name} has {column.name}.", block(pending), (SCANS,))
    require = block(
        when(
            f"not {target.is_required(column.name)}",
            when(
                f"not {target.has_constraint(constraint)}",
                stop(f"{subject.name}.{column.name} has no CHECK that part 1 adds: apply part 1 first."),
            ),
            f"alter table {target.name} alter column {name} set not null;",
        ),
        when(target.has_constraint(constraint), f"alter table {target.name} drop constraint {quoted};"),
    )
    key = subject.key("nullability", column)
    yield Statement(2, (key,), f"Require {subject.name}.{column.name}.", require, (SHORT_LOCK,))


def _accepting(subject: Subject, column: Column) -> Iterator[Step]:
    target, key = subject.target, subject.key("values", column)
    documented = f"{quote_identifier(column.name)} in ({literals(column.values)})"
    refusing = subject.situation.surroundings.refused_by(subject.name, column.name)
    unlisted = subject.count(QuestionKind.UNLISTED, column)
    constraint = subject.new_constraint(f"{column.name}_runner_fix_check")
    added = f"add constraint {quote_identifier(constraint)} check ({documented}) not valid"
    proposal = f"alter table {target.name} {added};"
    found = subject.relation.column(column.name)
    if subject.is_warning("values", column):
        why = f"{subject.name}.{column.name} takes more than the documented values. Decide whether it should."
        yield Decision((key,), why, proposal)
    elif not refusing or found is None or found.type.name not in TEXTUAL:
        yield Decision(
            (key,), f"What refuses a documented value is the type of {column.name}, not a CHECK on it alone."
        )
    elif unlisted:
        why = f"{counted(unlisted)} of {subject.name} have another {column.name} than the documented ones."
        yield Decision((key,), f"{why} Decide what becomes of them first.", proposal)
    else:
        drops = ", ".join(f"drop constraint {quote_identifier(name)}" for name in refusing)
        done = target.has_constraint(constraint)
        look = when(
            f"not {done}",
            when(
                f"exists (select from {target.name} as old where not (old.{documented}))",
                stop(f"{subject.name} has rows with another {column.name} than the documented ones."),
            ),
        )
        replace = block(unless_done(done), f"alter table {target.name} {drops}, {added};")
        about = f"Let {subject.name}.{column.name} take its documented values, and no others."
        yield Statement(1, (key,), about, replace, _new_rule(column, unlisted), (look,))
        yield _values_validated(subject, column, constraint)


def _still_to_validate(subject: Subject, column: Column) -> Iterator[Statement]:
    """A fix was planned anew after part 1 of another had been applied: what that one added is validated by this one."""
    constraint = subject.own_check(f"{column.name}_runner_fix_check", column)
    if any(found.name == constraint and not found.validated for found in subject.around.constraints):
        yield _values_validated(subject, column, constraint)


def _values_validated(subject: Subject, column: Column, constraint: str) -> Statement:
    sql = block(f"alter table {subject.target.name} validate constraint {quote_identifier(constraint)};")
    return Statement(2, (), f"Validate the values of {subject.name}.{column.name}.", sql, (SCANS,))


def _new_rule(column: Column, violators: int | None) -> tuple[Hazard, ...]:
    refuses = Hazard(HazardKind.REFUSES_ROWS, f"From now on rows with a wrong {column.name} are refused.")
    return (SHORT_LOCK, refuses, *((MAY_FAIL,) if violators is None else ()))
