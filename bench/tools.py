"""The tools of the comparison, each run for real; what one says of a database is a set of complaints."""

import asyncio
import os
import re
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import msgspec

from app.errors import ConfigurationError
from bench.assertions import PROFILES, SCHEMA
from tests.databases import Project, failures
from tests.mutations import CONTRACT

INSTALL = {
    "pg_prove": "apt-get install postgresql-15-pgtap libtap-parser-sourcehandler-pgtap-perl",
    "migra": (
        "python3 -m venv TOOLS; TOOLS/bin/pip install 'setuptools<80' 'sqlalchemy<2.1' psycopg2-binary migra;"
        " then give --tools TOOLS"
    ),
    "supabase": "mkdir -p TOOLS; npm install --prefix TOOLS supabase; then give --tools TOOLS",
}
TABLES = frozenset({*(table.name for table in CONTRACT.tables), PROFILES})
OF_OUR_TABLES = re.compile(rf'\b{SCHEMA}"?\."?({"|".join(sorted(TABLES))})')
# On a copy that nobody has queried every index is unused: that says when the copy was made, not how it differs.
OF_TRAFFIC = frozenset({"unused_index"})


class CrashError(Exception):
    """A tool ended with an error of its own, which is no word about the database."""


class Tool(Protocol):
    """`name` and `version` are for the document; `silent` says that an undrifted database yields no complaint."""

    name: str
    version: str
    silent: bool

    async def complaints(self, project: Project) -> frozenset[str]:
        """What it says of a database. Raises CrashError."""
        ...


@dataclass(frozen=True, slots=True)
class Finished:
    code: int
    output: str
    errors: str


def find(program: str, folder: Path | None) -> str:
    """Where a program is: in the folder, as pip or npm put it there, or on the PATH. Raises ConfigurationError."""
    places = [str(folder / "bin"), str(folder / "node_modules/.bin")] if folder else []
    found = shutil.which(program, path=os.pathsep.join([*places, os.environ.get("PATH", os.defpath)]))
    if found is None:
        raise ConfigurationError(f"{program} is missing. To install it: {INSTALL[program]}")
    return found


def python_of(program: str) -> str:
    """The interpreter of the virtual environment that a program of pip's belongs to."""
    return str(Path(program).resolve().parent / "python")


async def run(*command: str, home: Path) -> Finished:
    """Run a program away from the caller's own configuration, and without telemetry."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=home,
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "DO_NOT_TRACK": "1",
            "SUPABASE_TELEMETRY_DISABLED": "1",
        },
    )
    output, errors = await process.communicate()
    return Finished(process.returncode or 0, output.decode(), errors.decode())


class Ours:
    """The report of this service; a complaint is the key of a failed check."""

    name, version, silent = "ours", f"runner-diagnostics {version('runner-diagnostics')}", True

    async def complaints(self, project: Project) -> frozenset[str]:
        return frozenset(failures(await project.check()))


class PgTap:
    """A script of assertions, run by pg_prove; a complaint is an assertion that failed, or why the script broke off."""

    silent = True

    def __init__(self, name: str, version: str, program: str, script: str, home: Path) -> None:
        self.name, self.version = name, version
        self._program, self._home = program, home
        self._file = home / f"{name.replace(' ', '-')}.sql"
        self._file.write_text(script)

    async def complaints(self, project: Project) -> frozenset[str]:
        url = project.url("supabase_admin")
        finished = await run(self._program, "--verbose", "--dbname", url, str(self._file), home=self._home)
        failed = frozenset(re.findall(r"^not ok \d+ - (.*)$", finished.output, re.MULTILINE))
        if finished.code == 0 or failed:
            return failed
        return frozenset({f"broke off: {finished.errors.strip() or finished.output.strip()}"})


class Migra:
    """The statements that would turn a database into the documented one; a complaint is one that names our tables."""

    name, silent = "migra", True

    def __init__(self, version: str, program: str, documented: str, home: Path) -> None:
        self.version = version
        self._program, self._documented, self._home = program, documented, home

    async def complaints(self, project: Project) -> frozenset[str]:
        urls = (project.url("supabase_admin"), self._documented)
        finished = await run(self._program, "--unsafe", "--with-privileges", *urls, home=self._home)
        # It exits with 2 where databases differ.
        if finished.code not in (0, 2):
            raise CrashError(finished.errors)
        return frozenset(statement for statement in finished.output.split("\n\n") if OF_OUR_TABLES.search(statement))


class Lint(msgspec.Struct):
    name: str
    metadata: dict[str, object]
    cache_key: str = msgspec.field(name="cacheKey")


class Lints(msgspec.Struct):
    results: list[Lint]


class Advisors:
    """Every advisor of the Supabase CLI, at every level; a complaint is a lint about one of our tables."""

    name, silent = "advisors", False

    def __init__(self, version: str, program: str, home: Path) -> None:
        self.version = version
        self._program, self._home = program, home

    async def complaints(self, project: Project) -> frozenset[str]:
        finished = await run(
            *(self._program, "db", "advisors", f"--remote={project.url('supabase_admin')}"),
            *("--type", "all", "--level", "info", "--fail-on", "none", "--output-format", "json"),
            home=self._home,
        )
        if finished.code != 0:
            raise CrashError(finished.errors)
        lints = msgspec.json.decode(finished.output, type=Lints).results
        return frozenset(
            lint.cache_key
            for lint in lints
            if lint.name not in OF_TRAFFIC
            and lint.metadata.get("schema") == SCHEMA
            and lint.metadata.get("name") in TABLES
        )
