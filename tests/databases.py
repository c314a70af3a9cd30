"""Real databases for the tests: a cluster for each version, a database of its own for each test."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import asyncpg
import pytest

from app.contract.check import Check, Outcome
from app.contract.load import load_contract
from app.demo.database import DRIFTS, LOGIN, NO_DRIFT, OWNER, create_project, create_roles
from app.demo.scripts import script
from app.demo.server import EmbeddedPostgres
from app.diagnostics import Diagnostics, SchemaReport
from app.postgres.pool import Database
from app.render.fix import fix_sql
from app.settings import Settings, load_settings

SECRET = "a-secret-only-for-tests-of-48-bytes-0123456789ab"
NEWEST = 18
VERSIONS = (18, 16, 15)
DEBIAN_BINARIES = Path("/usr/lib/postgresql/15/bin")
TEMPLATES = {"documented": NO_DRIFT, "two_migrations": DRIFTS["two-migrations"]}

Case = TypeVar("Case")
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

numbers = itertools.count(1)


def in_turn(cases: Iterable[Case]) -> list[tuple[int, Case]]:
    """Each case on the newest version, and on one of the older ones in turn: what differs there shows in some."""
    return [
        (version, case)
        for older, case in zip(itertools.cycle(VERSIONS[1:]), cases, strict=False)
        for version in (NEWEST, older)
    ]


@dataclass(frozen=True)
class Project:
    """One database, copied from a template, and how to look at it."""

    cluster: EmbeddedPostgres
    name: str

    def url(self, user: str = LOGIN, password: str | None = None) -> str:
        return self.cluster.url(user, self.name, password)

    def settings(self, **overrides: object) -> Settings:
        given: dict[str, Any] = {"database_url": self.url(), "supabase_jwt_secret": SECRET, **overrides}
        return load_settings(env_file=None, **given)

    @asynccontextmanager
    async def connect(self, user: str = "supabase_admin") -> AsyncIterator[Connection]:
        connection: Connection = await asyncpg.connect(self.url(user))
        try:
            yield connection
        finally:
            await connection.close()

    async def execute(self, sql: str, user: str = "supabase_admin") -> None:
        async with self.connect(user) as connection:
            await connection.execute(sql)

    async def tick_until_now(self) -> None:
        """Play the documented hour of ticks once more, so that it ends now and not when the template was made."""
        await self.execute(f"truncate strategy_tick_runs, strategy_risk_state; {script('sql', '5_ticks.sql')}")

    async def apply(self, report: SchemaReport, *numbers: int) -> None:
        """Run the parts of a report's fix (all of them without numbers), as the owner of the tables would."""
        for part in report.fix.parts:
            if not numbers or part.number in numbers:
                sql = fix_sql(report, part.number)
                assert sql is not None
                await self.execute(sql, OWNER)

    async def check(self, **overrides: object) -> SchemaReport:
        """The report, read as the service reads it."""
        settings = self.settings(**overrides)
        database = Database(settings)
        try:
            return await Diagnostics(settings, load_contract(settings.runner_contract), database).check_schema()
        finally:
            await database.close()


def with_outcome(report: SchemaReport, *outcomes: Outcome) -> dict[str, Check]:
    return {check.key: check for check in report.checks if check.outcome in outcomes}


def failures(report: SchemaReport) -> dict[str, Check]:
    """What failed, by key."""
    return with_outcome(report, Outcome.FAIL)


def outcome(report: SchemaReport, key: str) -> Outcome:
    return next(check.outcome for check in report.checks if check.key == key)


@contextmanager
def running_cluster(version: int) -> Iterator[EmbeddedPostgres]:
    """A cluster with the demo's roles and templates. Version 15 is Debian's, where the machine has it."""
    binaries = None
    if version == 15:
        if not DEBIAN_BINARIES.is_dir():
            reason = f"Postgres 15 (Debian's postgresql-15) is not in {DEBIAN_BINARIES}"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)  # Only outside CI: .ci/run installs it.
        binaries = DEBIAN_BINARIES
    with EmbeddedPostgres(version, binaries=binaries) as cluster:
        asyncio.run(_fill(cluster))
        yield cluster


async def _fill(cluster: EmbeddedPostgres) -> None:
    await create_roles(cluster)
    connection: Connection = await asyncpg.connect(cluster.url())
    try:
        for template, drift in TEMPLATES.items():
            await connection.execute(f"create database {template} owner {OWNER}")
            await create_project(cluster, database=template, drift=drift)
        await connection.execute("create database nothing")
    finally:
        await connection.close()


@asynccontextmanager
async def new_project(cluster: EmbeddedPostgres, template: str = "documented") -> AsyncIterator[Project]:
    """A copy of a template, dropped afterwards; and a cluster without the roles a test added."""
    name = f"project_{next(numbers)}"
    async with AsyncExitStack() as stack:
        connection: Connection = await asyncpg.connect(cluster.url())
        stack.push_async_callback(connection.close)
        await connection.execute(f"create database {name} template {template} strategy file_copy")
        stack.push_async_callback(connection.execute, f"drop database {name} with (force)")
        yield Project(cluster, name)
