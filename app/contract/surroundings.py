"""What a fix must know beyond what the checks compare: what hangs on a table, what stands in its way, what mentions it.

Read only where something failed. `questions` in `fix/questions.py` says what is worth asking of the rows.
"""

from collections.abc import Collection
from enum import StrEnum

import msgspec

from app.contract.model import Reference
from app.contract.observed import Access, Caller, Proposal, Sight

# Rows read for one answer. A larger table leaves a question open in which nothing was found up to here.
MOST_READ = 100_000


class Attribute(msgspec.Struct, frozen=True):
    """A column as a fix sees it. `required` is the column's own NOT NULL; a domain's is none of these."""

    name: str
    type: tuple[str, str]
    """Its schema and name, as declared."""
    required: bool
    domain: bool
    computed: bool
    """An identity or a generated column."""
    dependents: tuple[str, ...]
    """Views, policies, triggers and the like that use the column, in the server's words."""


class NamedConstraint(msgspec.Struct, frozen=True):
    """`kind` is pg_constraint.contype; `validated`, that rows which were there before it hold to it, too."""

    name: str
    kind: str
    columns: tuple[str, ...]
    validated: bool


class Surrounding(msgspec.Struct, frozen=True):
    """What is around one table."""

    name: str
    partition: bool
    """It is itself a partition of another table."""
    attributes: tuple[Attribute, ...]
    constraints: tuple[NamedConstraint, ...]
    unique: tuple[tuple[str, ...], ...]
    """Columns with a valid, immediate, unique index over just them: what a foreign key can point at."""
    referenced_by: tuple[str, ...]
    """Foreign keys of other tables that point here."""
    dependents: tuple[str, ...]
    """Views and functions that are bound to the table itself, and stay with it when it is renamed."""
    left_behind: tuple[str, ...]
    """Indexes of no constraint, rules and publications, which do so, too."""
    reaches: tuple[str, ...]
    """Tables of the schema that its policies read, or the policies of those, and so on."""

    def attribute(self, name: str) -> Attribute | None:
        return next((attribute for attribute in self.attributes if attribute.name == name), None)

    def constraint_names(self) -> frozenset[str]:
        return frozenset(constraint.name for constraint in self.constraints)


class Mention(msgspec.Struct, frozen=True):
    """A function whose body contains a word."""

    word: str
    function: str


class Belonging(msgspec.Struct, frozen=True):
    """A trigger, policy or grant of a table as the statement that makes it again, and the columns it needs."""

    kind: str
    name: str
    statement: str
    columns: tuple[str, ...]


class QuestionKind(StrEnum):
    """What is counted among the first MOST_READ rows of a table."""

    ROWS = "rows"
    NULLS = "nulls"
    ORPHANS = "orphans"
    UNLISTED = "unlisted"
    DUPLICATES = "duplicates"


class Question(msgspec.Struct, frozen=True):
    """Which rows to count. A question about rows as such has no column."""

    kind: QuestionKind
    table: str
    column: str = ""
    reference: Reference | None = None
    values: tuple[str, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """`count` is None where it is not known: nothing was found in as many rows as may be read, or none was read."""

    question: Question
    count: int | None


class RefusingChecks(msgspec.Struct, frozen=True):
    """The CHECKs on a column alone that refuse what it should take, a documented value or null; none where its type or
    a domain refuses.
    """

    table: str
    column: str
    names: tuple[str, ...]


class Leak(msgspec.Struct, frozen=True):
    """A policy that by itself shows a caller rows that are not theirs."""

    table: str
    policy: str
    caller: Caller


class Trial(msgspec.Struct, frozen=True):
    """What callers would see with one policy more than there are."""

    proposal: Proposal
    access: Access


class Surroundings(msgspec.Struct, frozen=True):
    """Everything read for one fix. The first part is one document of the catalogue."""

    relations: tuple[Surrounding, ...] = ()
    taken_names: tuple[str, ...] = ()
    """Names of relations that begin like one of our tables."""
    mentions: tuple[Mention, ...] = ()
    user_function: bool = False
    """There is auth.uid(), which tells policies who is asking."""
    token_function: bool = False
    """There is auth.jwt(), which tells them the claims."""
    answers: tuple[Answer, ...] = ()
    refusing_checks: tuple[RefusingChecks, ...] = ()
    policies: tuple[Access, ...] = ()
    """What the policies alone would let callers see, whatever row security and grants are now."""
    leaks: tuple[Leak, ...] = ()
    trials: tuple[Trial, ...] = ()
    belongings: dict[str, tuple[Belonging, ...]] = {}
    """Of each table to be set aside; a table that could not be read is not in it."""
    obstacle: str | None = None
    """Why nothing could be read; None where it could."""

    def around(self, table: str) -> Surrounding | None:
        return next((relation for relation in self.relations if relation.name == table), None)

    def count(self, question: Question) -> int | None:
        return next((answer.count for answer in self.answers if answer.question == question), None)

    def refused_by(self, table: str, column: str) -> tuple[str, ...]:
        found = (found for found in self.refusing_checks if (found.table, found.column) == (table, column))
        return next((refusing.names for refusing in found), ())

    def leaking(self, table: str, callers: Collection[Caller]) -> tuple[str, ...]:
        """The policies that show these callers what they should not see."""
        found = (leak.policy for leak in self.leaks if leak.table == table and leak.caller in callers)
        return tuple(dict.fromkeys(found))

    def trial(self, proposal: Proposal) -> Access | None:
        return next((trial.access for trial in self.trials if trial.proposal == proposal), None)

    def sights(self, table: str) -> dict[Caller, Sight]:
        """By caller; empty where the policies were not tried."""
        return {sight.caller: sight for access in self.policies if access.table == table for sight in access.sights}
