"""`python -m bench.others --tools FOLDER`: how long this takes, and what people use instead, on the same database.

The tools are those of docs/comparison.md, and installed in the same way.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path

from app.demo.server import EmbeddedPostgres
from app.errors import ConfigurationError
from bench.comparison import make_tools, running_postgres_15
from bench.load import LoadGenerator
from bench.ratios import Batch, Comparison, Measurement, Unit, measure, print_table
from bench.stage import Service, admin_token, run_service
from bench.tools import INSTALL, Finished, Tool, find, run
from tests.databases import DEBIAN_BINARIES, SECRET, Project, new_project

REPORT = "/api/runner/schema?refresh=true"
CHECK = Path(sys.executable).with_name("runner-diagnostics")
PSQL = DEBIAN_BINARIES / "psql"
ROUNDS = 7


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.others", description=__doc__)
    parser.add_argument("--tools", type=Path, help="a folder that pip and npm installed migra and supabase into")
    folder: Path | None = parser.parse_args().tools
    try:
        programs = {name: find(name, folder and folder.absolute()) for name in INSTALL}
        with running_postgres_15() as cluster, tempfile.TemporaryDirectory() as home:
            measurements, versions = asyncio.run(measure_others(cluster, programs, Path(home)))
    except ConfigurationError as error:
        sys.exit(str(error))
    print_table(measurements, [f"{', '.join(versions)}; the documented database, on loopback."])


async def measure_others(
    cluster: EmbeddedPostgres, programs: dict[str, str], home: Path
) -> tuple[list[Measurement], list[str]]:
    """A report of a running service against assertions, and our command line against the others'."""
    async with new_project(cluster) as documented, new_project(cluster) as project:
        _, assertions, _, migra, advisors = await make_tools(documented, programs, home)
        environment = {"DATABASE_URL": project.url(), "SUPABASE_JWT_SECRET": SECRET, "REPORT_CACHE_MS": "0"}
        file = home / "verification.sql"
        file.write_text((resources.files("bench") / "sql" / file.name).read_text(encoding="utf-8"))

        async def check() -> Finished:
            return await run(str(CHECK), "check", "--database-url", project.url(), home=home)

        async def by_hand() -> Finished:
            return await run(str(PSQL), project.url("supabase_admin"), "-qXf", str(file), home=home)

        with run_service("app.main:app", home, environment) as service:
            comparisons = [
                _row(
                    f"GET {REPORT}",
                    "pg_prove, the same assertions",
                    _asked(service, project),
                    _used(assertions, project),
                    1,
                ),
                _row("runner-diagnostics check", "supabase db advisors", _ran(check), _used(advisors, project), 1),
                _row("runner-diagnostics check", "migra", _ran(check), _used(migra, project), None),
                _row("runner-diagnostics check", "three queries by psql", _ran(check), _ran(by_hand), None),
            ]
            measured = [await measure(comparison) for comparison in comparisons]
        return measured, [tool.version for tool in (assertions, migra, advisors)]


def _row(title: str, floor_title: str, ours: Batch, floor: Batch, aim: float | None) -> Comparison:
    return Comparison(
        title, floor_title, ours=ours, floor=floor, unit=Unit.MILLISECONDS, work=1, rounds=ROUNDS, aim=aim
    )


def _asked(service: Service, project: Project) -> Batch:
    load = LoadGenerator()
    head = f"Host: localhost\r\nAuthorization: Bearer {admin_token(project.settings())}\r\n\r\n"
    request = f"GET {REPORT} HTTP/1.1\r\n{head}".encode()
    return lambda: load.batch(service.port, request, requests=1, callers=1)


def _used(tool: Tool, project: Project) -> Batch:
    async def seconds() -> float:
        began = time.perf_counter()
        await tool.complaints(project)
        return time.perf_counter() - began

    return seconds


def _ran(program: Callable[[], Awaitable[Finished]]) -> Batch:
    """From start to exit. Raises RuntimeError when it did not do its work, which would take less time."""

    async def seconds() -> float:
        began = time.perf_counter()
        finished = await program()
        if finished.code != 0:
            raise RuntimeError(f"A program ended with {finished.code}: {finished.errors or finished.output}")
        return time.perf_counter() - began

    return seconds


if __name__ == "__main__":
    main()
