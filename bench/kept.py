"""Databases from none to ten million ticks, with production's indexes, built once and kept.

The ticks lead up to a moment, `as_of`, and 2.9 of the ten million lie in the 24 hours before it. What depends on time
needs that moment to be now, which `bring_up_to_date` makes of it by moving all ticks at once. The other ways are worse:
to build anew takes twice as long; ticks that lie ahead are a fault that the product reports; a database with another
clock is no longer the one that people run; and a figure for "24 hours" that shrinks by the age of the database is none.
Most measurements do not depend on time, and leave the ticks where they are.
"""

import asyncio
import fcntl
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import asyncpg

from app.demo.database import LOGIN, OWNER, create_project, create_roles, migration_files
from app.demo.scripts import script
from app.demo.server import EmbeddedPostgres
from app.errors import ConfigurationError
from app.postgres.pool import Connection
from app.settings import Settings, load_settings


@dataclass(frozen=True, slots=True)
class Size:
    """Each cycle is a tick of every strategy."""

    strategies: int
    cycles: int

    @property
    def ticks(self) -> int:
        return self.strategies * self.cycles


LARGEST = "ten_million_ticks"
# By the name of the database.
SIZES = {
    "no_ticks": Size(1000, 0),
    "ten_thousand_ticks": Size(1000, 10),
    "hundred_thousand_ticks": Size(1000, 100),
    "million_ticks": Size(1000, 1000),
    LARGEST: Size(1000, 10_000),
    "hundred_strategies": Size(100, 10_000),
    "ten_thousand_strategies": Size(10_000, 100),
}
SECRET = "nobody-signs-in-here-but-settings-want-one"
PEOPLE = ("1_roles.sql", "2_supabase.sql", "3_platform.sql", "4_people.sql")
BUILDING = ("strategies.sql", "ticks.sql")
UP_TO_DATE = timedelta(minutes=1)
PREFIX = "ticks-"


@dataclass(frozen=True, slots=True)
class KeptTicks:
    """The running cluster of them. `built_in` is the seconds it took to build, None where it was there already."""

    cluster: EmbeddedPostgres
    built_in: float | None

    def settings(self, database: str = LARGEST) -> Settings:
        """To look at one of them as the service does. No `.env` file is read."""
        url = self.cluster.url(LOGIN, database)
        return load_settings(env_file=None, database_url=url, supabase_jwt_secret=SECRET)

    async def as_of(self, database: str = LARGEST) -> datetime:
        """The moment that the ticks lead up to."""
        connection = await asyncpg.connect(self.cluster.url(OWNER, database))
        try:
            found: datetime = await connection.fetchval(_text("newest.sql"))
            return found
        finally:
            await connection.close()

    async def bring_up_to_date(self, database: str = LARGEST) -> None:
        """Move the ticks of a database so that they lead up to now, if they do not: half a minute for ten million.

        By whole half minutes, so that each keeps its place before its boundary.
        """
        age = datetime.now(UTC) - await self.as_of(database)
        if age < UP_TO_DATE:
            return
        connection = await asyncpg.connect(self.cluster.url(OWNER, database))
        try:
            shift = f"{int(age.total_seconds()) // 30 * 30} seconds"
            await connection.execute("select pg_catalog.set_config('bench.shift', $1, false)", shift)
            await connection.execute("set maintenance_work_mem = '512MB'")
            await connection.execute(_text("shift.sql"))
            await connection.execute("vacuum analyze public.strategy_tick_runs")
        finally:
            await connection.close()


def default_cache() -> Path:
    """Where caches belong; for root, whose own folder nobody else may enter, Postgres's user included, the system's."""
    if os.geteuid() == 0:
        return Path("/var/cache/runner-diagnostics")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "runner-diagnostics"


@contextmanager
def kept_ticks(cache: Path) -> Iterator[KeptTicks]:
    """The cluster in that folder, running while inside; built where there is none yet, or one by another recipe.

    Raises ConfigurationError while somebody else uses the folder.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(f"Somebody else is measuring with {cache}.") from error
        directory = cache / f"{PREFIX}{_recipe()}"
        built_in = None
        if not directory.exists():
            for other in cache.glob(f"{PREFIX}*"):
                shutil.rmtree(other)
            built_in = _build(directory)
        with EmbeddedPostgres(kept=directory) as cluster:
            yield KeptTicks(cluster, built_in)


def _recipe() -> str:
    """What changes when any of what the databases are made by does."""
    texts = [
        *(_text(file) for file in BUILDING),
        *(script("sql", file) for file in PEOPLE),
        *(script("migrations", file) for file in migration_files()),
        Path(__file__).read_text(encoding="utf-8"),
    ]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def _build(directory: Path) -> float:
    """Under another name, so that one that was never finished is not taken for one that was."""
    print("Building a database of ten million ticks, once, which takes a minute or two ...", file=sys.stderr)
    unfinished = directory.with_suffix(".building")
    began = time.perf_counter()
    with EmbeddedPostgres(kept=unfinished) as cluster:
        asyncio.run(_fill(cluster))
    unfinished.rename(directory)
    return time.perf_counter() - began


async def _fill(cluster: EmbeddedPostgres) -> None:
    await create_roles(cluster)
    connection: Connection = await asyncpg.connect(cluster.url())
    try:
        for database in SIZES:
            await connection.execute(f"create database {database} owner {OWNER}")
    finally:
        await connection.close()
    as_of = datetime.now(UTC)
    for database, size in SIZES.items():
        await create_project(cluster, database=database)
        connection = await asyncpg.connect(cluster.url(database=database))
        try:
            await connection.execute(
                "select pg_catalog.set_config('bench.strategies', $1, false)", str(size.strategies)
            )
            await connection.execute(_text("strategies.sql"))
            await _fill_ticks(connection, as_of, size.cycles)
            await connection.execute("vacuum analyze")
        finally:
            await connection.close()


async def _fill_ticks(connection: Connection, as_of: datetime, cycles: int) -> None:
    """Without foreign keys to ask and indexes to keep up; the indexes are then made again as they were."""
    indexes = await connection.fetch(
        """
        select index.indexrelid::regclass::text as name, pg_get_indexdef(index.indexrelid) as definition
        from pg_index as index
        where index.indrelid = 'public.strategy_tick_runs'::regclass and not index.indisprimary
        order by name
        """
    )
    await connection.execute("truncate public.strategy_tick_runs")
    await connection.execute("set session_replication_role = replica")
    await connection.execute("set maintenance_work_mem = '512MB'")
    await connection.execute("alter table public.strategy_tick_runs drop constraint strategy_tick_runs_pkey")
    for index in indexes:
        await connection.execute(f"drop index {index['name']}")
    await connection.execute(_text("ticks.sql"), as_of, cycles)
    await connection.execute("alter table public.strategy_tick_runs add primary key (id)")
    for index in indexes:
        await connection.execute(index["definition"])


def _text(file: str) -> str:
    return (resources.files("bench") / "sql" / file).read_text(encoding="utf-8")
