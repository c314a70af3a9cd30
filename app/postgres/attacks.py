"""What a user would write to become an admin: rows of the profile table, before and after."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.contract.model import AUTHENTICATED
from app.contract.observed import Grants

UPDATE, INSERT = "w", "a"


@dataclass(frozen=True, slots=True)
class Attack:
    """A row that `role` would write with some user's claims; `old` is what it is before, None where it is new.

    `writes` are the columns that make the attack, `free` those that the writer may set to whatever a policy wants.
    """

    about: str
    role: str
    user: UUID | str
    old: Mapping[str, Any] | None
    new: Mapping[str, Any]
    writes: frozenset[str]
    free: frozenset[str]

    @property
    def command(self) -> str:
        return INSERT if self.old is None else UPDATE


@dataclass(frozen=True, slots=True)
class Target:
    """The column that makes admins, the values that do, and profiles to try it on: users', and an admin's."""

    column: str
    values: Sequence[str]
    users: Sequence[Mapping[str, Any]]
    admin: Mapping[str, Any]


def updates(target: Target, grants: Grants, user: UUID | str, newcomer: UUID) -> Iterator[Attack]:
    """A role written into a profile, one's own or another's; and an admin's profile made one's own by its id."""
    free = frozenset(grants.updatable)
    if target.column in grants.updatable:
        for old, value in itertools.product(target.users, target.values):
            about = f"{grants.role} may update {target.column}"
            new = {**old, target.column: value}
            yield Attack(about, grants.role, user, old, new, frozenset({target.column}), free)
    takers = (user, newcomer)
    if "id" in grants.updatable and grants.role == AUTHENTICATED:
        about = f"{grants.role} may update id, and so take over an admin's profile"
        for taker in takers:
            new = {**target.admin, "id": str(taker)}
            yield Attack(about, grants.role, taker, target.admin, new, frozenset({"id"}), free)


def inserts(target: Target, grants: Grants, newcomer: UUID, defaults: Mapping[str, str | None]) -> Iterator[Attack]:
    """A profile of an account that has none. What is not granted is as its default, evaluated for the newcomer."""
    writable = frozenset(grants.insertable)
    given = {name: value for name, value in defaults.items() if name not in writable}
    profile = {**target.users[0], "id": str(newcomer), **given}
    if profile["id"] != str(newcomer):
        return
    if target.column in writable:
        for value in target.values:
            about = f"{grants.role} may insert {target.column}"
            new = {**profile, target.column: value}
            yield Attack(about, grants.role, newcomer, None, new, frozenset({target.column}), writable)
    elif profile[target.column] in target.values:
        about = f"{grants.role} may insert a profile, and its {target.column} is {profile[target.column]!r} by default"
        yield Attack(about, grants.role, newcomer, None, profile, frozenset({target.column}), writable)
