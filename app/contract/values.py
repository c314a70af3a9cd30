"""What the contract says of a column's values, judged by which of them it accepted."""

import re
from collections.abc import Iterable

from app.contract.check import Expectation, Judgement, Severity, failed, passed, unknown
from app.contract.model import Column, Table
from app.contract.observed import AcceptedValues, Observation

MOST_MENTIONED = 40
TEXT_LITERAL = re.compile(r"'((?:[^']|'')*)'")
# What a regular expression, or an array in a literal, is made of.
WORD = re.compile(r"[^\W_][\w.:/-]*")
# A value that no set of ours has: what accepts it enforces nothing.
ANYTHING = "no such value"


def mentioned(conditions: Iterable[str]) -> tuple[str, ...]:
    """The text literals in conditions, and the words in them: a list of values may be one literal."""
    literals = [found.replace("''", "'") for condition in conditions for found in TEXT_LITERAL.findall(condition)]
    words = [word for literal in literals for word in WORD.findall(literal)]
    return tuple(dict.fromkeys((*literals, *words)))


def candidates(documented: tuple[str, ...], others: Iterable[str]) -> tuple[str, ...]:
    """What to try on a column: its documented values, near misses of them, and what its own definition mentions."""
    first = documented[0]
    near = (first.upper(), first.capitalize(), f"{first} ", f" {first}", first[:-1], f"{first}x", "", ANYTHING)
    further = [value for value in others if value not in documented][:MOST_MENTIONED]
    return tuple(dict.fromkeys((*documented, *near, *further)))


def value_expectation(table: Table, column: Column) -> Expectation:
    """The `.values` check of a column that has a set of values."""

    def judge(observation: Observation) -> Judgement:
        tried = observation.tried(table.name, column.name)
        if tried is None:
            return unknown(f"No value was tried on {table.name}.{column.name}.")
        if tried.obstacle is not None:
            return unknown(f"No value could be tried on {table.name}.{column.name}: {tried.obstacle}.")
        return _judged(table, column, tried, not_null=observation.column(table.name, column.name).not_null)

    return Expectation(
        key=f"{table.name}.column.{column.name}.values",
        table=table.name,
        severity=Severity.ERROR,
        expected=" | ".join(column.values),
        judge=judge,
        requires=f"{table.name}.column.{column.name}.present",
    )


def _judged(table: Table, column: Column, tried: AcceptedValues, *, not_null: bool) -> Judgement:
    name = f"{table.name}.{column.name}"
    beside = f" Not judged: {', '.join(tried.shared_checks)}, over several columns." if tried.shared_checks else ""
    refused = {value: how for value, how in tried.refused if value in column.values}
    extra = [value for value in tried.accepted if value not in column.values]
    if refused:
        value, how = next(iter(refused.items()))
        listed = ", ".join(repr(value) for value in refused)
        return failed(f"refuses {listed}", f"{name} refuses {value!r}, which the runner writes: {how}.{beside}")
    if ANYTHING in extra:
        return failed(
            "not enforced",
            f"{name} accepts any value; nothing enforces {' | '.join(column.values)}.{beside}",
            severity=Severity.WARNING,
        )
    if extra:
        listed = ", ".join(repr(value) for value in extra)
        return failed(
            f"also accepts {listed}",
            f"{name} accepts values that are not documented; of those tried, {listed}.{beside}",
            severity=Severity.WARNING,
        )
    null = "accepted" if tried.null_accepted and not not_null else "refused"
    others = sum(value not in column.values for value, _ in tried.refused)
    accepts = f"{name} accepts each of its values and none of the {others} others that were tried"
    return passed(" | ".join(column.values), f"{accepts}; null is {null}.{beside}")
