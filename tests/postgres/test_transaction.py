"""What holds in a transaction of ours, and what is left of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from app.contract.identifiers import quote_identifier
from app.demo.database import LOGIN
from app.errors import DatabaseUnavailableError
from app.postgres.pool import Connection, Database, is_lost
from app.postgres.rehearsal import rehearsing
from app.postgres.sections import SectionReader
from app.postgres.statements import statement
from app.runner.model import Section
from tests.databases import VERSIONS, Project

FRAME = """
select
  current_user::text as "user", current_setting('transaction_isolation') as isolation,
  current_setting('transaction_read_only') as read_only, current_setting('search_path') as search_path,
  current_setting('statement_timeout') as statement_timeout, current_setting('lock_timeout') as lock_timeout,
  current_setting('idle_in_transaction_session_timeout') as idle_timeout, current_setting('TimeZone') as time_zone,
  current_setting('row_security') as row_security, current_setting('application_name') as application
"""
INSIDE = {
    "user": "service_role",
    "isolation": "repeatable read",
    "read_only": "on",
    "search_path": "pg_catalog, pg_temp",
    "statement_timeout": "1s",
    "lock_timeout": "250ms",
    "idle_timeout": "5s",
    "time_zone": "UTC",
    "row_security": "off",
    "application": "runner-diagnostics",
}


@asynccontextmanager
async def connected(project: Project) -> AsyncIterator[tuple[Database, Connection]]:
    database = Database(project.settings())
    try:
        async with database.connection() as connection:
            yield database, connection
    finally:
        await database.close()


async def frame(connection: Connection) -> dict[str, str]:
    row = await connection.fetchrow(FRAME)
    assert row is not None
    return dict(row)


@pytest.mark.parametrize("version", VERSIONS)
async def test_all_of_the_frame_holds_inside_and_none_of_it_afterwards(project: Project) -> None:
    async with connected(project) as (database, connection):
        before = await frame(connection)
        async with database.transaction(connection, "service_role"):
            assert await frame(connection) == INSIDE
        assert await frame(connection) == before
        assert not set(before.values()) & {"service_role", "repeatable read", "1s", "250ms", "runner-diagnostics"}


async def test_it_is_one_message(project: Project) -> None:
    """Each costs a round trip, and every answer waits for them."""
    sent: list[str] = []
    async with connected(project) as (database, connection):
        with connection.query_logger(lambda query: sent.append(query.query)):
            async with database.transaction(connection, "service_role"):
                pass
    assert len(sent) == 2
    assert sent[1] == "commit"


@pytest.mark.parametrize("name", ['read"er', "select; drop", "lector ünïcode", "$1", "none of them", ":role", "x" * 63])
async def test_a_role_of_any_name_is_become(project: Project, name: str) -> None:
    quoted = quote_identifier(name)
    await project.execute(f"create role {quoted}; grant {quoted} to {LOGIN}")
    async with connected(project) as (database, connection), database.transaction(connection, name):
        assert (await frame(connection))["user"] == name


@pytest.mark.parametrize("role", ["nobody", "supabase_admin"])
async def test_a_role_that_is_refused_leaves_a_connection_that_can_go_on(project: Project, role: str) -> None:
    async with connected(project) as (database, connection):
        with pytest.raises((asyncpg.InvalidParameterValueError, asyncpg.InsufficientPrivilegeError)):
            async with database.transaction(connection, role):
                pytest.fail("nobody becomes that")
        async with database.transaction(connection):
            assert (await frame(connection))["user"] == LOGIN


async def test_after_an_error_the_next_transaction_is_a_new_one(project: Project) -> None:
    async with connected(project) as (database, connection):
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with database.transaction(connection):
                await connection.fetch("select 1/0")
        async with database.transaction(connection):
            assert await connection.fetchval("select 1") == 1


async def test_a_section_that_fails_leaves_the_next_ones_what_the_reading_began_with(project: Project) -> None:
    settings = "select current_setting('work_mem') as memory, current_setting('statement_timeout') as longest"
    async with connected(project) as (database, connection), database.transaction(connection):
        reader = SectionReader(connection, asyncio.get_running_loop().time() + 60, 2.5)
        await reader.begin()
        for _ in range(2):
            await reader.fetch(Section.STORED, statement("sorting"), "off")
            assert await reader.fetch(Section.LOCKS, "select 1/0") is None
            (row,) = await reader.fetch(Section.RUNS, settings) or ()
            assert dict(row) == {"memory": "16MB", "longest": "2500ms"}
            assert await connection.fetchval("select current_setting('enable_sort')") == "on"
        assert not reader.results[Section.RUNS].error


async def test_a_service_that_is_held_up_keeps_its_sessions(project: Project) -> None:
    """As by a request that judges thousands of strategies: that is no outage of the database."""
    settings = project.settings(database_timeout_ms=2000)
    database = Database(settings)
    try:
        async with database.connection() as connection, database.transaction(connection):
            await asyncio.sleep(1)
            assert await connection.fetchval("select 1") == 1
        async with rehearsing(database, settings) as rehearsal, rehearsal.as_role("authenticated") as connection:
            await asyncio.sleep(1)
            assert await connection.fetchval("select 1") == 1
    finally:
        await database.close()


async def test_one_within_another_is_refused(project: Project) -> None:
    """The inner one's end would be the end of both, and what followed would be as the login, and could write."""
    async with connected(project) as (database, connection), database.transaction(connection):
        with pytest.raises(RuntimeError, match="within another"):
            async with database.transaction(connection):
                pytest.fail("it began")
        assert (await frame(connection))["read_only"] == "on"


async def test_what_the_server_said_when_it_closed_the_connection_is_what_is_raised(project: Project) -> None:
    async def ended() -> None:
        async with connected(project) as (database, connection), database.transaction(connection):
            await asyncio.gather(connection.fetch("select pg_sleep(30)"), end_soon(project, connection))

    with pytest.raises(DatabaseUnavailableError, match="closed by the database"):
        await ended()


async def end_soon(project: Project, connection: Connection) -> None:
    await asyncio.sleep(0.3)
    await project.execute(f"select pg_terminate_backend({connection.get_server_pid()})")


async def test_what_is_raised_beside_a_lost_connection_is_not_hidden_by_that(project: Project) -> None:
    async def lost() -> None:
        async with connected(project) as (database, connection), database.transaction(connection):
            await end_soon(project, connection)
            await asyncio.sleep(0.3)
            assert is_lost(connection)
            raise KeyError

    with pytest.raises(KeyError):
        await lost()


@pytest.mark.parametrize("raised", [asyncio.CancelledError, ValueError])
async def test_what_was_set_for_the_session_is_undone_where_it_does_not_end_well(
    project: Project, raised: type[BaseException]
) -> None:
    """As asyncpg does while it asks for types: who has the connection next must not find it."""

    async def interrupted(database: Database, connection: Connection) -> None:
        async with database.transaction(connection):
            await connection.execute("set application_name = 'left behind'")
            raise raised

    async with connected(project) as (database, connection):
        with pytest.raises(raised):
            await interrupted(database, connection)
        assert (await frame(connection))["application"] != "left behind"


async def test_nothing_can_be_written_in_it(project: Project) -> None:
    async with connected(project) as (database, connection):
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            async with database.transaction(connection, "service_role"):
                await connection.execute("delete from public.strategy_locks")
