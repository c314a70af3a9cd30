"""Who sees what: callers of the platform's API, tried on a few rows, or on a row that need not exist."""

import itertools
import json
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec

from app.contract.model import ANONYMOUS, Contract, SelectPolicy, Table
from app.contract.observed import Access, Caller, Observation, Proposal, Relation, Sight
from app.contract.surroundings import Leak
from app.postgres.faults import IN_THE_WAY
from app.postgres.people import People, admin_claims, anonymous_claims, user_claims
from app.postgres.policies import PolicyReader
from app.postgres.rehearsal import ObstacleError, Rehearsal, RoleChangedError, refusal
from app.postgres.statements import statement
from app.settings import Settings

OWN_ROWS, FOREIGN_ROWS = 3, 12
STRANGERS = frozenset({Caller.OTHER, Caller.INVENTED, Caller.ANONYMOUS})


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
        return tuple(
            [
                await self._table(rehearsal, table, policy, relation, people)
                for table, policy, relation in self._there(observation)
            ]
        )

    async def policies_alone(
        self, rehearsal: Rehearsal, observation: Observation, people: People
    ) -> tuple[tuple[Access, ...], tuple[Leak, ...]]:
        """The same as if row security were on and everybody had been granted SELECT; and of the permissive policies
        those that by themselves show a caller somebody else's row.
        """
        accesses: list[Access] = []
        leaks: list[Leak] = []
        for table, policy, relation in self._there(observation):
            secured = msgspec.structs.replace(relation, row_security=True)
            owner, rows = await self._owners_rows(rehearsal, policy, relation, people)

            async def look(attempt: Attempt, alone: str | None = None) -> int:
                return await self._decided(rehearsal, secured, attempt, rows, alone=alone)  # noqa: B023 - awaited here

            attempts = list(self._attempts(owner, (), people, policy.role))
            sights = await self._sights(secured, attempts, look, tried=len(rows))
            accesses.append(Access(table.name, sights, synthetic=True))
            shown = {sight.caller for sight in sights if sight.visible} & STRANGERS
            suspects = [one.name for one in relation.policies if one.permissive and one.command in ("r", "*")]
            for attempt, name in itertools.product(attempts, suspects):
                if attempt.caller in shown and (await self._sight(secured, attempt, look(attempt, name))).visible:
                    leaks.append(Leak(table.name, name, attempt.caller))
        return tuple(accesses), tuple(leaks)

    async def with_policy(
        self, rehearsal: Rehearsal, observation: Observation, people: People, proposal: Proposal
    ) -> Access | None:
        """What callers would see if a policy were added, under row security and granted SELECT; None without its table.

        Whatever its condition or the other policies raise is in the callers' sights.
        """
        for table, policy, relation in self._there(observation):
            if table.name != proposal.table:
                continue
            secured = msgspec.structs.replace(relation, row_security=True)
            owner, rows = await self._owners_rows(rehearsal, policy, relation, people)

            async def look(attempt: Attempt) -> int:
                return await self._decided(rehearsal, secured, attempt, rows, beside=proposal)  # noqa: B023 - awaited here

            attempts = self._attempts(owner, (), people, policy.role)
            sights = await self._sights(secured, attempts, look, tried=len(rows))
            return Access(table.name, sights, synthetic=True)
        return None

    async def _owners_rows(
        self, rehearsal: Rehearsal, policy: SelectPolicy, relation: Relation, people: People
    ) -> tuple[uuid.UUID, list[dict[str, Any]]]:
        """Some rows of one owner who is no admin, as they are in the table; a made-up one where there are none."""
        try:
            sample = await self._sample(rehearsal, policy, relation)
            admins = await people.admins_among(rehearsal, {row.owner for row in sample if row.owner is not None})
            owner = next((row.owner for row in sample if row.owner is not None and row.owner not in admins), None)
            keys = [row.key for row in sample if row.owner == owner][:OWN_ROWS]
            async with rehearsal.as_role(self._settings.reading_role):
                found = await rehearsal.connection.fetch(statement("tick_documents", self._keys(relation)), keys)
        except (asyncpg.PostgresError, ObstacleError):
            owner, found = None, []
        if owner is None or not found:
            owner = people.user or self._invent()
            return owner, [{policy.owner_column: str(owner)}]
        return owner, [json.loads(row["document"]) for row in found]

    def _there(self, observation: Observation) -> Iterable[tuple[Table, SelectPolicy, Relation]]:
        for table, policy in self._tables:
            relation = observation.catalogue.relation(table.name)
            if relation is not None and relation.column(policy.owner_column) is not None and relation.primary_key:
                yield table, policy, relation

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

        def look(attempt: Attempt) -> Coroutine[Any, Any, int]:
            if attempt.rows:
                return self._on_rows(rehearsal, relation, attempt)
            return self._on_synthetic_row(rehearsal, relation, attempt, {policy.owner_column: str(owner)})

        attempts = self._attempts(owner, tuple(rows) if owners else (), people, policy.role)
        return Access(table.name, await self._sights(relation, attempts, look), synthetic=not owners)

    async def _sample(self, rehearsal: Rehearsal, policy: SelectPolicy, relation: Relation) -> list[Row]:
        """By the key of the contract and, on a partitioned table, that of its partitions."""
        query = statement("tick_sample", {**self._keys(relation), "owner": policy.owner_column})
        async with rehearsal.as_role(self._settings.reading_role, row_security=False):
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
            obstacle = people.admin_obstacle or (None if people.admin is not None else "no profile is an admin's")
            yield Attempt(Caller.ADMIN_BY_PROFILE, role, user_claims(people.admin or invented), some, obstacle)
        yield Attempt(Caller.ADMIN_BY_CLAIM, role, admin_claims(self._invent(), self._settings), some)
        yield Attempt(Caller.ANONYMOUS, ANONYMOUS, anonymous_claims(), some)

    async def _sights(
        self,
        relation: Relation,
        attempts: Iterable[Attempt],
        look: Callable[[Attempt], Coroutine[Any, Any, int]],
        *,
        tried: int = 1,
    ) -> tuple[Sight, ...]:
        """Each caller's, until something stands in everybody's way. `tried` is how many rows where no attempt says."""
        sights: list[Sight] = []
        obstacle: str | None = None
        for attempt in attempts:
            if obstacle is not None or attempt.obstacle is not None:
                sights.append(Sight(attempt.caller, obstacle=obstacle or attempt.obstacle))
                continue
            sight = await self._sight(relation, attempt, look(attempt), tried)
            sights.append(sight)
            obstacle = sight.obstacle if sight.final else None
        return tuple(sights)

    async def _sight(
        self, relation: Relation, attempt: Attempt, seeing: Coroutine[Any, Any, int], tried: int = 1
    ) -> Sight:
        caller, tried = attempt.caller, len(attempt.rows) or tried
        granted = "SELECT" in relation.granted(attempt.role).privileges
        try:
            return Sight(caller, visible=await seeing, tried=tried)
        except IN_THE_WAY:
            return Sight(caller, obstacle="the table is locked, or a policy takes too long", final=True)
        except RoleChangedError as error:
            return Sight(caller, obstacle=str(error), final=True)
        except ObstacleError as error:
            return Sight(caller, obstacle=str(error))
        except asyncpg.PostgresError as error:
            table_denied = isinstance(error, asyncpg.InsufficientPrivilegeError) and not granted
            return Sight(caller, tried=tried, refusal=refusal(error), table_denied=table_denied)

    async def _on_rows(self, rehearsal: Rehearsal, relation: Relation, attempt: Attempt) -> int:
        query = statement("visible_ticks", self._keys(relation))
        keys = [row.key for row in attempt.rows]
        second_keys = [row.second_key for row in attempt.rows]
        async with rehearsal.as_role(attempt.role, attempt.claims):
            return int(await rehearsal.connection.fetchval(query, keys, second_keys))

    async def _on_synthetic_row(
        self, rehearsal: Rehearsal, relation: Relation, attempt: Attempt, owners_row: Mapping[str, str]
    ) -> int:
        """An empty table raises what its policies raise when they are planned; what they decide is asked of a row."""
        async with rehearsal.as_role(attempt.role, attempt.claims):
            await rehearsal.connection.fetchval(statement("visible_ticks", self._keys(relation)), [], [])
        return await self._decided(rehearsal, relation, attempt, [owners_row])

    async def _decided(  # noqa: PLR0913 - whom to try, on which rows, and by which of the policies
        self,
        rehearsal: Rehearsal,
        relation: Relation,
        attempt: Attempt,
        rows: Sequence[Mapping[str, Any]],
        *,
        alone: str | None = None,
        beside: Proposal | None = None,
    ) -> int:
        """How many of some rows the policies, or one of them alone, or all and one more beside them, would show."""
        async with rehearsal.as_role(None):
            condition = await self._policies.select_condition(
                rehearsal, relation, attempt.role, alone=alone, beside=beside
            )
        async with rehearsal.as_role(attempt.role, attempt.claims):
            return sum([await self._policies.decide(rehearsal, relation, condition, row) for row in rows])


def _nothing(table: Table, obstacle: str) -> Access:
    return Access(table.name, tuple(Sight(caller, obstacle=obstacle) for caller in Caller))
