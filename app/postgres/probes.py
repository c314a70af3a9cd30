"""Everything about a database that is found out by trying."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from app.contract.model import Contract
from app.contract.observed import Assumption, Observation
from app.postgres.access import AccessProbe
from app.postgres.faults import IN_THE_WAY
from app.postgres.people import People
from app.postgres.pool import Database
from app.postgres.promotion import PromotionProbe
from app.postgres.rehearsal import ObstacleError, Rehearsal
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
        """A rehearsal for each part: what spoils one costs the others nothing."""
        people = People(self._settings)
        async with self._rehearsal() as rehearsal:
            values = await self._values.probe(rehearsal, observation)
        async with self._rehearsal() as rehearsal:
            assumption = await self._assume(rehearsal)
            await people.load(rehearsal)
            promotion = await self._promotion.probe(rehearsal, observation, people)
        async with self._rehearsal() as rehearsal:
            access = await self._access.probe(rehearsal, observation, people)
        return msgspec.structs.replace(
            observation, assumption=assumption, values=values, access=access, promotion=promotion
        )

    async def _assume(self, rehearsal: Rehearsal) -> Assumption:
        """Whether the login can become the reading role, by becoming it: pg_has_role differs by version."""
        try:
            async with rehearsal.as_role(self._settings.reading_role):
                return Assumption(possible=True)
        except IN_THE_WAY:
            return Assumption(possible=None, obstacle="the database did not answer in time")
        except ObstacleError:
            return Assumption(possible=False, obstacle="permission denied")

    @asynccontextmanager
    async def _rehearsal(self) -> AsyncIterator[Rehearsal]:
        async with self._database.connection() as connection:
            rehearsal = Rehearsal(self._settings, connection)
            yield rehearsal
            if rehearsal.spoiled:
                connection.terminate()
