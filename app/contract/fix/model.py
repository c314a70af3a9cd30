"""A fix as values: statements to run, decisions left to a person, and hazards. `script.py` writes it down."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

PARTS = (1, 2)


class HazardKind(StrEnum):
    """What a reviewer looks for. The names are part of the JSON."""

    MISSING_MIGRATION = "missing_migration"
    STOP_THE_RUNNER = "stop_the_runner"
    LOCKS_TABLE = "locks_table"
    REWRITES_TABLE = "rewrites_table"
    REFUSES_ROWS = "refuses_rows"
    DROPS_RULE = "drops_rule"
    CHANGES_ACCESS = "changes_access"
    MENTIONED_ELSEWHERE = "mentioned_elsewhere"
    MAY_FAIL = "may_fail"
    OUT_OF_ORDER = "out_of_order"


@dataclass(frozen=True, slots=True)
class Hazard:
    kind: HazardKind
    message: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One step of a part. `mends` are the keys of the checks that pass once it, and what follows it, has been run.

    `sql` can be run again: it looks at the catalogue first, does nothing where its work is done, and raises where it
    finds something other than it was written for. `looks` are commands that raise where rows are in the way. They read
    whole tables, and are run before anything of the part takes a lock that keeps the runner waiting.
    """

    part: int
    mends: tuple[str, ...]
    about: str
    sql: str
    hazards: tuple[Hazard, ...] = ()
    looks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What the fix does not do, and why a person must. `proposal` is SQL to start from, shown as a comment."""

    leaves: tuple[str, ...]
    why: str
    proposal: str | None = None


Step: TypeAlias = Statement | Decision


@dataclass(frozen=True, slots=True)
class Part:
    """One migration file. The second validates what the first has added, in a transaction of its own."""

    number: int
    version: str
    name: str
    statements: tuple[Statement, ...]

    @property
    def file(self) -> str:
        return f"{self.version}_{self.name}.sql"


@dataclass(frozen=True, slots=True)
class Fix:
    """A plan. `parts` are empty where nothing can be mended without a person; `hazards` are those of the whole."""

    parts: tuple[Part, ...]
    decisions: tuple[Decision, ...]
    hazards: tuple[Hazard, ...]

    @property
    def available(self) -> bool:
        return bool(self.parts)

    @property
    def mends(self) -> frozenset[str]:
        """Keys of checks that pass after all parts. What a decision leaves open is not among them."""
        mended = {key for part in self.parts for statement in part.statements for key in statement.mends}
        return frozenset(mended - self.leaves)

    @property
    def leaves(self) -> frozenset[str]:
        return frozenset(key for decision in self.decisions for key in decision.leaves)

    def part(self, number: int) -> Part | None:
        return next((part for part in self.parts if part.number == number), None)


NO_FIX = Fix((), (), ())
