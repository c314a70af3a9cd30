"""What holds in a transaction of ours, and what is left of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from app.contract.identifiers import quote_identifier
from app.demo.database import LOGIN
from app.postgres.pool import Connection, Database
from app.postgres.statements import statement
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
    "idle_timeout": "1s",
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


async def test_what_fails_takes_nothing_with_it_that_was_set_before_its_savepoint(project: Project) -> None:
    async with connected(project) as (database, connection), database.transaction(connection):
        await connection.execute("set local work_mem = '9MB'")
        await connection.execute(statement("savepoint"))
        for _ in range(2):
            await connection.execute("set local work_mem = '5MB'")
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.fetch("select 1/0")
            await connection.execute(statement("rollback_to_savepoint"))
            assert await connection.fetchval("select current_setting('work_mem')") == "9MB"
            assert (await frame(connection))["read_only"] == "on"


async def test_nothing_can_be_written_in_it(project: Project) -> None:
    async with connected(project) as (database, connection):
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            async with database.transaction(connection, "service_role"):
                await connection.execute("delete from public.strategy_locks")
