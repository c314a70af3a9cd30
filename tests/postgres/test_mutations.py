"""Every fact of the contract, broken one at a time in a real database."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.contract.check import Outcome
from app.demo.server import EmbeddedPostgres
from tests.databases import NEWEST, VERSIONS, Project, failures, in_turn, new_project, outcome, with_outcome
from tests.mutations import Mutation, all_mutations

MUTATIONS = all_mutations()


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_documented_database_passes_every_check(project: Project) -> None:
    report = await project.check()
    assert with_outcome(report, Outcome.FAIL, Outcome.UNKNOWN, Outcome.SKIPPED) == {}
    assert report.conformant is True
    assert report.summary.passed == len(report.checks) > 80


async def test_every_check_on_a_table_has_a_mutation_that_breaks_it(project: Project) -> None:
    """No fact can be added to the contract without a database that lacks it."""
    keys = {check.key for check in (await project.check()).checks if check.table is not None}
    assert {mutation.breaks for mutation in MUTATIONS} == keys


# On the newest version tests/postgres/test_fix.py asks the same of each, before it mends it.
@pytest.mark.parametrize(("version", "mutation"), [one for one in in_turn(MUTATIONS) if one[0] != NEWEST], ids=str)
async def test_a_broken_fact_fails_its_check_and_no_other(project: Project, mutation: Mutation) -> None:
    await project.execute(mutation.sql)
    mutation.assert_found(await project.check())


def _compatible(chosen: list[Mutation]) -> list[Mutation]:
    """At most one for each thing touched; renames of tables last, for the others name the tables."""
    by_touched = {mutation.touches: mutation for mutation in chosen}
    return sorted(by_touched.values(), key=lambda mutation: mutation.breaks.endswith(".table"))


# A key that is dropped takes others with it, so that what a combination does depends on its order.
SIMPLE = [m for m in MUTATIONS if not m.also or m.breaks.endswith((".table", ".present"))]


@given(st.lists(st.sampled_from(SIMPLE), min_size=2, max_size=6))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_broken_facts_are_all_found_together(cluster: EmbeddedPostgres, chosen: list[Mutation]) -> None:
    """Whatever is broken at once, each is failed or stands behind one that is, and nothing else is claimed."""
    mutations = _compatible(chosen)

    async def run() -> None:
        async with new_project(cluster) as project:
            for mutation in mutations:
                await project.execute(mutation.sql)
            report = await project.check()
            expected = frozenset[str]().union(*(mutation.expected for mutation in mutations))
            assert failures(report).keys() <= expected
            for key in expected:
                assert outcome(report, key) in (Outcome.FAIL, Outcome.SKIPPED)
            for check in with_outcome(report, Outcome.SKIPPED).values():
                assert check.because in failures(report)

    asyncio.run(run())
