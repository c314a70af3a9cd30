"""Programs that run a fix as its users do: psql and the Supabase CLI."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.demo.database import OWNER
from app.demo.server import wheel_binaries
from app.diagnostics import SchemaReport
from app.render.fix import fix_sql
from tests.databases import NEWEST, Project

SUPABASE = Path(__file__).parent.parent / ".ci/node_modules/.bin/supabase"


@dataclass(frozen=True)
class Finished:
    code: int
    output: str
    errors: str


async def run(*command: str | Path, cwd: Path) -> Finished:
    """A program with an environment and a home of its own."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(cwd),
            "LC_ALL": "C.UTF-8",
            "PGOPTIONS": "-c client_min_messages=warning",
            "DO_NOT_TRACK": "1",
            "SUPABASE_TELEMETRY_DISABLED": "1",
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return Finished(process.returncode or 0, output.decode(), errors.decode())


async def psql(project: Project, file: Path, *options: str) -> Finished:
    """`psql -f`, as the owner; without options each statement is a transaction of its own."""
    program = wheel_binaries(NEWEST) / "psql"
    flags = ("-X", "-q", "-v", "ON_ERROR_STOP=1", *options)
    return await run(program, *flags, "-d", project.url(OWNER), "-f", file, cwd=file.parent)


def write_fix(report: SchemaReport, folder: Path) -> list[Path]:
    """The files, as `fix --output` writes them."""
    files = []
    for part in report.fix.parts:
        file = folder / part.file
        file.write_text(fix_sql(report, part.number) or "", encoding="utf-8", newline="")
        files.append(file)
    return files


def supabase() -> Path:
    """The Supabase CLI in the version that .ci/package.json names."""
    if not SUPABASE.exists():
        reason = f"The Supabase CLI is not in {SUPABASE.parent}: npm install --prefix .ci"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)  # Only outside CI: .ci/run installs it.
    return SUPABASE
