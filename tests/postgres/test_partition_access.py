"""A partition is a table of its own, too: whoever may read it by its name reads past the policies of the whole."""

import pytest

from app.contract.check import Outcome
from app.demo.database import OWNER
from app.diagnostics import SchemaReport
from tests.databases import VERSIONS, Project, failures, in_turn
from tests.partitioned import partition

OTHER, ANONYMOUS = "strategy_tick_runs.access.other", "strategy_tick_runs.access.anonymous"
IN_PUBLIC = 'alter table strategy_ticks.beyond set schema public; alter table beyond rename to "Ticks; beyond"'
GRANTED = f'{IN_PUBLIC}; grant select on "Ticks; beyond" to anon, authenticated'


@pytest.fixture
async def partitioned(project: Project) -> Project:
    await partition(project)
    return project


OPEN = {
    "granted to both": (GRANTED, {OTHER, ANONYMOUS}),
    "granted to everybody": (f'{IN_PUBLIC}; grant select on "Ticks; beyond" to public', {OTHER, ANONYMOUS}),
    "granted to users alone": (f'{IN_PUBLIC}; grant select on "Ticks; beyond" to authenticated', {OTHER}),
    "one column of it": (f'{IN_PUBLIC}; grant select (reason) on "Ticks; beyond" to anon', {ANONYMOUS}),
    "in a schema that they may look into": (
        "grant usage on schema strategy_ticks to authenticated; grant select on strategy_ticks.beyond to authenticated",
        {OTHER},
    ),
    "a partition of a partition": (
        """
        alter table strategy_tick_runs detach partition strategy_ticks.beyond;
        create table many partition of strategy_tick_runs default partition by range (id);
        create table one partition of many default;
        grant select on one to authenticated;
        """,
        {OTHER},
    ),
}

SHUT = {
    "row security of its own": f'{GRANTED}; alter table "Ticks; beyond" enable row level security',
    "no grant": IN_PUBLIC,
    "a grant in a schema that nobody may look into": "grant select on strategy_ticks.beyond to anon, authenticated",
    "a grant to the runner": f'{IN_PUBLIC}; grant select on "Ticks; beyond" to service_role',
    "a table beside it": "create table archive (like strategy_tick_runs); grant select on archive to anon",
}


def told(report: SchemaReport) -> str:
    return next(check.message for check in report.checks if check.key == OTHER)


@pytest.mark.parametrize(("version", "name"), in_turn(OPEN))
async def test_one_that_callers_may_read_fails(partitioned: Project, name: str) -> None:
    sql, keys = OPEN[name]
    await partitioned.execute(sql, OWNER)
    assert failures(await partitioned.check()).keys() == keys


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_table_that_inherits_is_a_part_as_well(project: Project) -> None:
    await project.execute("create table older () inherits (strategy_tick_runs)", OWNER)
    assert failures(await project.check()) == {}
    await project.execute("grant select on older to authenticated", OWNER)
    assert failures(await project.check()).keys() == {OTHER}


@pytest.mark.parametrize(("version", "name"), in_turn(SHUT))
async def test_one_that_they_may_not_read_passes(partitioned: Project, name: str) -> None:
    await partitioned.execute(SHUT[name], OWNER)
    report = await partitioned.check()
    assert {check.outcome for check in report.checks} == {Outcome.PASS}


@pytest.mark.parametrize("version", VERSIONS)
async def test_it_is_left_to_a_person_with_what_shuts_it(partitioned: Project) -> None:
    await partitioned.execute(GRANTED, OWNER)
    report = await partitioned.check()
    assert '"public"."Ticks; beyond"' in told(report)
    assert report.fix.parts == ()
    assert report.fix.leaves == {OTHER, ANONYMOUS}
    for decision in report.fix.decisions:
        assert decision.proposal == 'alter table "public"."Ticks; beyond" enable row level security;'
        await partitioned.execute(decision.proposal, OWNER)
    assert failures(await partitioned.check()) == {}


async def test_a_leak_of_the_whole_is_told_beside_it(partitioned: Project) -> None:
    await partitioned.execute(
        f"{GRANTED}; create policy leak on strategy_tick_runs for select to authenticated using (true)", OWNER
    )
    report = await partitioned.check()
    assert failures(report).keys() == {OTHER, ANONYMOUS}
    assert "beyond" in told(report)
    assert '"leak"' in told(report)
    for decision in report.fix.decisions:
        assert decision.proposal is not None
        await partitioned.execute(decision.proposal, OWNER)
    assert failures(await partitioned.check()) == {}


async def test_the_fix_does_not_promise_that_row_security_of_the_whole_shuts_it(partitioned: Project) -> None:
    await partitioned.execute(f"{GRANTED}; alter table strategy_tick_runs disable row level security", OWNER)
    report = await partitioned.check()
    assert report.fix.mends == {"strategy_tick_runs.row_security"}
    assert {OTHER, ANONYMOUS} <= report.fix.leaves
    await partitioned.apply(report)
    assert failures(await partitioned.check()).keys() == {OTHER, ANONYMOUS}
