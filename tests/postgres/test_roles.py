"""Who logs in, who reads, and what they may: each shortcoming its own finding."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.contract.check import Outcome, Severity
from app.diagnostics import Diagnostics
from app.postgres.pool import Database
from tests.databases import VERSIONS, Project, failures, outcome
from tests.mutations import CONTRACT

PRIVILEGES = {f"role.privileges.{table}" for table in ("strategy_runs", "strategy_tick_runs", "strategy_locks")}
counter = itertools.count(1)


@asynccontextmanager
async def role(project: Project, options: str, *commands: str) -> AsyncIterator[str]:
    """A role of this test alone: roles belong to the cluster and would outlive the database. `{}` is its name."""
    name = f'Role {next(counter)} of "tests"'
    quoted = '"' + name.replace('"', '""') + '"'
    await project.execute(f"create role {quoted} password '{project.cluster.password}' {options}")
    try:
        for command in commands:
            await project.execute(command.format(quoted))
        yield name
    finally:
        await project.execute(f"drop owned by {quoted}; drop role {quoted}")


def login_url(project: Project, login: str) -> str:
    return project.url(login.replace(" ", "%20").replace('"', "%22"))


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_login_that_may_not_become_the_reading_role(project: Project) -> None:
    async with role(project, "login") as login:
        report = await project.check(database_url=login_url(project, login))
    found = failures(report)
    assert found.keys() == {"role.assumable", "migrations.history"}
    command, _, pointer = str(found["role.assumable"].hint).partition(" -- ")
    assert command == f'GRANT "service_role" TO "{login.replace(chr(34), chr(34) * 2)}";'
    assert pointer == "The fix leaves it to you: decision 1."
    assert report.conformant is False


async def test_membership_that_may_not_be_used_to_become_the_role(project: Project) -> None:
    """Since Postgres 16 a member may be kept from SET ROLE; membership alone proves nothing."""
    async with role(project, "login", "grant service_role to {} with set false, inherit true") as login:
        report = await project.check(database_url=login_url(project, login))
    assert outcome(report, "role.assumable") is Outcome.FAIL


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_reading_role_that_does_not_exist(project: Project) -> None:
    report = await project.check(database_role="nobody")
    assert failures(report).keys() == {"role.assumable"}
    skipped = {check.key: check.because for check in report.checks if check.outcome is Outcome.SKIPPED}
    assert skipped == dict.fromkeys({*PRIVILEGES, "role.bypasses_row_security"}, "role.assumable")


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_reading_role_under_row_security(project: Project) -> None:
    reads = "grant select on all tables in schema public to {}"
    async with role(project, "nologin", "grant {} to runner_diagnostics", reads) as reader:
        report = await project.check(database_role=reader)
        assert failures(report).keys() == {"role.bypasses_row_security"}
        assert report.database.bypasses_row_security is False


async def test_a_reading_role_other_than_the_service_role_needs_select_alone(project: Project) -> None:
    reads = "grant select on all tables in schema public to {}"
    async with role(project, "nologin bypassrls", "grant {} to runner_diagnostics", reads) as reader:
        report = await project.check(database_role=reader)
        assert failures(report) == {}
        assert {check.expected for check in report.checks if check.key in PRIVILEGES} == {"SELECT"}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_role_without_grants(project: Project) -> None:
    """New tables get no grants by themselves, so this is what a forgotten GRANT looks like."""
    async with role(project, "nologin bypassrls", "grant {} to runner_diagnostics") as reader:
        report = await project.check(database_role=reader)
        assert failures(report).keys() == PRIVILEGES
        assert report.conformant is False


async def test_grants_are_judged_even_if_the_login_cannot_become_the_role(project: Project) -> None:
    await project.execute("revoke all on strategy_locks from service_role")
    async with role(project, "login") as login:
        found = failures(await project.check(database_url=login_url(project, login)))
    assert {"role.assumable", "role.privileges.strategy_locks"} <= found.keys()
    assert found["role.privileges.strategy_locks"].hint == (
        'GRANT SELECT, INSERT, UPDATE, DELETE ON "public"."strategy_locks" TO "service_role";'
        " -- The fix mends it: part 1, statement 1."
    )


async def test_a_schema_whose_names_the_role_may_not_look_up(project: Project) -> None:
    await project.execute("revoke usage on schema public from public, service_role")
    found = failures(await project.check())
    assert found.keys() == PRIVILEGES
    assert found["role.privileges.strategy_runs"].actual == "lacks USAGE on schema public"


async def test_grants_that_come_through_another_role_count(project: Project) -> None:
    await project.execute("revoke all on strategy_locks from service_role")
    async with role(project, "nologin", "grant all on strategy_locks to {}", "grant {} to service_role"):
        # service_role is NOINHERIT here; what it cannot use by itself it does not have.
        assert outcome(await project.check(), "role.privileges.strategy_locks") is Outcome.FAIL
        await project.execute("alter role service_role inherit")
        try:
            async with role(project, "nologin", "grant all on strategy_locks to {}", "grant {} to service_role"):
                assert failures(await project.check()) == {}
        finally:
            await project.execute("alter role service_role noinherit")


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_superuser_login_is_a_warning_of_its_own(project: Project) -> None:
    report = await project.check(database_url=project.url("supabase_admin"))
    found = failures(report)
    assert found.keys() == {"role.login"}
    assert found["role.login"].severity is Severity.WARNING
    assert report.conformant is True


async def test_without_a_reading_role_the_login_is_judged(project: Project) -> None:
    report = await project.check(database_role="")
    assert report.database.role == "runner_diagnostics"
    assert failures(report).keys() == {"role.bypasses_row_security", *PRIVILEGES}
    assert outcome(report, "role.assumable") is Outcome.PASS


async def test_the_owner_of_the_project_can_be_the_login(project: Project) -> None:
    report = await project.check(database_url=project.url("postgres"))
    assert failures(report) == {}


async def test_a_login_that_starts_as_another_role_is_judged_as_itself(project: Project) -> None:
    await project.execute("alter role runner_diagnostics set role = 'service_role'")
    try:
        report = await project.check(database_role="")
        assert report.database.role == "runner_diagnostics"
        assert "migrations.history" not in failures(report)
        assert failures(report).keys() == {"role.bypasses_row_security", *PRIVILEGES}
    finally:
        await project.execute("alter role runner_diagnostics reset role")


async def test_a_role_does_not_leak_to_the_next_use_of_a_connection(project: Project) -> None:
    """SET ROLE would survive asyncpg's reset; ours ends with its transaction."""
    settings = project.settings(database_pool_size=1)
    database = Database(settings)
    try:
        for _ in range(3):
            await Diagnostics(settings, CONTRACT, database).check_schema()
            async with database.connection() as connection:
                who = await connection.fetchrow(
                    "select current_user::text, session_user::text, current_setting('role')"
                )
                assert tuple(who or ()) == ("runner_diagnostics", "runner_diagnostics", "none")
    finally:
        await database.close()
