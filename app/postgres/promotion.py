"""Whether users could make themselves admins: by writing the column of their profile that does."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg

from app.contract.model import ANONYMOUS, AUTHENTICATED
from app.contract.observed import Observation, Promotion, Relation
from app.postgres.faults import IN_THE_WAY
from app.postgres.people import People, anonymous_claims, user_claims
from app.postgres.policies import PolicyReader
from app.postgres.rehearsal import ObstacleError, Rehearsal
from app.settings import Settings

ROLES = (AUTHENTICATED, ANONYMOUS)


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, as which role, by which command: w updates, a inserts."""

    role: str
    command: str
    user: uuid.UUID


class PromotionProbe:
    """Puts the row that a user would write to the policies of the profile table."""

    def __init__(self, settings: Settings, *, invent: Callable[[], uuid.UUID] = uuid.uuid4) -> None:
        self._table = settings.admin_profile_table
        self._column = settings.admin_profile_column
        self._value = settings.admin_values[0]
        self._policies = PolicyReader(settings.database_schema)
        self._invent = invent

    async def probe(self, rehearsal: Rehearsal, observation: Observation, people: People) -> Promotion | None:
        """None where profiles make no admins: no table of that name, or without the column."""
        relation = observation.catalogue.relation(self._table) if self._table else None
        if relation is None or relation.column(self._column) is None:
            return None
        try:
            ways = [way for role in ROLES for way in await self._ways(rehearsal, relation, people, role)]
        except IN_THE_WAY:
            return Promotion(obstacle="the table is locked, or a policy takes too long")
        except ObstacleError as obstacle:
            return Promotion(obstacle=str(obstacle))
        except asyncpg.PostgresError as error:
            return Promotion(obstacle=f"a policy raised {error.sqlstate}")
        if ways and relation.guards:
            return Promotion(obstacle=f"what the trigger {relation.guards[0]} lets through cannot be told")
        return Promotion(tuple(ways))

    async def _ways(self, rehearsal: Rehearsal, relation: Relation, people: People, role: str) -> list[str]:
        user, newcomer = people.user or self._invent(), self._invent()
        profile: dict[str, Any] = json.loads(people.profile.document) if people.profile else {"id": str(user)}
        grants, ways = relation.granted(role), []
        if self._column in grants.updatable:
            writer = Writer(role, "w", user)
            if await self._allowed(rehearsal, relation, writer, profile):
                ways.append(f"{role} may update {self._column}")
        if self._column in grants.insertable:
            writer = Writer(role, "a", newcomer)
            if await self._allowed(rehearsal, relation, writer, {"id": str(newcomer)}):
                ways.append(f"{role} may insert {self._column}")
        return ways

    async def _allowed(self, rehearsal: Rehearsal, relation: Relation, writer: Writer, profile: dict[str, Any]) -> bool:
        async with rehearsal.as_role(None):
            using, check = await self._policies.write_conditions(rehearsal, relation, writer.role, writer.command)
        claims = user_claims(writer.user) if writer.role == AUTHENTICATED else anonymous_claims()
        promoted = {**profile, self._column: self._value}
        async with rehearsal.as_role(writer.role, claims):
            if writer.command == "w" and not await self._policies.decide(rehearsal, relation, using, profile):
                return False
            return await self._policies.decide(rehearsal, relation, check, promoted)
