"""Replayed statements ask for the same as they did when they were recorded, however much later that is."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import asyncpg

from app.postgres.pool import Database
from bench.replay import Statement, record, replay
from tests.databases import Project

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Listening:
    """Keeps what is sent, as a bare connection would send it."""

    def __init__(self) -> None:
        self.sent: list[tuple[object, ...]] = []

    async def execute(self, text: str) -> None:
        self.sent.append((text,))

    async def fetch(self, text: str, *parameters: object) -> None:
        self.sent.append((text, *parameters))


def test_times_are_moved_and_nothing_else_is() -> None:
    statements = (Statement("BEGIN", (), None), Statement("select $1, $2, $3", (AT, [AT, None], 7), None))
    connection, hour = Listening(), timedelta(hours=1)
    asyncio.run(replay(connection, statements, later=hour))  # type: ignore[arg-type] # only these two are called
    assert connection.sent == [("BEGIN",), ("select $1, $2, $3", AT + hour, [AT + hour, None], 7)]


async def ask(database: Database) -> None:
    async with database.connection() as connection, database.transaction(connection):
        await connection.fetchval("select 1 + $1::integer", 2)


async def test_what_is_recorded_can_be_sent_again_by_a_bare_connection(project: Project) -> None:
    settings = project.settings()
    statements = await record(settings, lambda database: partial(ask, database))
    connection = await asyncpg.connect(settings.database_url.get_secret_value(), statement_cache_size=0)
    try:
        await replay(connection, statements)
    finally:
        await connection.close()
    texts = [statement.text for statement in statements]
    assert texts[0].startswith("begin")
    assert texts[-2:] == ["select 1 + $1::integer", "commit"]
