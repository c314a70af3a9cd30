"""Who is tried on a table: callers of the platform's API, with the claims that Supabase would give them."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from app.contract.model import ANONYMOUS
from app.contract.observed import Caller
from app.postgres.people import People, admin_claims, anonymous_claims, user_claims, with_second_factor
from app.postgres.policies import Who
from app.postgres.samples import Row, Sample, spread
from app.settings import Settings

STRANGERS = frozenset({Caller.OTHER, Caller.INVENTED, Caller.ANONYMOUS})
# Of each, one who reads everything is enough.
READERS = ((Caller.OWNER,), (Caller.ADMIN_BY_PROFILE, Caller.ADMIN_BY_CLAIM))


Key: TypeAlias = tuple[Caller, str]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One caller to try: as which role, with which claims, on which rows; on documents, where there are none."""

    caller: Caller
    role: str
    claims: Mapping[str, Any]
    rows: tuple[Row, ...]
    obstacle: str | None = None

    @property
    def key(self) -> Key:
        """Tells it from the same caller's with a second factor."""
        return self.caller, str(self.claims.get("aal"))

    @property
    def who(self) -> Who:
        return self.role, self.claims


def attempts(
    sample: Sample, people: People, role: str, settings: Settings, invent: Callable[[], uuid.UUID]
) -> Iterator[Attempt]:
    """Strangers come with a second factor: what it takes to see a row, a stranger may have as well."""
    invented, some = invent(), spread(sample.rows)
    yield Attempt(Caller.OWNER, role, user_claims(sample.owner), spread(sample.owned))
    other = people.user_beside(sample.owner) or sample.other_owner
    if people.obstacle is not None:
        yield Attempt(Caller.OTHER, role, user_claims(invented), some, people.obstacle)
    elif other is not None:
        not_theirs = tuple(row for row in sample.rows if row.owner != other)
        yield Attempt(Caller.OTHER, role, with_second_factor(user_claims(other)), spread(not_theirs))
    yield Attempt(Caller.INVENTED, role, with_second_factor(user_claims(invented)), some)
    if people.used:
        obstacle = people.admin_obstacle or (None if people.admin is not None else "no profile is an admin's")
        yield Attempt(Caller.ADMIN_BY_PROFILE, role, user_claims(people.admin or invented), some, obstacle)
    yield Attempt(Caller.ADMIN_BY_CLAIM, role, admin_claims(invent(), settings), some)
    yield Attempt(Caller.ANONYMOUS, ANONYMOUS, anonymous_claims(), some)
