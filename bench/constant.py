"""Whether a report costs the same however many ticks there are: the same work on databases of different sizes."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from app.contract.load import load_contract
from app.contract.observed import Observation
from app.diagnostics import Diagnostics
from app.postgres.catalogue import CatalogueReader
from app.postgres.pool import Database
from app.postgres.probes import Probes
from app.settings import Settings
from bench.kept import LARGEST, KeptTicks
from bench.ratios import Batch, Comparison, Measurement, Unit, measure

REPORTS = 3
ROUNDS = 25
AIM = 1.2
LARGE_TITLE = "10,000,000 ticks"
SMALLER = {"ten_thousand_ticks": "10,000 ticks", "no_ticks": "no ticks"}


@dataclass(frozen=True, slots=True)
class Side:
    """One database: a whole report on it, uncached, and only that part of one which tries things out."""

    diagnostics: Diagnostics
    probes: Probes
    observation: Observation

    async def check(self) -> float:
        began = time.perf_counter()
        for _ in range(REPORTS):
            await self.diagnostics.check_schema()
        return time.perf_counter() - began

    async def probe(self) -> float:
        began = time.perf_counter()
        for _ in range(REPORTS):
            await self.probes.probe(self.observation)
        return time.perf_counter() - began


async def measure_constancy(ticks: KeptTicks) -> list[Measurement]:
    """The whole report and its probes, on the largest database against each of the smaller ones.

    On an empty one some statements are others, for there is no row to look at: an invented one is decided on instead.
    """
    async with AsyncExitStack() as stack:
        large = await stack.enter_async_context(_side(ticks.settings(LARGEST)))
        measurements = []
        for database, title in SMALLER.items():
            small = await stack.enter_async_context(_side(ticks.settings(database)))
            measurements += [
                await measure(_comparison("check", title, large.check, small.check)),
                await measure(_comparison("its probes", title, large.probe, small.probe)),
            ]
    return measurements


@asynccontextmanager
async def _side(settings: Settings) -> AsyncIterator[Side]:
    contract = load_contract(settings.runner_contract)
    database = Database(settings)
    try:
        async with database.connection() as connection:
            observation = await CatalogueReader(database, settings, contract).read(connection)
        yield Side(Diagnostics(settings, contract, database), Probes(database, settings, contract), observation)
    finally:
        await database.close()


def _comparison(work: str, title: str, large: Batch, small: Batch) -> Comparison:
    return Comparison(
        f"{work}, {LARGE_TITLE}",
        f"{work}, {title}",
        ours=large,
        floor=small,
        unit=Unit.MILLISECONDS,
        work=REPORTS,
        rounds=ROUNDS,
        aim=AIM,
    )
