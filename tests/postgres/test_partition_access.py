"""A partition is a table of its own, too: whoever may read it by its name reads past the policies of the whole; and so
does whoever may read what the whole is a part of.
"""

import pytest

from app.contract.check import Outcome
from app.demo.database import OWNER
from app.diagnostics import SchemaReport
from tests.databases import VERSIONS, Project, failures, in_turn, with_outcome
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


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_table_that_it_is_a_part_of_shows_its_rows_as_well(project: Project) -> None:
    await project.execute(
        """
        create table everything (scheduled_at timestamptz not null);
        create table much () inherits (everything);
        alter table strategy_tick_runs inherit much;
        create table beside () inherits (everything);
        grant select on beside to anon;
        """,
        OWNER,
    )
    assert failures(await project.check()) == {}
    await project.execute("grant select on everything to anon", OWNER)
    report = await project.check()
    assert failures(report).keys() == {ANONYMOUS}
    for decision in report.fix.decisions:
        assert decision.proposal == 'alter table "public"."everything" enable row level security;'
        await project.execute(decision.proposal, OWNER)
    assert failures(await project.check()) == {}


POLICY = f"""
{GRANTED};
alter table "Ticks; beyond" enable row level security;
create policy theirs on "Ticks; beyond" for %s to authenticated using (auth.uid() = user_id);
"""


async def test_what_policies_of_its_own_show_is_not_known(partitioned: Project) -> None:
    await partitioned.execute(POLICY % "select", OWNER)
    report = await partitioned.check()
    assert with_outcome(report, Outcome.UNKNOWN).keys() == {OTHER}
    assert failures(report) == {}
    assert '"Ticks; beyond"' in told(report)


async def test_a_policy_of_its_own_for_writing_shows_nothing(partitioned: Project) -> None:
    await partitioned.execute(POLICY % "update", OWNER)
    report = await partitioned.check()
    assert {check.outcome for check in report.checks} == {Outcome.PASS}


async def test_of_very_many_a_few_are_named(partitioned: Project) -> None:
    await partitioned.execute(
        """
        do $$ begin
          for number in 1..300 loop
            execute format(
              'create table %I partition of strategy_tick_runs for values from (%L) to (%L)', 'newer_' || number,
              timestamptz '2100-01-01' + interval '1 day' * number, timestamptz '2100-01-02' + interval '1 day' * number
            );
          end loop;
        end $$;
        grant select on all tables in schema public to anon;
        """,
        OWNER,
    )
    check = failures(await partitioned.check(database_timeout_ms=20_000))[ANONYMOUS]
    assert check.message.count("newer_") == 3
    assert "and 297 more" in check.message
    assert len(check.message) < 1000


async def test_that_the_whole_is_locked_is_not_taken_for_a_leak_of_it(partitioned: Project) -> None:
    await partitioned.execute(GRANTED, OWNER)
    async with partitioned.connect() as other, other.transaction():
        await other.execute("lock table only strategy_tick_runs in access exclusive mode")
        report = await partitioned.check(database_timeout_ms=2000)
    assert failures(report).keys() == {OTHER, ANONYMOUS}
    assert {OTHER, ANONYMOUS} <= report.fix.leaves
    for decision in report.fix.decisions:
        assert "revoke" not in (decision.proposal or "")
        assert "A policy shows rows" not in decision.why


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
