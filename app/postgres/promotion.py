"""Whether users could make themselves admins: by writing the column of their profile that does."""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from app.contract.guards import may_guard
from app.contract.model import ANONYMOUS, AUTHENTICATED
from app.contract.observed import Grants, Observation, Promotion, Relation
from app.postgres.attacks import UPDATE, Attack, Target, inserts, updates
from app.postgres.documents import made_up
from app.postgres.faults import IN_THE_WAY
from app.postgres.people import People, anonymous_claims, user_claims, with_second_factor
from app.postgres.policies import Claims, Conditions, PolicyReader
from app.postgres.rehearsal import ObstacleError, Rehearsal
from app.postgres.statements import statement
from app.settings import Settings

ROLES = (AUTHENTICATED, ANONYMOUS)
# The column's type, or a domain's, does not have the value: nobody can write it.
NO_SUCH_VALUE = (asyncpg.InvalidTextRepresentationError, asyncpg.CheckViolationError)


@dataclass(frozen=True, slots=True)
class Rules:
    """What stands between a writer and a row: policies and CHECKs; the defaults of what is not written; and the columns
    that must be.
    """

    conditions: Conditions
    checks: tuple[str, ...]
    defaults: Mapping[str, str]
    required: frozenset[str]


class PromotionProbe:
    """Puts the rows that a user would write to the policies of the profile table."""

    def __init__(self, settings: Settings, *, invent: Callable[[], uuid.UUID] = uuid.uuid4) -> None:
        self._schema = settings.database_schema
        self._table = settings.admin_profile_table
        self._column = settings.admin_profile_column
        self._values = settings.admin_values
        self._policies = PolicyReader(settings.database_schema)
        self._invent = invent

    async def probe(self, rehearsal: Rehearsal, observation: Observation, people: People) -> Promotion | None:
        """None where profiles make no admins: no table of that name, or without the column."""
        relation = observation.catalogue.relation(self._table) if self._table else None
        if relation is None or relation.column(self._column) is None or relation.column("id") is None:
            return None
        writers = [grants for grants in map(relation.granted, ROLES) if grants.insertable or grants.updatable]
        if not any(self._could_be(grants) for grants in writers):
            return Promotion()
        try:
            return await self._promotion(rehearsal, relation, people, writers)
        except IN_THE_WAY:
            return Promotion(obstacle="the table is locked, or a policy takes too long")
        except ObstacleError as obstacle:
            return Promotion(obstacle=str(obstacle))
        except asyncpg.PostgresError as error:
            return Promotion(obstacle=f"a policy or a default raised {error.sqlstate}")

    def _could_be(self, grants: Grants) -> bool:
        return bool(grants.insertable) or not {self._column, "id"}.isdisjoint(grants.updatable)

    async def _promotion(
        self, rehearsal: Rehearsal, relation: Relation, people: People, writers: list[Grants]
    ) -> Promotion:
        rules, target = await self._rules(rehearsal, relation), self._target(relation, people)
        ways: list[Attack] = []
        doubts: list[str] = []
        for attack in await self._attacks(rehearsal, rules, target, writers):
            try:
                succeeds = await self._succeeds(rehearsal, rules, attack, guessed=not people.users)
            except IN_THE_WAY:
                raise
            except asyncpg.PostgresError as error:
                doubts.append(f"a policy raised {error.sqlstate}")
                continue
            if succeeds:
                ways.append(attack)
            elif succeeds is None:
                doubts.append(f"whether {attack.about} depends on what else is in the row")
        if people.obstacle is not None:
            doubts.append(people.obstacle)
        sources = await self._sources(rehearsal, relation) if ways and relation.guards else {}
        guarded = [(way, self._guard(relation, way, sources)) for way in ways]
        open_ways = [way for way, guard in guarded if guard is None]
        if open_ways:
            return Promotion(tuple(dict.fromkeys(way.about for way in open_ways)))
        if ways:
            doubts = [f"what the trigger {guarded[0][1]} lets through cannot be told"]
        return Promotion(obstacle=doubts[0] if doubts else None)

    async def _attacks(self, rehearsal: Rehearsal, rules: Rules, target: Target, writers: list[Grants]) -> list[Attack]:
        relation = rules.conditions.relation
        attacks: list[Attack] = []
        for grants in writers:
            newcomer = self._invent()
            attacks += updates(target, grants, str(target.users[0]["id"]), newcomer)
            if grants.insertable and rules.required.issubset(grants.insertable):
                named = rules.conditions.named(grants.role, "a")
                wanted = {self._column, "id", *(named or (column.name for column in relation.columns))}
                missing = sorted(wanted.difference(grants.insertable))
                who = (grants.role, _claims(grants.role, newcomer))
                attacks += inserts(target, grants, newcomer, await self._defaults(rehearsal, rules, who, missing))
        return attacks

    async def _succeeds(self, rehearsal: Rehearsal, rules: Rules, attack: Attack, *, guessed: bool) -> bool | None:
        """Whether the row can be written; None where that hangs on columns that the writer, or chance, may fill.

        A null stands for any value there: where the condition stays false beside it, no value would make it true.
        """
        relation, who = rules.conditions.relation, (attack.role, _claims(attack.role, attack.user))
        checks = " and ".join(f"({check}) is not false" for check in rules.checks) or "true"
        try:
            ((allowed,),) = await self._policies.decide(rehearsal, who, relation, [checks], [attack.new])
        except NO_SUCH_VALUE:
            if guessed:
                raise
            return False
        if not allowed:
            return False
        using, check = rules.conditions.write(attack.role, attack.command)
        named = rules.conditions.named(attack.role, attack.command)
        others = {column.name for column in relation.columns} if named is None else set(named)
        others -= {self._column, "id", *attack.writes}
        if not guessed:
            others &= attack.free
        after = [attack.new, *({**attack.new, name: None} for name in sorted(others))]
        before = [] if attack.old is None else [attack.old]
        if before and guessed:
            before += [{**before[0], name: None} for name in sorted(others)]
        results = await self._policies.decide(rehearsal, who, relation, [using, check], [*before, *after])
        may_begin = _any(result[0] for result in results[: len(before)]) if before else True
        may_end = _any(result[1] for result in results[len(before) :])
        return False if False in (may_begin, may_end) else may_begin and may_end

    async def _rules(self, rehearsal: Rehearsal, relation: Relation) -> Rules:
        async with rehearsal.as_role(None) as connection:
            conditions = await self._policies.read(connection, relation)
            row = await connection.fetchrow(statement("row_rules"), self._schema, relation.name)
        if row is None:
            raise ObstacleError("the table changed meanwhile")
        return Rules(conditions, tuple(row["checks"]), json.loads(row["defaults"]), frozenset(row["required"]))

    async def _defaults(
        self, rehearsal: Rehearsal, rules: Rules, who: tuple[str, Claims], columns: list[str]
    ) -> dict[str, str | None]:
        """What columns hold for somebody who does not write them, as text."""
        if not columns:
            return {}
        written = ", ".join(f"({rules.defaults.get(column, 'null')})::text" for column in columns)
        row = await rehearsal.ask(*who, statement("default_values", condition=written))
        return dict(zip(columns, row["values"], strict=True))

    def _target(self, relation: Relation, people: People) -> Target:
        """Real profiles, or one that is made up."""
        someone = made_up(relation, [column.name for column in relation.columns], self._invent())
        users = [user.document for user in people.users] or [{**someone, "id": str(self._invent())}]
        admin = {**users[0], "id": str(self._invent()), self._column: self._values[0]}
        return Target(self._column, self._values, users, people.admins[0].document if people.admins else admin)

    async def _sources(self, rehearsal: Rehearsal, relation: Relation) -> dict[str, asyncpg.Record]:
        async with rehearsal.as_role(None) as connection:
            rows = await connection.fetch(statement("trigger_sources"), self._schema, relation.name)
        return {row["name"]: row for row in rows}

    def _guard(self, relation: Relation, attack: Attack, sources: Mapping[str, asyncpg.Record]) -> str | None:
        """A trigger that may stop it. One that was not read may."""
        for guard in relation.guards:
            fires = attack.command != UPDATE or not guard.columns or not attack.writes.isdisjoint(guard.columns)
            if attack.command not in guard.commands or not fires:
                continue
            source = sources.get(guard.name)
            if source is None or any(
                may_guard(source["source"], language=source["language"], column=column, before=source["before"])
                for column in attack.writes
            ):
                return guard.name
        return None


def _claims(role: str, user: uuid.UUID | str) -> dict[str, Any]:
    return with_second_factor(user_claims(user)) if role == AUTHENTICATED else anonymous_claims()


def _any(results: Iterable[bool | None]) -> bool | None:
    """As SQL has OR: null where none is true and one is not known."""
    found = set(results)
    return True if True in found else None if None in found else False
