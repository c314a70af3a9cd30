"""A database that is not there, is silent or refuses: one clear line, in bounded time, with nothing given away."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from typing import TypeAlias

import pytest

from app.contract.load import load_contract
from app.demo.server import HOST, EmbeddedPostgres, free_port
from app.diagnostics import Diagnostics
from app.errors import DatabaseError, DatabaseTimeoutError, DatabaseUnavailableError
from app.postgres.pool import Database
from tests.databases import NEWEST, Project, running_cluster

PASSWORD = "Tr0ub4dor-and-3"


async def refusal(project: Project, url: str, **overrides: object) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught:
        await project.check(database_url=url, **overrides)
    return caught.value


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """Accepts every connection and never says a word."""

    async def say_nothing(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async with listening(say_nothing) as port:
        yield port


Accept: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(accept: Accept) -> AsyncIterator[int]:
    """The port of a server whose connections all end with the block."""
    tasks: set[asyncio.Task[None]] = set()

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(OSError, asyncio.CancelledError), closing(writer):
            await accept(reader, writer)

    server = await asyncio.start_server(keep, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://user:{password}@127.0.0.1:{port}/postgres", "nothing listens"),
        ("postgresql://user:{password}@localhost:{port}/postgres", "nothing listens"),
        ("postgresql://user:{password}@no-such-host.invalid/postgres", "does not resolve"),
    ],
)
async def test_an_address_without_a_database_is_said_in_one_line(project: Project, url: str, words: str) -> None:
    error = await refusal(project, url.format(password=PASSWORD, port=free_port()))
    assert isinstance(error, DatabaseUnavailableError)
    assert words in str(error)
    assert PASSWORD not in str(error)
    assert "\n" not in str(error)


async def test_a_wrong_password_or_user_is_refused_without_naming_either(project: Project) -> None:
    for url in (project.url(password=PASSWORD), project.url("nobody_at_all")):
        error = await refusal(project, url)
        assert "the login was refused" in str(error)
        assert PASSWORD not in str(error)
        assert "nobody_at_all" not in str(error)


async def test_a_database_that_does_not_exist_is_said(project: Project) -> None:
    error = await refusal(project, project.cluster.url("runner_diagnostics", "gone"))
    assert "no database of that name" in str(error)


@pytest.mark.parametrize("option", ["host", "port", "ssl_min_protocol_version", "sslnegotiation"])
async def test_a_url_asyncpg_cannot_use_is_not_repeated(project: Project, option: str) -> None:
    """The driver's own error quotes the part it stumbled over, and that may be the password."""
    url = f"postgresql:///x?user=user&host={HOST}&sslmode=require&{option}={HOST}:{PASSWORD}"
    error = await refusal(project, url)
    assert "DATABASE_URL cannot be used as it is" in str(error)
    assert PASSWORD not in str(error)


async def test_a_server_that_accepts_and_never_answers_costs_the_timeout_once(project: Project) -> None:
    async with silent_server() as port:
        started = time.monotonic()
        error = await refusal(project, f"postgresql://u:p@{HOST}:{port}/x?sslmode=disable", database_timeout_ms=1000)
        took = time.monotonic() - started
    assert isinstance(error, DatabaseTimeoutError)
    assert 0.9 < took < 1.9


@pytest.mark.parametrize(
    "words",
    [
        b"begin isolation",
        b"with recursive",
        b"schema_migrations",
        b"set_config('role', $5",
        b"jsonb_populate_record",
        b"rollback",
        b"commit",
    ],
)
async def test_a_socket_that_stalls_anywhere_costs_the_timeout_once_and_the_next_report_is_whole(
    project: Project, words: bytes
) -> None:
    """Through a proxy of ours that stops passing bytes at certain words, once. Neither the cancelling of the query nor
    the end of its transaction may be waited for.
    """
    stalls = [words]

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if stalls and stalls[0] in data:
                stalls.clear()
                await asyncio.sleep(60)
            writer.write(data)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(HOST, project.cluster.port)
        with closing(there_writer):
            await asyncio.gather(pipe(reader, there_writer), pipe(there_reader, writer))

    async with listening(accept) as port:
        url = project.url().replace(f":{project.cluster.port}/", f":{port}/")
        settings = project.settings(database_url=url, database_timeout_ms=2500)
        database = Database(settings)
        diagnostics = Diagnostics(settings, load_contract(), database)
        try:
            started = time.monotonic()
            with pytest.raises(DatabaseTimeoutError):
                await diagnostics.check_schema()
            assert time.monotonic() - started < 4.5
            assert not stalls
            assert (await diagnostics.check_schema()).conformant is True
        finally:
            await database.close()


async def test_a_slow_query_is_ended_by_the_statement_timeout_and_the_pool_survives(project: Project) -> None:
    settings = project.settings(database_timeout_ms=1500, database_pool_size=1)
    database = Database(settings)
    try:
        with pytest.raises(DatabaseTimeoutError):
            async with database.connection() as connection, database.transaction(connection):
                await connection.execute("select pg_sleep(20)")
        async with database.connection() as connection:
            assert await connection.fetchval("select 1") == 1
    finally:
        await database.close()


async def test_nothing_can_be_written_through_our_transactions(project: Project) -> None:
    database = Database(project.settings(database_url=project.url("supabase_admin")))
    try:
        with pytest.raises(DatabaseError):
            async with database.connection() as connection, database.transaction(connection):
                await connection.execute("update strategy_runs set status = 'paused'")
    finally:
        await database.close()


async def test_a_full_pool_is_waited_for_no_longer_than_a_request_may_take(project: Project) -> None:
    database = Database(project.settings(database_timeout_ms=1000, database_pool_size=1))

    async def sleep() -> None:
        async with database.connection() as connection:
            await connection.execute("select pg_sleep(20)")

    started = time.monotonic()
    try:
        outcomes = await asyncio.gather(*(sleep() for _ in range(5)), return_exceptions=True)
    finally:
        await database.close()
    assert {type(outcome) for outcome in outcomes} == {DatabaseTimeoutError}
    assert time.monotonic() - started < 1.9


async def test_a_connection_that_is_refused_says_so(project: Project) -> None:
    await project.execute(f"revoke connect on database {project.name} from public")
    error = await refusal(project, project.url())
    assert str(error) == "The database refused the connection (SQLSTATE 42501)."
    error = await refusal(project, project.url() + "?target_session_attrs=standby")
    assert isinstance(error, DatabaseUnavailableError)


async def test_the_probes_connection_may_be_closed_by_the_server_between_two_probes(project: Project) -> None:
    database = Database(project.settings())
    try:
        for _ in range(3):
            await database.ping()
            await project.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where usename = 'runner_diagnostics' and datname = current_database()"
            )
            await asyncio.sleep(0.1)
    finally:
        await database.close()


async def test_a_database_without_a_connection_left_is_said(project: Project) -> None:
    await project.execute(f"alter database {project.name} connection limit 0")
    error = await refusal(project, project.url())
    assert "no connection left" in str(error)


def test_a_database_that_goes_and_comes_back_is_found_again_without_a_restart() -> None:
    with running_cluster(NEWEST) as cluster:
        asyncio.run(_stop_and_start(cluster))


async def _stop_and_start(cluster: EmbeddedPostgres) -> None:
    settings = Project(cluster, "documented").settings(database_timeout_ms=2000)
    database = Database(settings)
    diagnostics = Diagnostics(settings, load_contract(), database)
    try:
        assert (await diagnostics.check_schema()).conformant is True
        await database.ping()
        await asyncio.to_thread(cluster.stop)
        with pytest.raises(DatabaseUnavailableError):
            await diagnostics.check_schema()
        with pytest.raises(DatabaseUnavailableError):
            await database.ping()
        await asyncio.to_thread(cluster.start)
        assert (await diagnostics.check_schema()).conformant is True
        await database.ping()
    finally:
        await database.close()
