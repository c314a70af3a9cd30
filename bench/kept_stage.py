"""Our service on a database of many ticks, and the connections that its floors are measured on."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from app.demo.server import HOST
from app.postgres.pool import Connection
from app.settings import Settings
from bench.kept import LARGEST, SECRET, KeptTicks
from bench.stage import Service, admin_token, run_service

# Figures, not answers in time, are asked for; what takes longer than a request may is said beside them.
TIMEOUT_MS = 60_000


@dataclass(frozen=True, slots=True)
class KeptStage:
    """`directory` is an empty one, for services to start in, so that none reads somebody's `.env` file."""

    settings: Settings
    directory: Path
    token: str

    @classmethod
    def of(cls, ticks: KeptTicks, directory: Path, database: str = LARGEST) -> "KeptStage":
        settings = ticks.settings(database).model_copy(update={"database_timeout_ms": TIMEOUT_MS})
        return cls(settings, directory, admin_token(settings))

    @property
    def url(self) -> str:
        return self.settings.database_url.get_secret_value()

    @contextmanager
    def service(self, *, cache_ms: int, factory: str = "app.main:app") -> Iterator[Service]:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "DATABASE_URL": self.url,
            "DATABASE_TIMEOUT_MS": str(TIMEOUT_MS),
            "SUPABASE_JWT_SECRET": SECRET,
            "REPORT_CACHE_MS": str(cache_ms),
        }
        with run_service(factory, self.directory, environment) as service:
            yield service

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Connection]:
        """A bare connection that is the reading role, without asyncpg's statement cache, which we do without too."""
        connection: Connection = await asyncpg.connect(self.url, statement_cache_size=0)
        try:
            await connection.execute(f"set role {self.settings.database_role}")
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def login(self) -> AsyncIterator[Connection]:
        """A bare connection on which statements are replayed that say themselves who they become."""
        connection: Connection = await asyncpg.connect(self.url, statement_cache_size=0)
        try:
            yield connection
        finally:
            await connection.close()

    def request(self, path: str, accept: str = "*/*") -> bytes:
        headers = f"Host: {HOST}\r\nAuthorization: Bearer {self.token}\r\nAccept: {accept}\r\n"
        return f"GET {path} HTTP/1.1\r\n{headers}\r\n".encode()
