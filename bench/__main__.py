"""`make bench`: the ratios as one table, how cost grows, what viewers cost, and the machine that all that depends on.

`make bench ARGS='--only ticks'` measures on the database of ten million ticks alone; `--only pulse` and `--only pages`
are parts of that: the runner's status, and its ticks. `--only service`, `growth` and `viewers` are the rest.
"""

import argparse
import asyncio
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path

import asyncpg
import msgspec
import uvloop

from app.contract.load import load_contract
from app.demo.server import HOST
from app.diagnostics import Diagnostics
from app.postgres.pool import Connection, Database
from bench.constant import measure_constancy
from bench.growth import measure_growth, print_growth
from bench.kept import KeptTicks, default_cache, kept_ticks
from bench.kept_stage import KeptStage
from bench.load import LoadGenerator
from bench.pages import measure_pages
from bench.pulse import measure_pulse
from bench.ratios import Batch, Comparison, Measurement, Unit, measure, print_table
from bench.replay import Statement, record, replay
from bench.stage import Stage, megabytes, run_service, set_stage
from bench.viewers import print_viewers, run_viewers

CALLERS = 16
REQUESTS = 1000
REPORTS = 2
LONGEST_PROGRAM_SECONDS = 20
VIEWERS, WATCHED_SECONDS = (1, 10, 100, 1000), 90.0

LIVEZ = "/livez"
SCHEMA = "/api/runner/schema"
FRESH = f"{SCHEMA}?refresh=true"

# The third parties that `python -X importtime` shows for `check`; the others come with these. Of rich, writing to a
# pipe needs no more than this.
IMPORTS = "import asyncpg, msgspec, pydantic_settings, rich.text, typer"


def main() -> None:
    arguments = _arguments()
    # What others take of the machine widens the spread, and moves the medians when it is a lot.
    waiting, _, _ = os.getloadavg()
    measurements, notes = [], [f"Load average before the start: {waiting:.1f}."]
    load = LoadGenerator()
    if arguments.only in (None, "service"):
        with set_stage() as stage:
            measurements += uvloop.run(_measure_all(stage, load))
            notes += [_machine(stage), _imports()]
            notes.append(f"After all that the service holds {megabytes(stage.service_id, 'VmRSS'):.0f} MB.")
        notes.append(f"The load generator took at most {load.busiest:.0%} of a core.")
    if arguments.only in (None, "ticks", "pulse", "pages"):
        with kept_ticks(arguments.cache) as ticks, tempfile.TemporaryDirectory() as empty:
            measurements += uvloop.run(_measure_kept(ticks, Path(empty), load, arguments.only))
            notes.append(_built(ticks))
    if measurements:
        print_table(measurements, notes)
    if arguments.only in (None, "growth"):
        with kept_ticks(arguments.cache) as ticks, tempfile.TemporaryDirectory() as empty:
            print_growth(uvloop.run(measure_growth(ticks, Path(empty))), arguments.draw)
    if arguments.only in (None, "viewers"):
        print_viewers([run_viewers(viewers, WATCHED_SECONDS) for viewers in VIEWERS])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parts = ("service", "ticks", "pulse", "pages", "growth", "viewers")
    parser.add_argument("--only", choices=parts, help="one part of it")
    parser.add_argument("--draw", type=Path, help="a folder for drawings of the growth")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(os.environ.get("BENCH_CACHE") or default_cache()),
        help="where the databases with many ticks are kept (BENCH_CACHE, %(default)s)",
    )
    return parser.parse_args()


async def _measure_kept(ticks: KeptTicks, directory: Path, load: LoadGenerator, only: str | None) -> list[Measurement]:
    measurements = []
    if only in (None, "ticks"):
        measurements += await measure_constancy(ticks)
    stage = KeptStage.of(ticks, directory)
    if only != "pulse":
        measurements += await measure_pages(stage, load)
    if only != "pages":
        await ticks.bring_up_to_date()
        measurements += await measure_pulse(stage, load)
    return measurements


def _built(ticks: KeptTicks) -> str:
    if ticks.built_in is None:
        return "The databases with many ticks were there already."
    return f"The databases with many ticks were built in {ticks.built_in:.0f} seconds."


async def _measure_all(stage: Stage, load: LoadGenerator) -> list[Measurement]:
    contract = load_contract(stage.settings.runner_contract)

    def reports(database: Database) -> Callable[[], Awaitable[object]]:
        return Diagnostics(stage.settings, contract, database).check_schema

    statements = await record(stage.settings, reports)
    url = stage.settings.database_url.get_secret_value()
    uncached: Connection = await asyncpg.connect(url, statement_cache_size=0)
    cached: Connection = await asyncpg.connect(url)
    try:
        comparisons = [
            *_http(stage, load),
            *_reports(stage, load, _replay(uncached, statements), _replay(cached, statements)),
            _command(stage),
            _start(stage),
        ]
        return [await measure(comparison) for comparison in comparisons]
    finally:
        await uncached.close()
        await cached.close()


def _http(stage: Stage, load: LoadGenerator) -> list[Comparison]:
    def requests(port: int, path: str) -> Batch:
        return lambda: load.batch(port, _request(stage, path), requests=REQUESTS, callers=CALLERS)

    return [
        Comparison(
            title,
            floor_title,
            ours=requests(stage.service_port, path),
            floor=requests(port, path),
            unit=Unit.PER_SECOND,
            work=REQUESTS,
            rounds=25,
            aim=aim,
        )
        for title, floor_title, path, port, aim in (
            (LIVEZ, "a bare FastAPI route", LIVEZ, stage.bare_port, 0.8),
            (LIVEZ, "a bare Starlette route", LIVEZ, stage.starlette_port, None),
            (LIVEZ, "a bare ASGI app", LIVEZ, stage.asgi_port, None),
            (f"{SCHEMA}, cached", "a bare FastAPI route, same bytes", SCHEMA, stage.bare_port, 0.7),
        )
    ]


def _reports(stage: Stage, load: LoadGenerator, uncached: Batch, cached: Batch) -> list[Comparison]:
    """One caller at a time; `uncached` and `cached` replay the statements of REPORTS reports."""

    async def reports() -> float:
        return await load.batch(stage.service_port, _request(stage, FRESH), requests=REPORTS, callers=1)

    return [
        Comparison(
            FRESH,
            "its statements, replayed",
            ours=reports,
            floor=uncached,
            unit=Unit.MILLISECONDS,
            work=REPORTS,
            rounds=40,
            aim=1.3,
        ),
        Comparison(
            "its statements, replayed",
            "with asyncpg's statement cache",
            ours=uncached,
            floor=cached,
            unit=Unit.MILLISECONDS,
            work=REPORTS,
            rounds=25,
        ),
    ]


def _command(stage: Stage) -> Comparison:
    """From start to exit."""
    check = Path(sys.executable).with_name("runner-diagnostics")
    return Comparison(
        "runner-diagnostics check",
        "its third-party imports",
        ours=_program(stage, str(check), "check"),
        floor=_program(stage, sys.executable, "-c", IMPORTS),
        unit=Unit.MILLISECONDS,
        work=1,
        rounds=15,
        aim=1.6,
    )


def _start(stage: Stage) -> Comparison:
    """From the start of a process to its first answer."""

    def started(factory: str) -> Batch:
        def seconds() -> float:
            began = time.perf_counter()
            with run_service(factory, stage.directory):
                return time.perf_counter() - began

        return lambda: asyncio.to_thread(seconds)

    return Comparison(
        f"start to the first {LIVEZ}",
        "that of a bare FastAPI app",
        ours=started("app.main:app"),
        floor=started("bench.bare:app"),
        unit=Unit.MILLISECONDS,
        work=1,
        rounds=9,
    )


def _replay(connection: Connection, statements: tuple[Statement, ...]) -> Batch:
    async def seconds() -> float:
        began = time.perf_counter()
        for _ in range(REPORTS):
            await replay(connection, statements)
        return time.perf_counter() - began

    return seconds


def _program(stage: Stage, *command: str) -> Batch:
    def run() -> None:
        subprocess.run(
            command, cwd=stage.directory, stdout=subprocess.DEVNULL, check=True, timeout=LONGEST_PROGRAM_SECONDS
        )

    async def seconds() -> float:
        began = time.perf_counter()
        await asyncio.to_thread(run)
        return time.perf_counter() - began

    return seconds


def _imports() -> str:
    """What the service imports first hand, the slowest first."""
    program = [sys.executable, "-X", "importtime", "-c", "import app.main"]
    told = subprocess.run(program, capture_output=True, text=True, check=True, timeout=LONGEST_PROGRAM_SECONDS)
    packages: Counter[str] = Counter()
    for own, name in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", told.stderr):
        packages[name.partition(".")[0]] += int(own)
    slowest = ", ".join(f"{name} {own / 1000:.0f} ms" for name, own in packages.most_common(6))
    return f"Importing the service takes {packages.total() / 1000:.0f} ms, by package: {slowest}."


def _request(stage: Stage, path: str) -> bytes:
    """The same for both services; the bare one looks at neither header."""
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {stage.token}\r\n\r\n".encode()


def _machine(stage: Stage) -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("fastapi", "uvicorn", "uvloop", "asyncpg"))
    postgres = msgspec.json.decode(stage.report)["database"]["serverVersion"]
    return f"{os.cpu_count()} CPUs, Python {platform.python_version()}, Postgres {postgres}; {libraries}."


if __name__ == "__main__":
    main()
