"""`python -m bench.comparison`: which drifted databases this service, pgTAP, migra and Supabase's advisors detect.

Every cell is a run of the real tool on a real database; the result is docs/comparison.md.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from app.demo.server import EmbeddedPostgres
from app.errors import ConfigurationError
from bench.assertions import pgtap_script, read_documented
from bench.behaviour import behaviour
from bench.drifts import Drift, LookAlike, all_drifts, all_look_alikes
from bench.tools import INSTALL, Advisors, CrashError, Migra, Ours, PgTap, Tool, find, python_of, run
from bench.verdicts import Comparison, Verdict, answer, comparison_document, evidence
from tests.databases import DEBIAN_BINARIES, Project, new_project, running_cluster
from tests.mutations import CONTRACT

DOCUMENT = Path(__file__).parent.parent / "docs/comparison.md"
PGTAP_VERSION = "select default_version from pg_available_extensions where name = 'pgtap'"
MIGRA_VERSION = "from importlib.metadata import version; print(version('migra'))"
AT_ONCE = 2


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.comparison", description=__doc__)
    parser.add_argument("--tools", type=Path, help="a folder that pip and npm installed migra and supabase into")
    parser.add_argument("--evidence", type=Path, help="a file for what each tool said of each database, as JSON")
    arguments = parser.parse_args()
    folder: Path | None = arguments.tools
    try:
        programs = {name: find(name, folder and folder.absolute()) for name in INSTALL}
        with running_postgres_15() as cluster, tempfile.TemporaryDirectory() as home:
            comparison = asyncio.run(compare(cluster, programs, Path(home)))
    except ConfigurationError as error:
        sys.exit(str(error))
    DOCUMENT.write_text(comparison_document(comparison), encoding="utf-8")
    if arguments.evidence is not None:
        arguments.evidence.write_bytes(evidence(comparison))


def running_postgres_15() -> AbstractContextManager[EmbeddedPostgres]:
    """Debian's, for which it has pgTAP. Raises ConfigurationError where it is not installed."""
    if not DEBIAN_BINARIES.is_dir():
        raise ConfigurationError("Postgres 15 is missing. To install it: apt-get install postgresql-15")
    return running_cluster(15)


async def compare(cluster: EmbeddedPostgres, programs: dict[str, str], home: Path) -> Comparison:
    async with new_project(cluster) as documented, new_project(cluster) as untouched:
        async with untouched.connect() as connection:
            server = f"Postgres {await connection.fetchval('show server_version')}"
        tools = await make_tools(documented, programs, home)
        baselines = {tool.name: await tool.complaints(untouched) for tool in tools}
        for tool in tools:
            if tool.silent and baselines[tool.name]:
                raise RuntimeError(f"{tool.name} complains of the documented database: {baselines[tool.name]}")
        bench = Bench(cluster, tools, baselines, asyncio.Semaphore(AT_ONCE))
        drifts = await asyncio.gather(*map(bench.judge_drift, all_drifts()))
        look_alikes = await asyncio.gather(*map(bench.judge_look_alike, all_look_alikes()))
    return Comparison(server, tools, drifts, look_alikes)


async def make_tools(documented: Project, programs: dict[str, str], home: Path) -> list[Tool]:
    """The tools with what each needs to know of the documented database, and their versions as they tell them."""
    async with documented.connect() as connection:
        read = await read_documented(connection, CONTRACT)
        pgtap = await connection.fetchval(PGTAP_VERSION)
    if pgtap is None:
        raise ConfigurationError(f"pgTAP is missing. To install it: {INSTALL['pg_prove']}")
    told = await run(programs["supabase"], "--version", home=home)
    # migra does not tell its version; the Python that pip installed it for does.
    migra = await run(python_of(programs["migra"]), "-c", MIGRA_VERSION, home=home)
    prove, assertions = programs["pg_prove"], pgtap_script(CONTRACT, read)
    return [
        Ours(),
        PgTap("pgTAP", f"pgTAP {pgtap}", prove, assertions, home),
        PgTap("pgTAP and tests by hand", f"pgTAP {pgtap}", prove, pgtap_script(CONTRACT, read, *behaviour()), home),
        Migra(f"migra {migra.output.strip()}", programs["migra"], documented.url("supabase_admin"), home),
        Advisors(f"supabase {told.output.strip()}", programs["supabase"], home),
    ]


@dataclass(frozen=True, slots=True)
class Bench:
    cluster: EmbeddedPostgres
    tools: Sequence[Tool]
    baselines: dict[str, frozenset[str]]
    turns: asyncio.Semaphore

    async def judge_drift(self, drift: Drift) -> Verdict:
        """Ours has found a drift only if it fails the checks that say what was done; of the others any word will do."""
        said = await self._said(drift.sql, drift.template)
        enough = {Ours.name: set(drift.keys)}
        answers = {name: answer(words, enough.get(name)) for name, words in said.items()}
        return Verdict(drift.about, drift.keys, said, answers)

    async def judge_look_alike(self, look_alike: LookAlike) -> Verdict:
        said = await self._said(look_alike.sql, "documented")
        return Verdict(look_alike.about, (), said, {name: answer(words) for name, words in said.items()})

    async def _said(self, sql: str, template: str) -> dict[str, frozenset[str] | None]:
        """What each tool says that it does not say of the documented database; None where it crashed."""
        said: dict[str, frozenset[str] | None] = {}
        async with self.turns, new_project(self.cluster, template) as project:
            if sql:
                await project.execute(sql)
            for tool in self.tools:
                try:
                    said[tool.name] = await tool.complaints(project) - self.baselines[tool.name]
                except CrashError:
                    said[tool.name] = None
        return said


if __name__ == "__main__":
    main()
