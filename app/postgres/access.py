"""Who sees what: callers of the platform's API, tried on a few rows, or on a row that need not exist."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import TypeAlias

import asyncpg
import msgspec

from app.contract.model import Contract, Table
from app.contract.observed import Access, Caller, Observation, Proposal
from app.contract.surroundings import Leak, Trial
from app.postgres.callers import READERS, STRANGERS, Attempt, Key, attempts
from app.postgres.faults import IN_THE_WAY
from app.postgres.people import People, with_second_factor
from app.postgres.policies import PolicyReader
from app.postgres.rehearsal import ObstacleError, Rehearsal, tasks
from app.postgres.samples import Sampler
from app.postgres.sights import Look, Scene, Viewer
from app.settings import Settings

# Callers are tried on so many connections at the same time.
LANES = 2
Rehearsals: TypeAlias = Callable[[], AbstractAsyncContextManager[Rehearsal]]


@dataclass(frozen=True, slots=True)
class Supposed:
    """What callers would see, which policies by themselves show a stranger a row, and what proposals would change."""

    policies: tuple[Access, ...] = ()
    leaks: tuple[Leak, ...] = ()
    trials: tuple[Trial, ...] = ()


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
        self._policies = PolicyReader(settings.database_schema)
        self._sampler = Sampler(settings, contract, invent)
        self._viewer = Viewer(self._sampler, self._policies)
        self._invent = invent

    async def probe(self, rehearsals: Rehearsals, observation: Observation, people: People) -> tuple[Access, ...]:
        """One result for each such table that exists with its key and its owner's column."""
        return tuple([await self._tried(rehearsals, observation, scene, people) for scene in self._there(observation)])

    async def suppose(
        self, rehearsal: Rehearsal, observation: Observation, people: People, proposals: Sequence[Proposal] = ()
    ) -> Supposed:
        """The same as if row security were on and everybody had been granted SELECT: by the policies that there are, by
        each of them alone, and by all of them and one proposal. Whatever a condition raises is in the callers' sights.
        """
        supposed = Supposed()
        for there in self._there(observation):
            secured = replace(there, relation=msgspec.structs.replace(there.relation, row_security=True), supposed=True)
            scene = await self._with_documents(
                rehearsal, observation, await self._sampled(rehearsal, secured, people), people
            )
            sample = replace(scene.sample, rows=())
            waiting = tuple(attempts(sample, people, scene.policy.role, self._settings, self._invent))
            scene = await self._foreseen(rehearsal, scene, waiting, proposals)
            looks = await self._looks(rehearsal, scene, waiting)
            if _missing(looks):
                looks = await self._settled(rehearsal, scene, looks)
            strangers = [look.attempt for look in looks if look.attempt.caller in STRANGERS and look.sight.visible]
            leaks = [leak for attempt in strangers for leak in await self._leaks(rehearsal, scene, attempt)]
            trials = [
                Trial(found, _access(scene.table, await self._looks(rehearsal, replace(scene, beside=found), waiting)))
                for found in proposals
                if found.table == scene.table.name
            ]
            supposed = Supposed(
                (*supposed.policies, _access(scene.table, looks)),
                (*supposed.leaks, *leaks),
                (*supposed.trials, *trials),
            )
        return supposed

    def _there(self, observation: Observation) -> Iterable[Scene]:
        for table, policy in self._tables:
            relation = observation.catalogue.relation(table.name)
            if relation is not None and relation.column(policy.owner_column) is not None and relation.primary_key:
                yield Scene(table, policy, relation)

    async def _tried(self, rehearsals: Rehearsals, observation: Observation, there: Scene, people: People) -> Access:
        async with rehearsals() as rehearsal:
            scene = await self._sampled(rehearsal, there, people)
            if self._needs_documents(scene):
                scene = await self._with_documents(rehearsal, observation, scene, people)
        waiting = attempts(scene.sample, people, scene.policy.role, self._settings, self._invent)
        looks: list[Look] = []

        async def lane() -> None:
            async with rehearsals() as rehearsal:
                await self._work(rehearsal, scene, waiting, looks)

        async with tasks() as group:
            for _ in range(LANES):
                group.create_task(lane())
        if _missing(looks):
            async with rehearsals() as rehearsal:
                looks = await self._settled(rehearsal, scene, looks)
        return _access(scene.table, looks)

    async def _sampled(self, rehearsal: Rehearsal, scene: Scene, people: People) -> Scene:
        return replace(scene, sample=await self._sampler.rows(rehearsal, scene.relation, scene.policy, people))

    def _needs_documents(self, scene: Scene) -> bool:
        """Where rows do not do: somebody has none, or no right to the keys they are found by; or what decides has few
        values, some of which may be rare, or looks at the whole row.
        """
        keys = self._sampler.keys(scene.relation)
        by_key = {keys["key"], keys["second_key"]}
        listed = {column.name for column in scene.table.columns if column.values}
        return (
            not scene.sample.owned
            or any(grants.selectable and not by_key <= set(grants.selectable) for grants in scene.relation.grants)
            or any(not found.columns or listed & set(found.columns) for found in scene.relation.policies)
        )

    async def _with_documents(
        self, rehearsal: Rehearsal, observation: Observation, scene: Scene, people: People
    ) -> Scene:
        try:
            async with rehearsal.as_role(None) as connection:
                conditions = await self._policies.read(connection, scene.relation)
        except (asyncpg.PostgresError, ObstacleError):
            # Locked, or changed meanwhile: whoever needs them says so.
            return scene
        sample = await self._sampler.with_documents(
            rehearsal, observation.catalogue, scene.relation, people, scene.sample
        )
        return replace(scene, conditions=conditions, sample=sample)

    async def _foreseen(
        self, rehearsal: Rehearsal, scene: Scene, waiting: Iterable[Attempt], proposals: Iterable[Proposal]
    ) -> Scene:
        """All that will be asked, asked at once of each caller. Where something raises, each is asked by itself."""
        if scene.conditions is None or not scene.sample.documents:
            return scene
        known: dict[Key, dict[str, list[bool | None]]] = {}
        for attempt in waiting:
            asked = [*scene.conditions.select(attempt.role), *_alone(scene, attempt.role).values()]
            asked += [text for one in proposals for text in scene.conditions.select(attempt.role, beside=one)]
            conditions = list(dict.fromkeys(asked))
            try:
                rows = await self._policies.decide(
                    rehearsal, attempt.who, scene.relation, conditions, scene.sample.imagined
                )
            except IN_THE_WAY:
                break
            except (asyncpg.PostgresError, ObstacleError):
                continue
            known[attempt.key] = dict(zip(conditions, map(list, zip(*rows, strict=True)), strict=True))
        return replace(scene, known=known)

    async def _looks(self, rehearsal: Rehearsal, scene: Scene, waiting: Iterable[Attempt]) -> list[Look]:
        """Everybody's, one after another."""
        looks: list[Look] = []
        await self._work(rehearsal, scene, iter(waiting), looks)
        return looks

    async def _work(self, rehearsal: Rehearsal, scene: Scene, waiting: Iterable[Attempt], looks: list[Look]) -> None:
        """Until something stands in everybody's way, on whichever connection it is met."""
        for attempt in waiting:
            obstacle = next((look.sight.obstacle for look in looks if look.sight.final), None)
            stopped = attempt if obstacle is None else replace(attempt, obstacle=obstacle)
            looks.append(await self._viewer.look(rehearsal, scene, stopped))

    async def _settled(self, rehearsal: Rehearsal, scene: Scene, looks: Sequence[Look]) -> list[Look]:
        """Before readers are said to miss a row: with a second factor, and of the rows that were not deleted since."""
        missing, again = _missing(looks), list[Look]()
        for look in missing:
            attempt = replace(look.attempt, claims=with_second_factor(look.attempt.claims))
            better = await self._viewer.look(rehearsal, scene, attempt)
            again.append(replace(better, sight=msgspec.structs.replace(better.sight, second_factor=True)))
        role = self._settings.reading_role
        try:
            existing = (
                await self._viewer.existing(rehearsal, scene, role, missing) if scene.sample.rows else frozenset()
            )
        except (asyncpg.PostgresError, ObstacleError):
            # The reading role lost its rights, or something is in the way: what was counted stands.
            existing = frozenset(row.identity for row in scene.sample.rows)
        complete = {
            look.attempt.caller: look for look in (look.among(existing) for look in again) if look.sight.complete
        }
        # A stranger who saw none of rows that are all gone has not been kept out.
        checked = [look.among(existing) if look in missing or not existing else look for look in looks]
        return [look if look.sight.complete else complete.get(look.attempt.caller, look) for look in checked]

    async def _leaks(self, rehearsal: Rehearsal, scene: Scene, attempt: Attempt) -> list[Leak]:
        """The policies that by themselves show a caller some row."""
        if scene.conditions is None or scene.relation.granted(attempt.role).bypasses_row_security:
            return []
        alone = _alone(scene, attempt.role)
        try:
            results = await self._viewer.decided(rehearsal, scene, attempt, list(alone.values()))
        except (asyncpg.PostgresError, ObstacleError):
            return []
        return [
            Leak(scene.table.name, name, attempt.caller)
            for name, *shown in zip(alone, *results, strict=True)
            if True in shown
        ]


def _alone(scene: Scene, role: str) -> dict[str, str]:
    """When each of the permissive policies by itself would show a row, by its name."""
    if scene.conditions is None:
        return {}
    policies = [one for one in scene.relation.policies if one.permissive and one.command in ("r", "*")]
    return {policy.name: scene.conditions.select_alone(role, policy.name) for policy in policies}


def _missing(looks: Iterable[Look]) -> list[Look]:
    """Readers who could be tried and did not see everything, where nobody of their kind did."""
    by_caller = {look.attempt.caller: look for look in looks}
    kinds = [[by_caller[caller] for caller in kind if caller in by_caller] for kind in READERS]
    return [
        look
        for kind in kinds
        if not any(look.sight.complete for look in kind)
        for look in kind
        if look.sight.obstacle is None and not look.sight.table_denied
    ]


def _access(table: Table, looks: Iterable[Look]) -> Access:
    order = {caller: position for position, caller in enumerate(Caller)}
    sights = sorted((look.sight for look in looks), key=lambda sight: order[sight.caller])
    return Access(table.name, tuple(sights), synthetic=all(sight.evaluated for sight in sights))
