"""The floor of a page over HTTP: a bare FastAPI route that sends what ours sends, and answers with what it read."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, Response

from app.postgres.pool import Connection, Database
from app.postgres.tick_filter import TickFilter
from app.postgres.ticks import Ticks
from app.settings import Settings, load_settings
from bench.replay import Statement, record

SIZES = (50, 500)  # As many ticks as there are without a limit, and the most.


async def page_statements(settings: Settings, limit: int) -> tuple[Statement, ...]:
    """What the newest page sends: the transaction, the SELECT, and the end."""
    wanted = TickFilter()

    def reader(database: Database) -> Callable[[], Awaitable[object]]:
        ticks = Ticks(database, settings)
        return lambda: ticks.page(wanted, wanted.start, limit=limit)

    return await record(settings, reader)


def app() -> FastAPI:
    """A factory for uvicorn. What is sent is recorded as it starts; whoever asks is let in."""
    settings = load_settings(env_file=None)

    @asynccontextmanager
    async def lifespan(bare: FastAPI) -> AsyncIterator[None]:
        url = settings.database_url.get_secret_value()
        pool = await asyncpg.create_pool(url, statement_cache_size=0, reset=_nothing_to_reset)
        for limit in SIZES:
            bare.add_api_route(f"/{limit}", _page(pool, await page_statements(settings, limit)))
        yield
        pool.terminate()

    bare = FastAPI(openapi_url=None, lifespan=lifespan)

    @bare.get("/livez")
    async def livez() -> Response:
        return Response()

    return bare


def _page(pool: "asyncpg.Pool[asyncpg.Record]", statements: tuple[Statement, ...]) -> Callable[[], Awaitable[Response]]:
    async def page() -> Response:
        async with pool.acquire() as connection:
            lines = await _lines(connection, statements)
        return Response(f'{{"tickRuns":[{lines}]}}', media_type="application/json")

    return page


async def _nothing_to_reset(_connection: Connection) -> None:
    """What asyncpg sends there would cost a round trip."""


async def _lines(connection: Connection, statements: tuple[Statement, ...]) -> str:
    lines = ""
    for statement in statements:
        if statement.controls:
            await connection.execute(statement.text)
        else:
            lines = await connection.fetchval(statement.text, *statement.parameters)
    return lines
