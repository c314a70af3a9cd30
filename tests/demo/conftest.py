"""The demo's database as `make demo` starts with it, made once and copied for each test."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import pytest

from app.demo.database import OWNER, create_project
from app.demo.server import EmbeddedPostgres
from tests.databases import Project, new_project

TEMPLATE = "busy"


@dataclass(frozen=True)
class Busy:
    """A copy of it, and the moment at which its past day ends."""

    project: Project
    now: datetime


async def _make_template(cluster: EmbeddedPostgres, now: datetime) -> None:
    connection = await asyncpg.connect(cluster.url())
    try:
        await connection.execute(f"create database {TEMPLATE} owner {OWNER}")
        await create_project(cluster, database=TEMPLATE, active_until=now)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def busy_since() -> dict[int, datetime]:
    """By the port of a cluster, when its template was made."""
    return {}


@pytest.fixture
async def busy(cluster: EmbeddedPostgres, busy_since: dict[int, datetime]) -> AsyncIterator[Busy]:
    if cluster.port not in busy_since:
        now = datetime.now(UTC)
        await asyncio.wait_for(_make_template(cluster, now), 60)
        busy_since[cluster.port] = now
    async with new_project(cluster, TEMPLATE) as project:
        yield Busy(project, busy_since[cluster.port])
