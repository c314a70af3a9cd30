"""What a fix wants to know of a database before it is planned, so that only that is read."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from app.contract.check import Check, Outcome
from app.contract.fix.readers import ABOUT_ACCESS, candidates, readers
from app.contract.fix.situation import AdminRule, question_about
from app.contract.model import Column, Contract, Table
from app.contract.observed import Observation, Proposal, Relation
from app.contract.surroundings import Question, QuestionKind


@dataclass(frozen=True, slots=True)
class Questions:
    """`words` are looked for in functions, `referenced` are the tables that foreign keys should point at. `proposals`
    are policies to try; where there are none, those that are there are not tried either.
    """

    counts: tuple[Question, ...]
    refusing: tuple["Trying", ...]
    proposals: tuple[Proposal, ...]
    set_aside: tuple[Table, ...]
    words: tuple[str, ...]
    referenced: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trying:
    """Values that a column should take; None stands for null."""

    table: str
    column: str
    values: tuple[str | None, ...]


def questions(contract: Contract, observation: Observation, checks: tuple[Check, ...], admins: AdminRule) -> Questions:
    """The questions of one report."""
    failed = frozenset(check.key for check in checks if check.outcome is Outcome.FAIL)
    tables = [(table, observation.catalogue.relation(table.name)) for table in contract.tables]
    there = [(table, relation) for table, relation in tables if relation is not None and relation.columns]
    columns = [(table, column) for table, relation in there for column in table.columns if relation.column(column.name)]
    aside = tuple(table for table, relation in there if is_set_aside(table, relation))
    return Questions(
        counts=tuple(dict.fromkeys((*_rows(there, failed), *_values(columns, failed)))),
        refusing=(*_documented_values(columns, failed), *_nulls(there, failed)),
        proposals=tuple(_proposals(there, observation, checks, admins)),
        set_aside=aside,
        words=tuple(dict.fromkeys(_words(there, aside))),
        referenced=tuple(
            dict.fromkeys(
                column.references.table
                for table in contract.tables
                for column in table.columns
                if column.references is not None
            )
        ),
    )


def is_set_aside(table: Table, relation: Relation) -> bool:
    """A table of short-lived rows whose key column is missing: there is nothing in it that could be altered to fit."""
    return table.ephemeral and any(relation.column(name) is None for name in table.primary_key)


def _documented_values(columns: list[tuple[Table, Column]], failed: Collection[str]) -> Iterator[Trying]:
    for table, column in columns:
        if f"{table.name}.column.{column.name}.values" in failed:
            yield Trying(table.name, column.name, column.values)


def _nulls(there: list[tuple[Table, Relation]], failed: Collection[str]) -> Iterator[Trying]:
    """A column that must be gone stays under another name, in which nobody writes anything."""
    for table, _ in there:
        for absent in table.absent_columns:
            if f"{table.name}.column.{absent.name}.absent" in failed:
                yield Trying(table.name, absent.name, (None,))


def _rows(there: list[tuple[Table, Relation]], failed: Collection[str]) -> Iterator[Question]:
    for table, _ in there:
        if any(f"{table.name}.column.{column.name}.present" in failed for column in table.columns):
            yield Question(QuestionKind.ROWS, table.name)


def _values(columns: list[tuple[Table, Column]], failed: Collection[str]) -> Iterator[Question]:
    for table, column in columns:
        key = f"{table.name}.column.{column.name}"
        asked = {
            QuestionKind.NULLS: f"{key}.nullability" in failed and not column.nullable,
            QuestionKind.UNLISTED: f"{key}.values" in failed,
            QuestionKind.ORPHANS: f"{key}.references" in failed,
        }
        if f"{table.name}.primary_key" in failed and column.name in table.primary_key:
            asked |= {QuestionKind.NULLS: True, QuestionKind.DUPLICATES: True}
        yield from (question_about(kind, table, column) for kind, wanted in asked.items() if wanted)


def _proposals(
    there: list[tuple[Table, Relation]], observation: Observation, checks: tuple[Check, ...], admins: AdminRule
) -> Iterator[Proposal]:
    """Trying policies takes many round trips: they are tried only where something is wrong with who reads a table."""
    open_keys = {check.key for check in checks if check.outcome in (Outcome.FAIL, Outcome.SKIPPED)}
    for table, relation in there:
        policy, about_access = table.select_policy, {f"{table.name}.{what}" for what in ABOUT_ACCESS}
        if policy is not None and relation.primary_key and not open_keys.isdisjoint(about_access):
            for reader in readers(policy):
                yield from candidates(observation, admins, table, reader)


def _words(there: list[tuple[Table, Relation]], aside: tuple[Table, ...]) -> Iterator[str]:
    """What disappears under its name: columns that are renamed, tables that are set aside and their old columns."""
    for table, relation in there:
        yield from (absent.name for absent in table.absent_columns if relation.column(absent.name) is not None)
        if table in aside:
            documented = {column.name for column in table.columns}
            yield table.name
            yield from (column.name for column in relation.columns if column.name not in documented)
