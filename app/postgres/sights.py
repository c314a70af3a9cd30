"""How one caller is tried on a table: on its rows, or by putting its policies to documents."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import asyncpg
import msgspec

from app.contract.model import SelectPolicy, Table
from app.contract.observed import Proposal, Relation, Sight
from app.postgres.callers import STRANGERS, Attempt, Key
from app.postgres.documents import simplest
from app.postgres.faults import IN_THE_WAY
from app.postgres.policies import Conditions, PolicyReader, Who
from app.postgres.rehearsal import ObstacleError, Rehearsal, RoleChangedError, refusal
from app.postgres.samples import NOTHING, Row, Sample, Sampler
from app.postgres.statements import statement

DELETED = "the rows were deleted meanwhile"


@dataclass(frozen=True, slots=True)
class Scene:
    """A table and what callers are tried on. Where it is `supposed`, row security is on and everybody has been granted
    SELECT, whatever is so now; with `beside`, there is one policy more.
    """

    table: Table
    policy: SelectPolicy
    relation: Relation
    sample: Sample = NOTHING
    conditions: Conditions | None = None
    supposed: bool = False
    beside: Proposal | None = None
    known: Mapping[Key, Mapping[str, Sequence[bool | None]]] = field(default_factory=dict)
    """What conditions come to for each of the documents, where it was asked beforehand."""


@dataclass(frozen=True, slots=True)
class Look:
    """What came of an attempt, and which rows were seen."""

    attempt: Attempt
    sight: Sight
    seen: frozenset[tuple[str, str]] = frozenset()

    def among(self, existing: Collection[tuple[str, str]]) -> "Look":
        """The same of the rows alone that were still there afterwards."""
        if self.sight.evaluated or self.sight.obstacle is not None or self.sight.refusal is not None:
            return self
        there = {row.identity for row in self.attempt.rows} & (self.seen | set(existing))
        if not there:
            return replace(self, sight=Sight(self.attempt.caller, obstacle=DELETED))
        return replace(self, sight=msgspec.structs.replace(self.sight, tried=len(there)))


class Viewer:
    """Looks at a table as somebody else."""

    def __init__(self, sampler: Sampler, policies: PolicyReader) -> None:
        self._sampler = sampler
        self._policies = policies

    async def look(self, rehearsal: Rehearsal, scene: Scene, attempt: Attempt) -> Look:
        """What stands in the way, and what is raised, is a part of what came of it."""
        caller = attempt.caller
        if attempt.obstacle is not None or scene.sample.obstacle is not None:
            return Look(attempt, Sight(caller, obstacle=attempt.obstacle or scene.sample.obstacle))
        try:
            return await self._look(rehearsal, scene, attempt)
        except IN_THE_WAY:
            sight = Sight(caller, obstacle="the table is locked, or a policy takes too long", final=True)
        except RoleChangedError as error:
            sight = Sight(caller, obstacle=str(error), final=True)
        except ObstacleError as error:
            sight = Sight(caller, obstacle=str(error))
        except asyncpg.PostgresError as error:
            denied = isinstance(error, asyncpg.InsufficientPrivilegeError) and not scene.supposed
            sight = Sight(
                caller,
                tried=len(attempt.rows) or 1,
                refusal=refusal(error),
                table_denied=denied and not scene.relation.granted(attempt.role).selectable,
            )
        return Look(attempt, sight)

    async def existing(
        self, rehearsal: Rehearsal, scene: Scene, role: str | None, looks: Iterable[Look]
    ) -> frozenset[tuple[str, str]]:
        """Which of the rows that were tried are still there, by what a reading role sees."""
        rows = {row.identity: row for look in looks for row in look.attempt.rows}
        return await self._seen(rehearsal, scene, (role, None), list(rows.values()))

    async def _look(self, rehearsal: Rehearsal, scene: Scene, attempt: Attempt) -> Look:
        selectable = set(scene.relation.granted(attempt.role).selectable)
        keys = self._sampler.keys(scene.relation)
        # Without any grant the query itself says so. With one that leaves out the keys, no row can be found by them.
        by_key = not scene.supposed and (not selectable or selectable.issuperset((keys["key"], keys["second_key"])))
        seen = await self._seen(rehearsal, scene, attempt.who, attempt.rows) if by_key else frozenset()
        if not by_key or not attempt.rows:
            return Look(attempt, await self._on_documents(rehearsal, scene, attempt))
        expected = not seen if attempt.caller in STRANGERS else len(seen) == len(attempt.rows)
        surprises = await self._surprises(rehearsal, scene, attempt) if expected else ()
        return Look(attempt, Sight(attempt.caller, len(seen), len(attempt.rows), surprises=surprises), seen)

    async def _seen(
        self, rehearsal: Rehearsal, scene: Scene, who: Who, rows: Sequence[Row]
    ) -> frozenset[tuple[str, str]]:
        """Which of these rows are seen. Keys of two of them may together be those of a third, which was not asked for.
        Asked for no row at all, an empty table still raises what its policies raise when they are planned.
        """
        query = statement("visible_ticks", self._sampler.keys(scene.relation))
        found = await rehearsal.ask(*who, query, [row.key for row in rows], [row.second_key for row in rows])
        pairs = zip(found["keys"], found["second_keys"], strict=True)
        seen = frozenset((str(key), str(second_key)) for key, second_key in pairs)
        return seen & {row.identity for row in rows}

    async def _on_documents(self, rehearsal: Rehearsal, scene: Scene, attempt: Attempt) -> Sight:
        """A made-up row shows what its certain columns decide. Where others do, it proves that somebody sees a row,
        and never that they do not.
        """
        if not scene.sample.documents:
            raise ObstacleError(scene.sample.lacking or "the policies could not be read")
        shown = await self._shown(rehearsal, scene, attempt)
        sight = Sight(attempt.caller, sum(shown), len(shown), evaluated=True)
        doubtful = self._doubtful(scene, attempt.role)
        if doubtful and (sight.visible == 0 if attempt.caller in STRANGERS else not sight.complete):
            return Sight(attempt.caller, obstacle=f"there is no row to try, and a policy looks at {doubtful}")
        return sight

    async def _surprises(self, rehearsal: Rehearsal, scene: Scene, attempt: Attempt) -> tuple[str, ...]:
        """A value may be too rare for the sample. What is raised here alone, callers do not meet."""
        if scene.conditions is None or not scene.sample.variants:
            return ()
        try:
            shown = await self._shown(rehearsal, scene, attempt)
        except IN_THE_WAY:
            raise
        except asyncpg.PostgresError:
            return ()
        unwanted = attempt.caller in STRANGERS
        pairs = zip(scene.sample.variants, shown[len(scene.sample.documents) :], strict=True)
        return tuple(map(str, simplest(variant for variant, found in pairs if found is unwanted)))

    async def _shown(self, rehearsal: Rehearsal, scene: Scene, attempt: Attempt) -> list[bool]:
        """Which of the documents."""
        if scene.conditions is None:
            raise ObstacleError("the policies were not read")
        # Beside their sum each by itself: in which order Postgres asks them is open, and one that raises spoils all.
        conditions = scene.conditions.select(attempt.role, beside=scene.beside)
        results = await self.decided(rehearsal, scene, attempt, conditions)
        return [decision is True for decision, *_ in results]

    async def decided(
        self,
        rehearsal: Rehearsal,
        scene: Scene,
        attempt: Attempt,
        conditions: Sequence[str],
    ) -> list[list[bool | None]]:
        """What conditions come to for each of the documents, asked only where it is not known yet."""
        known = scene.known.get(attempt.key, {})
        if known.keys() >= set(conditions):
            return [list(row) for row in zip(*(known[condition] for condition in conditions), strict=True)]
        documents = scene.sample.imagined
        return await self._policies.decide(rehearsal, attempt.who, scene.relation, conditions, documents)

    def _doubtful(self, scene: Scene, role: str) -> str | None:
        """What decides, and was only guessed."""
        if scene.sample.certain is None or scene.conditions is None:
            return None
        named = scene.conditions.named(role, "r")
        if named is None:
            return "the whole row"
        return ", ".join(sorted(named - scene.sample.certain)) or None
