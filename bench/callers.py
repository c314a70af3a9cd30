"""`python -m bench.callers`: many callers of every kind at once, against the service as production runs it.

The database is the demo's, where a runner writes ticks all the while. It stops by itself; exit code 1 when an aim is
missed.
"""

import argparse
import asyncio
import os
import platform
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import uvloop
from rich import box
from rich.console import Console
from rich.table import Table

from app.demo.run import admin_token as token_by_profile
from app.demo.server import HOST, EmbeddedPostgres
from app.settings import Settings
from bench.mix import SHARES, Listener, Mix, Selection
from bench.production import keep_ticking, production_stage
from bench.stage import Service, admin_token
from bench.tallies import Memory, Rows, Tallies, percentile

EVERYTHING = Selection(datetime.min.replace(tzinfo=UTC), ())
# What a stream may lag behind by: it polls every second.
STREAM_SECONDS = 4
LONGEST_PROBE_SECONDS = 1.5
MOST_GROWTH_MB = 2.0


@dataclass(frozen=True, slots=True)
class _Wanted:
    """`think` is the mean time in seconds between an answer and a caller's next request."""

    seconds: float
    callers: int
    think: float


@dataclass(frozen=True, slots=True)
class Run:
    """What was found in `seconds`; `client_cpu` is the share of a core that the callers took."""

    tallies: Tallies
    memory: Memory
    seconds: float
    callers: int
    ticks_written: int
    client_cpu: float


def main() -> None:
    arguments = _arguments()
    run = run_callers(arguments.seconds, arguments.callers, arguments.think)
    _print(run)
    aims = _aims(run)
    for aim, met in aims:
        print(f"{'met' if met else 'MISSED'}: {aim}")
    sys.exit(0 if all(met for _, met in aims) else 1)


def run_callers(seconds: float, callers: int, think: float) -> Run:
    with production_stage() as (cluster, settings, service):
        return uvloop.run(_run(cluster, settings, service, _Wanted(seconds, callers, think)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.callers", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--callers", type=int, default=200, help="at once; each has a connection of its own")
    parser.add_argument("--think", type=float, default=5.0, help="mean seconds between an answer and the next request")
    return parser.parse_args()


async def _run(cluster: EmbeddedPostgres, settings: Settings, service: Service, wanted: _Wanted) -> Run:
    assert settings.probe_token is not None
    tallies, memory = Tallies(), Memory(service.process_id)
    async with asyncpg.create_pool(cluster.url(), min_size=0, max_size=8) as pool:
        mix = Mix(
            base_url=f"http://{HOST}:{service.port}",
            admins=(admin_token(settings), token_by_profile(settings, now=time.time())),
            probe=settings.probe_token.get_secret_value(),
            pool=pool,
            tallies=tallies,
            think=wanted.think,
        )
        kinds = _kinds(wanted.callers)
        listeners = [Listener(mix) for _ in range(kinds.pop("streams"))]
        streams = [asyncio.create_task(listener.listen()) for listener in listeners]
        async with asyncio.timeout(LONGEST_PROBE_SECONDS * 10):
            await asyncio.gather(*(listener.listening.wait() for listener in listeners))
        before = await mix.ids(EVERYTHING)
        beside = [asyncio.create_task(work) for work in (keep_ticking(cluster), memory.watch())]
        began, cpu_began = time.perf_counter(), time.process_time()
        mix.ends_at = asyncio.get_running_loop().time() + wanted.seconds
        await asyncio.gather(*(mix.caller(kind) for kind, number in kinds.items() for _ in range(number)))
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
        written = await mix.ids(EVERYTHING) - before
        await asyncio.sleep(STREAM_SECONDS)
        for listener in listeners:
            tallies.streams.check(written, list(listener.heard), await mix.ids(EVERYTHING))
        await _end(*beside, *streams)
    return Run(tallies, memory, seconds, wanted.callers, len(written), cpu / seconds)


def _kinds(callers: int) -> dict[str, int]:
    """At least one of each."""
    return {kind: max(1, round(share * callers / 100)) for kind, share in SHARES.items()}


async def _end(*tasks: "asyncio.Task[None]") -> None:
    """Raises what one of them ended by before it was told to."""
    for task in tasks:
        if task.done():
            task.result()
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _print(run: Run) -> None:
    table = Table(box=box.MARKDOWN)
    table.add_column("path", no_wrap=True)
    table.add_column("answers", no_wrap=True)
    for heading in ("p50", "p95", "p99", "worst"):
        table.add_column(heading, no_wrap=True, justify="right")
    answers = run.tallies.answers
    for path, times in sorted(answers.seconds.items()):
        outcomes = ", ".join(f"{number} x {outcome}" for outcome, number in sorted(answers.outcomes[path].items()))
        figures = (*(percentile(times, wanted) for wanted in (50, 95, 99)), max(times))
        table.add_row(f"`{path}`", outcomes, *(f"{figure * 1000:,.0f} ms" for figure in figures))
    Console(width=200, highlight=False, markup=False).print(table)
    everything = [seconds for times in answers.seconds.values() for seconds in times]
    print(
        f"{run.callers} callers for {run.seconds:.0f} s: {answers.number / run.seconds:,.0f} requests a second,"
        f" p99 {percentile(everything, 99) * 1000:,.0f} ms; the runner wrote {run.ticks_written:,} ticks meanwhile."
    )
    for name, rows in (
        ("pages", run.tallies.pages),
        ("exports", run.tallies.exports),
        ("streams", run.tallies.streams),
    ):
        print(f"Rows in {name}: {_rows(rows)}.")
    memory = run.memory
    print(
        f"Memory of the service: {memory.megabytes[0]:.1f} MB at the start, {memory.megabytes[-1]:.1f} MB at the end,"
        f" {max(memory.megabytes):.1f} MB at most; {memory.slope():+.1f} MB an hour over the second half."
    )
    print(
        f"The service took {memory.cpu_seconds / run.seconds:.0%} of a core, the callers {run.client_cpu:.0%}."
        f" {os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f}, Python {platform.python_version()}."
    )


def _rows(rows: Rows) -> str:
    return f"{rows.checked:,} that had to be there, {rows.lost} lost, {rows.twice} twice, {rows.invented} invented"


def _aims(run: Run) -> list[tuple[str, bool]]:
    tallies = run.tallies
    wrong = sum(rows.wrong for rows in (tallies.pages, tallies.exports, tallies.streams))
    read = min(rows.checked for rows in (tallies.pages, tallies.exports, tallies.streams))
    probe, growth = tallies.answers.worst("/healthz", "/livez"), run.memory.grown()
    return [
        (f"no answer of 5xx, none missing ({tallies.answers.unexpected})", tallies.answers.unexpected == 0),
        (f"no row lost, twice or invented ({wrong}), and some were looked at", wrong == 0 and read > 0),
        (f"the slowest probe within {LONGEST_PROBE_SECONDS} s ({probe:.2f} s)", 0 < probe <= LONGEST_PROBE_SECONDS),
        (
            f"memory within {MOST_GROWTH_MB:.0f} MB of the quarter before the last ({growth:+.1f} MB)",
            growth <= MOST_GROWTH_MB,
        ),
    ]


if __name__ == "__main__":
    main()
