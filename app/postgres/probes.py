"""Everything about a database that is found out by trying."""

from contextlib import AbstractAsyncContextManager

import msgspec

from app.contract.model import Contract
from app.contract.observed import AcceptedValues, Assumption, Observation
from app.postgres.access import AccessProbe
from app.postgres.faults import IN_THE_WAY
from app.postgres.people import People
from app.postgres.pool import Database
from app.postgres.promotion import PromotionProbe
from app.postgres.rehearsal import ObstacleError, Rehearsal, rehearsing, tasks
from app.postgres.values import ValueProbe
from app.settings import Settings


class Probes:
    """Adds to an observation what columns accept, what callers see, and whether users could promote themselves."""

    def __init__(self, database: Database, settings: Settings, contract: Contract) -> None:
        self._database = database
        self._settings = settings
        self._values = ValueProbe(settings, contract)
        self._access = AccessProbe(settings, contract)
        self._promotion = PromotionProbe(settings)

    async def probe(self, observation: Observation) -> Observation:
        """At the same time, on connections of their own: what spoils one costs the others nothing."""
        people = People(self._settings)
        async with tasks() as group:
            values = group.create_task(self._tried_values(observation))
            async with self._rehearsal() as rehearsal:
                await people.load(rehearsal)
            access = group.create_task(self._access.probe(self._rehearsal, observation, people))
            async with self._rehearsal() as rehearsal:
                assumption = await self._assume(rehearsal)
                promotion = await self._promotion.probe(rehearsal, observation, people)
        return msgspec.structs.replace(
            observation,
            assumption=assumption,
            values=values.result(),
            access=access.result(),
            promotion=promotion,
        )

    async def _tried_values(self, observation: Observation) -> tuple[AcceptedValues, ...]:
        async with self._rehearsal() as rehearsal:
            return await self._values.probe(rehearsal, observation)

    async def _assume(self, rehearsal: Rehearsal) -> Assumption:
        """Whether the login can become the reading role, by becoming it: pg_has_role differs by version."""
        try:
            async with rehearsal.as_role(self._settings.reading_role):
                return Assumption(possible=True)
        except IN_THE_WAY:
            return Assumption(possible=None, obstacle="the database did not answer in time")
        except ObstacleError:
            return Assumption(possible=False, obstacle="permission denied")

    def _rehearsal(self) -> AbstractAsyncContextManager[Rehearsal]:
        return rehearsing(self._database, self._settings)
