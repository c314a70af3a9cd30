"""The users a caller can be: real ones, found by their profiles, and the claims that Supabase would give them."""

import json
import uuid
from collections.abc import Iterable, Mapping
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
    document: dict[str, Any]


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
        self.users: tuple[Profile, ...] = ()
        self.admins: tuple[Profile, ...] = ()

    async def load(self, rehearsal: Rehearsal) -> None:
        """Two users who are no admins, and an admin. What cannot be read stays unknown, and `obstacle` says why."""
        if not self.used:
            return
        try:
            async with rehearsal.as_role(self._role, row_security=False) as connection:
                self.users = await self._some(connection, admins=False, most=2)
                # Last, for where hardly anybody is an admin it reads all profiles, or runs out of time.
                self.admins = await self._some(connection, admins=True, most=1)
        except NO_SUCH_PROFILE:
            self.used = False
        except IN_THE_WAY:
            self._obstruct("the profiles could not be read in time")
        except ObstacleError as obstacle:
            # The role was refused, or has changed on the way: nothing that was found counts.
            self.users, self.admins = (), ()
            self._obstruct(str(obstacle))
        except asyncpg.PostgresError as error:
            self._obstruct(f"the profiles could not be read ({error.sqlstate})")

    async def admins_among(self, connection: Connection, users: Iterable[uuid.UUID]) -> frozenset[uuid.UUID]:
        """Those of some users who are admins by their profile, asked as the reading role that the connection has."""
        wanted = sorted(map(str, users))
        if not self.used or self.obstacle is not None or not wanted:
            return frozenset()
        rows = await connection.fetch(statement("admins_among", self._identifiers), wanted, self._values)
        return frozenset(row["id"] for row in rows)

    @property
    def user(self) -> uuid.UUID | None:
        return self.users[0].id if self.users else None

    @property
    def admin(self) -> uuid.UUID | None:
        return self.admins[0].id if self.admins else None

    def user_beside(self, user: uuid.UUID) -> uuid.UUID | None:
        """Another user who is no admin."""
        return next((other.id for other in self.users if other.id != user), None)

    async def _some(self, connection: Connection, *, admins: bool, most: int) -> tuple[Profile, ...]:
        query = statement("some_profiles", self._identifiers)
        rows = await connection.fetch(query, self._values, admins, most)
        return tuple(Profile(row["id"], json.loads(row["document"])) for row in rows)

    def _obstruct(self, reason: str) -> None:
        """Users that were found before it are as good as ever."""
        self.admin_obstacle = reason
        self.obstacle = None if self.users else reason


def user_claims(user: uuid.UUID | str) -> dict[str, Any]:
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


def with_second_factor(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The same once the user has given a second factor (Supabase Auth, "Multi-Factor Authentication")."""
    if claims.get("role") != AUTHENTICATED:
        return dict(claims)
    return {**claims, "aal": "aal2", "amr": [{"method": "totp"}, {"method": "password"}]}


def anonymous_claims() -> dict[str, Any]:
    return {"role": ANONYMOUS}
