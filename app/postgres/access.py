"""Who sees what: callers of the platform's API, tried on a few rows, or on a row that need not exist."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from app.contract.model import ANONYMOUS, Contract, SelectPolicy, Table
from app.contract.observed import Access, Caller, Observation, Relation, Sight
from app.postgres.faults import IN_THE_WAY
from app.postgres.people import People, admin_claims, anonymous_claims, user_claims
from app.postgres.policies import PolicyReader
from app.postgres.rehearsal import ObstacleError, Rehearsal, RoleChangedError, refusal
from app.postgres.statements import statement
from app.settings import Settings

OWN_ROWS, FOREIGN_ROWS = 3, 12


@dataclass(frozen=True, slots=True)
class Row:
    """A sampled row: its keys, and its owner, None where it has none."""

    key: Any
    second_key: Any
    owner: uuid.UUID | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One caller to try: as which role, with which claims, on which rows."""

    caller: Caller
    role: str
    claims: dict[str, Any]
    rows: tuple[Row, ...]
    obstacle: str | None = None


class AccessProbe:
    """Tries every caller on every table whose policy the contract states."""

    def __init__(
        self,
        settings: Settings,
        contract: Contract,
        *,
        invent: Callable[[], uuid.UUID] = uuid.uuid4,
    ) -> None:
        self._settings = settings
        self._tables = [(table, table.select_policy) for table in contract.tables if table.select_policy is not None]
        self._documented_keys = {table.name: table.primary_key[0] for table, _ in self._tables}
        self._policies = PolicyReader(settings.database_schema)
        self._invent = invent

    async def probe(self, rehearsal: Rehearsal, observation: Observation, people: People) -> tuple[Access, ...]:
        """One result for each such table that exists with its key and its owner's column."""
        results = []
        for table, policy in self._tables:
            relation = observation.catalogue.relation(table.name)
            if relation is None or relation.column(policy.owner_column) is None or not relation.primary_key:
                continue
            results.append(await self._table(rehearsal, table, policy, relation, people))
        return tuple(results)

    async def _table(
        self, rehearsal: Rehearsal, table: Table, policy: SelectPolicy, relation: Relation, people: People
    ) -> Access:
        try:
            rows = await self._sample(rehearsal, policy, relation)
            admins = await people.admins_among(rehearsal, {row.owner for row in rows if row.owner is not None})
        except IN_THE_WAY:
            return _nothing(table, "the table is locked, or reading a sample takes too long")
        except (ObstacleError, asyncpg.InsufficientPrivilegeError):
            # A finding of its own elsewhere. What policies decide can still be asked of a row that need not exist.
            rows, admins = [], frozenset()
        except asyncpg.PostgresError as error:
            return _nothing(table, f"a sample could not be read ({error.sqlstate})")
        owners = [row.owner for row in rows if row.owner is not None and row.owner not in admins]
        owner = owners[0] if owners else people.user or self._invent()
        sights: list[Sight] = []
        obstacle: str | None = None
        for attempt in self._attempts(owner, tuple(rows) if owners else (), people, policy.role):
            if obstacle is not None or attempt.obstacle is not None:
                sights.append(Sight(attempt.caller, obstacle=obstacle or attempt.obstacle))
                continue
            sight = await self._sight(rehearsal, relation, policy, owner, attempt)
            sights.append(sight)
            obstacle = sight.obstacle if sight.final else None
        return Access(table.name, tuple(sights), synthetic=not owners)

    async def _sample(self, rehearsal: Rehearsal, policy: SelectPolicy, relation: Relation) -> list[Row]:
        """By the key of the contract and, on a partitioned table, that of its partitions."""
        query = statement("tick_sample", {**self._keys(relation), "owner": policy.owner_column})
        async with rehearsal.as_role(self._settings.reading_role):
            found = await rehearsal.connection.fetch(query)
        return [Row(row["key"], row["second_key"], row["owner"]) for row in found]

    def _keys(self, relation: Relation) -> dict[str, str]:
        """The contract's key tells rows apart; on a partitioned table, what leads the real key finds them."""
        leading = relation.primary_key[0]
        documented = self._documented_keys[relation.name]
        return {
            "schema": self._settings.database_schema,
            "table": relation.name,
            "leading": leading,
            "key": documented if documented in relation.primary_key else leading,
            "second_key": leading,
        }

    def _attempts(self, owner: uuid.UUID, rows: Sequence[Row], people: People, role: str) -> Iterable[Attempt]:
        """Claims look like Supabase's, so that policies on claims work, too."""
        own = tuple(row for row in rows if row.owner == owner)[:OWN_ROWS]
        some = tuple(rows[:FOREIGN_ROWS])
        invented = self._invent()
        yield Attempt(Caller.OWNER, role, user_claims(owner), own)
        other = people.user_beside(owner)
        if people.obstacle is not None:
            yield Attempt(Caller.OTHER, role, user_claims(invented), some, people.obstacle)
        elif other is not None:
            not_theirs = tuple(row for row in rows if row.owner != other)[:FOREIGN_ROWS]
            yield Attempt(Caller.OTHER, role, user_claims(other), not_theirs)
        yield Attempt(Caller.INVENTED, role, user_claims(invented), some)
        if people.used:
            obstacle = people.obstacle or (None if people.admin is not None else "no profile is an admin's")
            yield Attempt(Caller.ADMIN_BY_PROFILE, role, user_claims(people.admin or invented), some, obstacle)
        yield Attempt(Caller.ADMIN_BY_CLAIM, role, admin_claims(self._invent(), self._settings), some)
        yield Attempt(Caller.ANONYMOUS, ANONYMOUS, anonymous_claims(), some)

    async def _sight(
        self, rehearsal: Rehearsal, relation: Relation, policy: SelectPolicy, owner: uuid.UUID, attempt: Attempt
    ) -> Sight:
        caller, tried = attempt.caller, len(attempt.rows) or 1
        granted = "SELECT" in relation.granted(attempt.role).privileges
        try:
            if attempt.rows:
                return await self._on_rows(rehearsal, relation, attempt)
            return await self._on_synthetic_row(rehearsal, relation, policy, owner, attempt)
        except IN_THE_WAY:
            return Sight(caller, obstacle="the table is locked, or a policy takes too long", final=True)
        except RoleChangedError as error:
            return Sight(caller, obstacle=str(error), final=True)
        except ObstacleError as error:
            return Sight(caller, obstacle=str(error))
        except asyncpg.PostgresError as error:
            table_denied = isinstance(error, asyncpg.InsufficientPrivilegeError) and not granted
            return Sight(caller, tried=tried, refusal=refusal(error), table_denied=table_denied)

    async def _on_rows(self, rehearsal: Rehearsal, relation: Relation, attempt: Attempt) -> Sight:
        query = statement("visible_ticks", self._keys(relation))
        keys = [row.key for row in attempt.rows]
        second_keys = [row.second_key for row in attempt.rows]
        async with rehearsal.as_role(attempt.role, attempt.claims):
            visible = await rehearsal.connection.fetchval(query, keys, second_keys)
        return Sight(attempt.caller, visible=visible, tried=len(attempt.rows))

    async def _on_synthetic_row(
        self, rehearsal: Rehearsal, relation: Relation, policy: SelectPolicy, owner: uuid.UUID, attempt: Attempt
    ) -> Sight:
        """An empty table raises what its policies raise when they are planned; what they decide is asked of a row."""
        async with rehearsal.as_role(None):
            condition = await self._policies.select_condition(rehearsal, relation, attempt.role)
        row = {policy.owner_column: str(owner)}
        async with rehearsal.as_role(attempt.role, attempt.claims):
            await rehearsal.connection.fetchval(statement("visible_ticks", self._keys(relation)), [], [])
            visible = await self._policies.decide(rehearsal, relation, condition, row)
        return Sight(attempt.caller, visible=int(visible), tried=1)


def _nothing(table: Table, obstacle: str) -> Access:
    return Access(table.name, tuple(Sight(caller, obstacle=obstacle) for caller in Caller))
