"""Ticks partitioned by month, as docs/deployment.md shows it, are verified, mended and read as those of one table."""

import pytest

from app.contract.check import Outcome
from tests.databases import VERSIONS, Project, with_outcome
from tests.partitioned import partition

TICKS = "select count(*), md5(string_agg(t::text, ' ' order by t::text)) from public.strategy_tick_runs as t"


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_the_document_shows_loses_nothing_and_passes_every_check(project: Project) -> None:
    await project.tick_until_now()
    async with project.connect() as connection:
        before = await connection.fetchrow(TICKS)
        await partition(project)
        assert await connection.fetchrow(TICKS) == before
    assert with_outcome(await project.check(), *set(Outcome) - {Outcome.PASS}) == {}
