"""Fixtures: a cluster a version for the whole run, a database a test."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from app.demo.server import EmbeddedPostgres
from app.postgres.statements import statement
from app.settings import Settings
from tests.databases import NEWEST, Project, new_project, running_cluster
from tests.stored_rows import moment

MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 8 * 2**30


def pytest_configure() -> None:
    """Clusters lie in memory where it has room, those of the programs that are tested, too: a template is copied there
    in a tenth of the time.
    """
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_NEEDED:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


@pytest.fixture(scope="session")
def clusters() -> Iterator[Callable[[int], EmbeddedPostgres]]:
    """Starts a version's cluster when it is first asked for."""
    with ExitStack() as stack:

        @cache
        def start(version: int) -> EmbeddedPostgres:
            return stack.enter_context(running_cluster(version))

        yield start


@pytest.fixture
def version() -> int:
    """The version a test runs on; parametrised where it runs on several."""
    return NEWEST


@pytest.fixture
def cluster(clusters: Callable[[int], EmbeddedPostgres], version: int) -> EmbeddedPostgres:
    return clusters(version)


@pytest.fixture
def template() -> str:
    """The state a test's database starts in; parametrised where another is wanted."""
    return "documented"


@pytest.fixture
async def project(cluster: EmbeddedPostgres, template: str) -> AsyncIterator[Project]:
    async with new_project(cluster, template) as project:
        yield project


@pytest.fixture
async def ticking(project: Project, template: str) -> None:
    """A documented database has ticks of this minute."""
    if template == "documented":
        await project.tick_until_now()


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings come from the test alone."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the database takes for now, in microseconds, is the last of these: the only thing that is not real here."""
    now: list[int] = []

    def told(name: str, identifiers: Mapping[str, str] | None = None, *, condition: str = "") -> str:
        text = statement(name, identifiers, condition=condition)
        if name != "as_of":
            return text
        assert text.count("pg_catalog.now()") == 1
        return text.replace("pg_catalog.now()", f"'{moment(now[-1])}'::timestamptz")

    monkeypatch.setattr("app.postgres.sections.statement", told)
    return now
