"""The fix, applied: for each way to break a database, and for some at once."""

import asyncio

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.contract.check import Outcome
from app.demo.database import DRIFTS, OWNER, migration_files
from app.demo.scripts import script
from app.demo.server import EmbeddedPostgres
from bench.drifts import HISTORIES
from tests.databases import VERSIONS, Project, failures, new_project, with_outcome
from tests.mutations import CONTRACT, Mutation, all_mutations
from tests.postgres.test_access import SCENARIOS
from tests.postgres.test_lookalikes import ALIKE
from tests.postgres.test_near_misses import UNLIKE
from tests.postgres.test_promotion import PROMOTIONS
from tests.postgres.test_values import ACCEPTING, REFUSING
from tests.proof import assert_kept, prove, state
from tests.squawk import unargued

MUTATIONS = all_mutations()
# Where rows would have to be made up, or be changed, or somebody's intention be known.
FOR_A_PERSON = {
    *(f"{table.name}.table" for table in CONTRACT.tables if table.open_ended or not table.columns),
    *(
        f"{table.name}.column.{column.name}.type"
        for table in CONTRACT.tables
        for column in table.columns
        if column.type != "text"
    ),
    "strategy_runs.column.id.present",
    "strategy_tick_runs.column.id.present",
    "strategy_tick_runs.indexes",
    "strategy_tick_runs.access.other",
    "strategy_tick_runs.access.anonymous",
    "user_profiles.access.promote",
}
SEVERAL = settings(
    max_examples=8,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # A smaller example is not worth the minutes it takes.
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
FEATURED = {
    **{f"access: {name}": sql for name, (sql, _) in SCENARIOS.items()},
    **{f"values: {name}": sql for name, (sql, _) in REFUSING.items()},
    **{f"values: {name}": sql for name, (sql, _) in ACCEPTING.items()},
    **{f"near miss: {name}": sql for name, (sql, _) in UNLIKE.items()},
    **{f"promotion: {name}": sql for name, (sql, _) in PROMOTIONS.items()},
    **{f"history: {drift.about}": drift.sql for drift in HISTORIES if drift.template == "documented"},
    **{f"demo: {name}": script("sql", drift.script) for name, drift in DRIFTS.items() if drift.script is not None},
}


# What a fix is made of is plain on both versions: each mutation on one, every third on the other, too, and any of them
# at once below on either.
@pytest.mark.parametrize(
    ("version", "mutation"), [*((18, one) for one in MUTATIONS), *((16, one) for one in MUTATIONS[::3])], ids=str
)
async def test_a_broken_fact_is_mended_or_left_as_said(project: Project, mutation: Mutation) -> None:
    await project.execute(mutation.sql)
    before, _ = await prove(project)
    mutation.assert_found(before)
    assert mutation.breaks in (before.fix.leaves if mutation.breaks in FOR_A_PERSON else before.fix.mends)
    assert await unargued(before) == []


@pytest.mark.parametrize("name", FEATURED)
async def test_a_scenario_is_mended_or_left_as_said(project: Project, name: str) -> None:
    await project.execute(FEATURED[name])
    before, _ = await prove(project)
    assert await unargued(before) == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("template", ["two_migrations"])
async def test_after_two_migrations_nothing_is_lost_and_the_third_still_applies(project: Project) -> None:
    # A lock lasts two minutes, and the template may be older.
    await project.execute("update strategy_locks set locked_until = now() + interval '2 minutes'")
    held = "select count(*) from public.strategy_locks where locked_until > now()"
    async with project.connect() as connection:
        data = await state(connection)
        assert await connection.fetchval("select count(*) from public.strategy_tick_runs") > 0
        locks = await connection.fetchval(held)
    before, after = await prove(project)
    assert after.conformant is True
    assert await unargued(before) == []
    async with project.connect() as connection:
        assert await connection.fetchval(held) == locks > 0
    await project.execute(script("migrations", migration_files()[-1]), OWNER)
    async with project.connect() as connection:
        assert_kept(data, await state(connection, data))
    # Nobody has recorded it, which is all there is left to say.
    wanting = with_outcome(await project.check(), Outcome.FAIL, Outcome.UNKNOWN, Outcome.SKIPPED)
    assert wanting.keys() == {"migrations.20260129170000"}


async def test_a_unique_index_that_is_ready_becomes_the_key(project: Project) -> None:
    """The one thing that changes hands: it is not lost, nor built again."""
    await project.execute(
        "alter table strategy_locks drop constraint strategy_locks_pkey;"
        "create unique index ready on strategy_locks (strategy_run_id)"
    )
    numbered = "select indexrelid from pg_index where indexrelid = 'public.ready'::regclass and indisprimary = $1"
    async with project.connect() as connection:
        ready = await connection.fetchval(numbered, False)
        await prove(project)
        assert await connection.fetchval(numbered, True) == ready is not None


@pytest.mark.parametrize("template", ["nothing"])
async def test_a_new_supabase_project_is_left_as_said(project: Project) -> None:
    await project.execute(script("sql", "2_supabase.sql"))
    before, _ = await prove(project)
    assert "strategy_locks.table" in before.fix.mends


# What fails no check by itself may stand in the way of a fix of something else.
ANYTHING = {str(mutation): mutation.sql for mutation in MUTATIONS} | FEATURED | ALIKE


@pytest.mark.parametrize("hiding", ["strategy_tick_runs.primary_key", "strategy_tick_runs.column.user_id.present"])
async def test_a_leak_that_something_else_hides_is_announced(project: Project, hiding: str) -> None:
    await project.execute(ANYTHING["access: USING (true) beside the good one"])
    await project.execute(ANYTHING[hiding])
    before, _ = await prove(project)
    assert "strategy_tick_runs.access.other" in before.fix.leaves


async def test_what_could_not_be_told_before_may_come_to_light(project: Project) -> None:
    for name in (
        "access: a leak to users that have a profile",
        "history: USAGE on the schema revoked from the service role",
    ):
        await project.execute(ANYTHING[name])
    _, after = await prove(project)
    assert "strategy_tick_runs.access.other" in failures(after)


@pytest.mark.parametrize("version", [18, 16])
@given(
    st.sampled_from(["documented", "documented", "two_migrations"]),
    st.lists(st.sampled_from(sorted(ANYTHING)), min_size=2, max_size=6, unique=True),
)
@SEVERAL
@pytest.mark.timeout(300)  # Many databases in one test.
def test_any_of_them_at_once(cluster: EmbeddedPostgres, version: int, template: str, names: list[str]) -> None:
    async def run() -> None:
        async with new_project(cluster, template) as project:
            for name in names:
                try:
                    await project.execute(ANYTHING[name])
                except asyncpg.PostgresError:
                    continue  # It needs what an earlier one has taken away: the others are left.
            await prove(project)

    asyncio.run(run())
