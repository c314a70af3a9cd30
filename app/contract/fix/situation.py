"""What a fix starts from: the contract, what was observed, what failed, and what surrounds it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from app.contract.check import Check, Outcome, Severity
from app.contract.fix.sql import Target
from app.contract.model import TYPES, Column, Contract, Reference, Table
from app.contract.observed import Observation, Relation
from app.contract.surroundings import Question, QuestionKind, Surrounding, Surroundings

LONGEST_NAME = 63  # Bytes of an identifier (Postgres, NAMEDATALEN).
ORDINARY, PARTITIONED = "r", "p"


@dataclass(frozen=True, slots=True)
class AdminRule:
    """How a deployment knows its admins; `profile_table` is None where only tokens make them."""

    profile_table: str | None
    profile_column: str
    claim: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Situation:
    """`checks` are all of a report, by key."""

    contract: Contract
    observation: Observation
    surroundings: Surroundings
    checks: Mapping[str, Check]
    admins: AdminRule

    def failed(self, key: str) -> bool:
        check = self.checks.get(key)
        return check is not None and check.outcome is Outcome.FAIL

    def open(self, *keys: str) -> tuple[str, ...]:
        """Of some keys those that failed, or wait behind one that did."""
        wanted = (Outcome.FAIL, Outcome.SKIPPED)
        return tuple(key for key in keys if key in self.checks and self.checks[key].outcome in wanted)

    def open_of(self, table: Table) -> tuple[str, ...]:
        return self.open(*(key for key in self.checks if key.startswith(f"{table.name}.")))

    def target(self, table: str) -> Target:
        return Target(self.observation.schema, table)

    def subject(self, table: Table) -> "Subject | None":
        """A table to work on: ordinary or partitioned, with its surroundings known."""
        relation = self.observation.catalogue.relation(table.name)
        around = self.surroundings.around(table.name)
        if relation is None or relation.kind not in (ORDINARY, PARTITIONED) or around is None:
            return None
        return Subject(self, table, relation, around)

    def subjects(self) -> "Iterator[Subject]":
        """The tables of the contract that are there, in its order."""
        for table in self.contract.tables:
            subject = self.subject(table)
            if subject is not None:
                yield subject

    def is_right(self, table: str, column: str, type_name: str) -> bool:
        """The column exists with that type of the contract's."""
        relation = self.observation.catalogue.relation(table)
        found = relation.column(column) if relation is not None else None
        return found is not None and (found.type.schema, found.type.name) == ("pg_catalog", TYPES[type_name])

    def can_be_referenced(self, reference: Reference, type_name: str) -> bool:
        """A foreign key of a column of that type can point there."""
        around = self.surroundings.around(reference.table)
        attribute = around.attribute(reference.column) if around is not None else None
        unique = around is not None and (reference.column,) in around.unique
        return unique and attribute is not None and attribute.type == ("pg_catalog", TYPES[type_name])

    def mentioning(self, *words: str) -> tuple[str, ...]:
        """Functions with one of these words in their bodies."""
        return tuple(dict.fromkeys(found.function for found in self.surroundings.mentions if found.word in words))


@dataclass(frozen=True, slots=True)
class Subject:
    """One table of the contract as it was found."""

    situation: Situation
    table: Table
    relation: Relation
    around: Surrounding

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def target(self) -> Target:
        return self.situation.target(self.table.name)

    def key(self, what: str, column: Column | None = None) -> str:
        """The key of a check on the table, or on one of its columns."""
        return f"{self.name}.{what}" if column is None else f"{self.name}.column.{column.name}.{what}"

    def failed(self, what: str, column: Column | None = None) -> bool:
        return self.situation.failed(self.key(what, column))

    def is_warning(self, what: str, column: Column) -> bool:
        return self.situation.checks[self.key(what, column)].severity is Severity.WARNING

    def count(self, kind: QuestionKind, column: Column | None = None) -> int | None:
        """The answer to a question of `questions.py`; None where there is none."""
        question = Question(kind, self.name) if column is None else question_about(kind, self.table, column)
        return self.situation.surroundings.count(question)

    def own_check(self, what: str, column: Column) -> str:
        """The name of a CHECK that an earlier fix has added to a column, or else a free one."""
        name = free_name(f"{self.name}_{what}", ())
        ours = any(
            (found.name, found.kind, found.columns) == (name, "c", (column.name,)) for found in self.around.constraints
        )
        return name if ours else self.new_constraint(what)

    def new_constraint(self, what: str) -> str:
        """A free name for a constraint."""
        return free_name(f"{self.name}_{what}", (constraint.name for constraint in self.around.constraints))


def question_about(kind: QuestionKind, table: Table, column: Column) -> Question:
    """A question about a column, with what its kind needs to be answered."""
    match kind:
        case QuestionKind.UNLISTED:
            return Question(kind, table.name, column.name, values=column.values)
        case QuestionKind.ORPHANS:
            return Question(kind, table.name, column.name, reference=column.references)
        case _:
            return Question(kind, table.name, column.name)


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """A name cut to what Postgres keeps of one, and numbered where it is taken."""
    names, number = frozenset(taken), 1
    name = _cut(wanted, "")
    while name in names:
        number += 1
        name = _cut(wanted, f"_{number}")
    return name


def _cut(name: str, ending: str) -> str:
    room = LONGEST_NAME - len(ending.encode())
    return name.encode()[:room].decode(errors="ignore") + ending
