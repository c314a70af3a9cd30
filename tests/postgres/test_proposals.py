"""A policy that a fix proposes is tried before it is proposed: what callers would see with it beside the others."""

import pytest

from app.contract.observed import Access, Caller, Proposal
from app.postgres.access import AccessProbe
from app.postgres.catalogue import CatalogueReader
from app.postgres.people import People
from app.postgres.pool import Database
from app.postgres.rehearsal import Rehearsal
from tests.databases import Project
from tests.mutations import CONTRACT, POLICY

TICKS = "strategy_tick_runs"
OWN = "(select auth.uid()) = user_id"
ADMIN = "exists (select from public.user_profiles as profile where profile.id = auth.uid() and profile.role = 'admin')"
NOBODY = f"drop policy {POLICY} on {TICKS};"


async def with_policy(project: Project, condition: str, table: str = TICKS) -> Access | None:
    settings = project.settings()
    database = Database(settings)
    try:
        async with database.connection() as connection:
            observation = await CatalogueReader(database, settings, CONTRACT).read(connection)
            rehearsal = Rehearsal(settings, connection)
            people = People(settings)
            await people.load(rehearsal)
            proposal = Proposal(table, "proposed", condition)
            supposed = await AccessProbe(settings, CONTRACT).suppose(rehearsal, observation, people, [proposal])
            return next((trial.access for trial in supposed.trials), None)
    finally:
        await database.close()


async def shown(project: Project, condition: str) -> set[Caller]:
    """Those who would see every row that was tried."""
    access = await with_policy(project, condition)
    assert access is not None
    return {sight.caller for sight in access.sights if sight.visible == sight.tried > 0}


@pytest.mark.parametrize("rows", ["", f"truncate {TICKS};"])
async def test_it_lets_in_whom_it_says_beside_those_who_are_in(project: Project, rows: str) -> None:
    await project.execute(NOBODY + rows)
    assert await shown(project, OWN) == {Caller.OWNER}
    assert await shown(project, ADMIN) == {Caller.ADMIN_BY_PROFILE}
    assert await shown(project, "true") == set(Caller) - {Caller.ANONYMOUS}
    await project.execute(f"create policy owners on {TICKS} for select to authenticated using ({OWN})")
    assert await shown(project, ADMIN) == {Caller.OWNER, Caller.ADMIN_BY_PROFILE}


async def test_row_security_that_is_off_and_a_grant_that_lacks_hide_nothing(project: Project) -> None:
    await project.execute(
        f"{NOBODY} alter table {TICKS} disable row level security; revoke select on {TICKS} from authenticated"
    )
    assert await shown(project, OWN) == {Caller.OWNER}


async def test_a_restrictive_policy_still_restricts(project: Project) -> None:
    await project.execute(f"create policy never on {TICKS} as restrictive for select to authenticated using (false)")
    assert await shown(project, OWN) == set()


@pytest.mark.parametrize(
    ("sql", "condition", "sqlstate"),
    [
        ("select", f"exists (select from {TICKS} as other where other.user_id = auth.uid())", None),
        ("select", "no_such_function()", "42883"),
        ("select", "user_id = 'nobody'", "22P02"),
        (
            "create policy again on user_profiles for select using (exists (select from user_profiles))",
            ADMIN,
            "42P17",
        ),
    ],
)
async def test_what_it_raises_is_what_callers_get(
    project: Project, sql: str, condition: str, sqlstate: str | None
) -> None:
    await project.execute(NOBODY + sql)
    access = await with_policy(project, condition)
    assert access is not None
    owner = access.sight(Caller.OWNER)
    assert (owner.refusal.sqlstate if owner.refusal is not None else None) == sqlstate
    assert owner.visible == 0


async def test_a_table_of_which_the_contract_says_nothing_is_not_tried(project: Project) -> None:
    assert await with_policy(project, "true", "user_profiles") is None
