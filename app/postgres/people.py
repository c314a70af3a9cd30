"""The users a caller can be: real ones, found by their profiles, and the claims that Supabase would give them."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import asyncpg

from app.contract.model import ANONYMOUS, AUTHENTICATED
from app.postgres.faults import IN_THE_WAY
from app.postgres.pool import Connection
from app.postgres.profiles import NO_SUCH_PROFILE
from app.postgres.rehearsal import ObstacleError, Rehearsal
from app.postgres.statements import statement
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Profile:
    """A row of the profile table: its id, and all of it as a JSON document."""

    id: uuid.UUID
    document: str


class People:
    """Some users of one platform; `load` finds them.

    `used` is whether profiles can make admins at all; `obstacle` is why they could not be read, `admin_obstacle` why an
    admin could not be looked for. Each is None where nothing was in the way.
    """

    def __init__(self, settings: Settings) -> None:
        self._role = settings.reading_role
        self._values = list(settings.admin_values)
        self._identifiers = {
            "schema": settings.database_schema,
            "profile_table": settings.admin_profile_table,
            "profile_column": settings.admin_profile_column,
        }
        self.used = settings.profile_table is not None
        self.obstacle: str | None = None
        self.admin_obstacle: str | None = None
        self._users: tuple[Profile, ...] = ()
        self._admin: Profile | None = None

    async def load(self, rehearsal: Rehearsal) -> None:
        """Two users who are no admins, and an admin. What cannot be read stays unknown, and `obstacle` says why."""
        if not self.used:
            return
        try:
            async with rehearsal.as_role(self._role, row_security=False) as connection:
                self._users = await self._some_users(connection)
                # Last, for where hardly anybody is an admin it reads all profiles, or runs out of time.
                self._admin = await self._profile(connection, admin=True)
        except NO_SUCH_PROFILE:
            self.used = False
        except IN_THE_WAY:
            self._obstruct("the profiles could not be read in time")
        except ObstacleError as obstacle:
            # The role was refused, or has changed on the way: nothing that was found counts.
            self._users, self._admin = (), None
            self._obstruct(str(obstacle))
        except asyncpg.PostgresError as error:
            self._obstruct(f"the profiles could not be read ({error.sqlstate})")

    async def admins_among(self, rehearsal: Rehearsal, users: Iterable[uuid.UUID]) -> frozenset[uuid.UUID]:
        """Those of some users who are admins by their profile."""
        if not self.used or self.obstacle is not None:
            return frozenset()
        query = statement("admins_among", self._identifiers)
        async with rehearsal.as_role(self._role, row_security=False):
            return frozenset(row["id"] for row in await rehearsal.connection.fetch(query, list(users), self._values))

    @property
    def user(self) -> uuid.UUID | None:
        return self._users[0].id if self._users else None

    @property
    def profile(self) -> Profile | None:
        """The profile of a user who is no admin."""
        return self._users[0] if self._users else None

    @property
    def admin(self) -> uuid.UUID | None:
        return self._admin.id if self._admin is not None else None

    def user_beside(self, user: uuid.UUID) -> uuid.UUID | None:
        """Another user who is no admin."""
        return next((other.id for other in self._users if other.id != user), None)

    async def _some_users(self, connection: Connection) -> tuple[Profile, ...]:
        first = await self._profile(connection, admin=False)
        second = await self._profile(connection, admin=False, beside=(first.id,)) if first else None
        return tuple(user for user in (first, second) if user is not None)

    async def _profile(
        self, connection: Connection, *, admin: bool, beside: tuple[uuid.UUID, ...] = ()
    ) -> Profile | None:
        query = statement("some_profile", self._identifiers)
        row = await connection.fetchrow(query, self._values, admin, list(beside))
        return Profile(row["id"], row["document"]) if row is not None else None

    def _obstruct(self, reason: str) -> None:
        """Users that were found before it are as good as ever."""
        self.admin_obstacle = reason
        self.obstacle = None if self._users else reason


def user_claims(user: uuid.UUID) -> dict[str, Any]:
    """As Supabase issues them to a signed-in user."""
    return {
        "sub": str(user),
        "role": AUTHENTICATED,
        "aud": AUTHENTICATED,
        "email": f"{user}@example.invalid",
        "phone": "",
        "aal": "aal1",
        "session_id": str(user),
        "is_anonymous": False,
        "app_metadata": {"provider": "email", "providers": ["email"]},
        "user_metadata": {},
    }


def admin_claims(user: uuid.UUID, settings: Settings) -> dict[str, Any]:
    """The same for an admin by claim: the first accepted value at the configured place."""
    claims = user_claims(user)
    place, *path = reversed(settings.admin_claim.split("."))
    value: Any = {place: settings.admin_values[0]}
    for name in path:
        value = {name: value}
    for name, part in value.items():
        known = claims.get(name)
        claims[name] = {**known, **part} if isinstance(known, dict) and isinstance(part, dict) else part
    return claims


def anonymous_claims() -> dict[str, Any]:
    return {"role": ANONYMOUS}
