"""`runner-diagnostics ticks` as a shell runs it."""

import asyncio
import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.databases import Project
from tests.proxy import Proxy
from tests.test_cli import BARE, PROGRAM, run
from tests.ticks import RUNS, USERS, Row, insert, newest_first, refill

NOON = datetime(2026, 1, 29, 12, tzinfo=UTC)
HOSTILE = "\x1b]0;title\x07\x1b[2J\r\n\u202etxt\u009b31m\x7f"


async def ticks(project: Project, cwd: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    given = {"DATABASE_URL": project.url(), **more}
    return await asyncio.to_thread(lambda: run("ticks", *arguments, cwd=cwd, **given))


async def test_through_a_pipe_everything_is_in_full_and_newest_first(project: Project, tmp_path: Path) -> None:
    rows = [Row(NOON - timedelta(minutes=n), reason=f"user_paused: {'x' * 80}") for n in range(60)]
    await refill(project, [*rows, Row(NOON - timedelta(days=9), strategy_run_id=None, status="skipped")])
    finished = await ticks(project, tmp_path)
    assert (finished.returncode, finished.stderr) == (0, "")
    head, *lines = finished.stdout.splitlines()
    assert head.split() == ["SCHEDULED", "AT", "STATUS", "SIGNAL", "LATENCY", "RUN", "REASON"]
    assert len(lines) == 50
    assert lines[0].split(maxsplit=5) == [
        "2026-01-29T12:00:00+00:00",
        *("ok", "hold", "100ms"),
        str(RUNS[0]),
        rows[0].reason,
    ]
    everything = await ticks(project, tmp_path, "--all")
    assert len(everything.stdout.splitlines()) == 62


async def test_json_is_one_row_a_line_over_pages_that_are_short_or_empty(project: Project, tmp_path: Path) -> None:
    """Three days between what matches: more than a request looks at."""
    wanted = [Row(NOON - timedelta(days=3 * n), status="error", meta='{"a": "b"}') for n in range(3)]
    await refill(project, [*wanted, *(Row(NOON - timedelta(minutes=n)) for n in range(2000))])
    found = await ticks(project, tmp_path, "--status", "error", "--status", "blocked", "--format", "json", "--meta")
    assert (found.returncode, found.stderr) == (0, "")
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert [row["id"] for row in rows] == newest_first(wanted)
    assert [row["meta"] for row in rows] == [{"a": "b"}] * 3
    two = await ticks(project, tmp_path, "--status", "error", "--format", "json", "--limit", "2")
    assert [json.loads(line)["id"] for line in two.stdout.splitlines()] == newest_first(wanted)[:2]
    none = await ticks(project, tmp_path, "--status", "blocked", "--format", "json")
    assert (none.returncode, none.stdout, none.stderr) == (0, "", "runner-diagnostics: No tick matches.\n")


async def test_every_filter_selects(project: Project, tmp_path: Path) -> None:
    row = Row(
        NOON, strategy_run_id=RUNS[1], user_id=USERS[1], status="blocked", reason="cool", signal="buy", latency_ms=7
    )
    others = [
        *(Row(NOON, user_id=USERS[1]), Row(NOON, strategy_run_id=RUNS[1]), Row(NOON, status="blocked")),
        *(Row(NOON, reason="warm"), Row(NOON, signal="buy"), Row(NOON, latency_ms=6)),
    ]
    await refill(project, [row, *others, *(Row(NOON + timedelta(hours=n)) for n in (-1, 1))])
    for arguments, number in (
        (("--strategy-run-id", str(RUNS[1])), 2),
        (("--user-id", str(USERS[1])), 2),
        (("--status", "blocked"), 2),
        (("--reason", "coo", "--reason", "war"), 2),
        (("--signal", "buy"), 2),
        (("--min-latency-ms", "7", "--since", "2026-01-29T12:00"), 7),
        (("--since", "2026-01-29T12:00:00", "--until", "2026-01-29T14:00:00+01:00"), 7),
        (("--since", "2026-01-29T12:00:00", "--until", "2026-01-29T14:00:00.000001+0100"), 8),
        (("--status", "blocked", "--reason", "cool", "--signal", "buy"), 1),
    ):
        finished = await ticks(project, tmp_path, "--format", "json", *arguments)
        assert len(finished.stdout.splitlines()) == number, arguments


async def test_nothing_a_row_holds_reaches_a_terminal_as_more_than_text(project: Project, tmp_path: Path) -> None:
    await refill(project, [Row(NOON, reason=HOSTILE)])
    text = await ticks(project, tmp_path)
    lines = await ticks(project, tmp_path, "--format", "json")
    for finished in (text, lines):
        assert finished.stdout.replace("\n", "").isprintable()
    assert "\\x1b[2J\\r\\n\\u202etxt\\x9b31m\\x7f" in text.stdout
    assert json.loads(lines.stdout)["reason"] == HOSTILE


@pytest.mark.parametrize("output", ["text", "json"])
async def test_without_utf_8_the_same_is_said_in_ascii(project: Project, tmp_path: Path, output: str) -> None:
    await refill(project, [Row(NOON, reason="grüße \U0001f4a9")])
    plain = {"LANG": "C", "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    finished = await ticks(project, tmp_path, "--format", output, **plain)
    assert finished.returncode == 0
    assert finished.stdout.isascii()
    assert "gr\\u00fc" in finished.stdout or "gr\\xfc" in finished.stdout
    if output == "json":
        assert json.loads(finished.stdout)["reason"] == "grüße \U0001f4a9"


class Terminal:
    """A pseudo-terminal of 80 columns, and what a program showed on it, without its colours."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def line(self) -> str:
        async with asyncio.timeout(20):
            shown = (await self._reader.readline()).decode().rstrip("\r\n")
        return re.sub("\x1b\\[[0-9;]*m", "", shown)


@asynccontextmanager
async def in_terminal(
    project: Project, cwd: Path, *arguments: str
) -> AsyncIterator[tuple[Terminal, asyncio.subprocess.Process]]:
    ours, theirs = pty.openpty()
    reader = asyncio.StreamReader()
    with os.fdopen(ours, "rb", buffering=0) as file:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
        environment = {**BARE, "DATABASE_URL": project.url(), "TERM": "xterm-256color"}
        process = await asyncio.create_subprocess_exec(
            str(PROGRAM), "ticks", *arguments, stdout=theirs, stderr=subprocess.PIPE, cwd=cwd, env=environment
        )
        os.close(theirs)
        try:
            yield Terminal(reader), process
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            transport.close()


async def test_on_a_terminal_the_table_fits_79_columns(project: Project, tmp_path: Path) -> None:
    await refill(
        project, [Row(NOON, reason="界" * 90, status="blocked", latency_ms=123_456_789), Row(NOON, reason=HOSTILE)]
    )
    async with in_terminal(project, tmp_path) as (terminal, process):
        lines = [await terminal.line() for _ in range(3)]
        assert await process.wait() == 0
    assert lines[0].startswith("SCHEDULED AT         STATUS   SIGNAL")
    for line in lines:
        # Of two columns each.
        assert len(line) + line.count("界") <= 79
    assert [line[-1] for line in lines[1:]] == ["…", "…"]


async def test_what_takes_long_shows_that_it_goes_on_at_a_terminal(project: Project, tmp_path: Path) -> None:
    await refill(project, [Row(NOON)])
    ours, theirs = pty.openpty()
    with Proxy(project.cluster.port) as proxy, os.fdopen(ours, "rb", buffering=0) as terminal:
        proxy.stall()
        url = project.url().replace(f":{project.cluster.port}/", f":{proxy.port}/")
        environment = {**BARE, "DATABASE_URL": url, "DATABASE_TIMEOUT_MS": "20000", "TERM": "xterm-256color"}
        process = await asyncio.create_subprocess_exec(
            str(PROGRAM), "ticks", stdout=subprocess.PIPE, stderr=theirs, cwd=tmp_path, env=environment
        )
        os.close(theirs)
        shown = b""
        while b"Reading ticks" not in shown:
            shown += await asyncio.to_thread(terminal.read, 4096)
        proxy.flow()
        output, _ = await process.communicate()
    assert process.returncode == 0
    assert output.decode().count("2026-01-29T12:00") == 1


async def test_follow_shows_the_newest_and_then_new_ones_until_ctrl_c(project: Project, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    await refill(project, [Row(now - timedelta(minutes=n), reason=f"old {n}", status="error") for n in (3, 2, 1)])
    filters = ("--follow", "--limit", "2", "--status", "error")
    async with in_terminal(project, tmp_path, *filters) as (terminal, process), project.connect() as connection:
        shown = [await terminal.line() for _ in range(3)]
        assert [line[-5:] for line in shown[1:]] == ["old 2", "old 1"]
        # Late, of a time before the others; and one that the filter leaves out.
        late = Row(now - timedelta(minutes=8), reason="late", status="error")
        await insert(connection, [Row(now), late])
        assert (await terminal.line()).endswith("late")
        await insert(connection, [Row(datetime.now(UTC), reason="new", status="error")])
        assert (await terminal.line()).endswith("new")
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 5) == 0
        assert process.stderr is not None
        assert await process.stderr.read() == b""


async def test_follow_goes_on_after_the_table_was_out_of_reach_and_says_so(project: Project, tmp_path: Path) -> None:
    await refill(project, [])
    async with in_terminal(project, tmp_path, "-f", "--limit", "0") as (terminal, process):
        await terminal.line()
        assert process.stderr is not None
        async with project.connect() as other:
            async with asyncio.timeout(20), other.transaction():
                await other.execute("lock table strategy_tick_runs in access exclusive mode")
                told = [await process.stderr.readline()]
                await insert(other, [Row(datetime.now(UTC), reason="meanwhile")])
            assert (await terminal.line()).endswith("meanwhile")
            told.append(await process.stderr.readline())
    assert b"locked" in told[0]
    assert told[1] == b"runner-diagnostics: Ticks can be read again; none were missed.\n"


async def test_a_reader_that_goes_away_ends_it_quietly(project: Project, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    await refill(project, [Row(now - timedelta(seconds=n)) for n in range(3000)])
    for arguments in ("--all --format json", "--follow --limit 3000"):
        command = f"{PROGRAM} ticks {arguments} | head -1 > /dev/null; exit ${{PIPESTATUS[0]}}"
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", command),
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env={**BARE, "DATABASE_URL": project.url()},
        )
        async with asyncio.timeout(20), project.connect() as connection:
            while process.returncode is None:
                # A pipe tells of its end only those who write.
                await insert(connection, [Row(datetime.now(UTC))])
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), 0.5)
        assert process.stderr is not None
        assert (process.returncode, await process.stderr.read()) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--status", "Sesame"), "--status"),
        (("--since", "yesterday"), "--since"),
        (("--since", "0001-01-01T00:00:00+1400"), "no time in UTC"),
        (("--limit", "100001"), "--limit"),
        (("--follow", "--all"), "--follow goes without --all"),
        (("--meta",), "--meta needs --format json"),
        (("--strategy-run-id", "Sesame"), "strategy-run-id"),
        (("--reason", os.fsdecode(b"\xff")), "--reason"),
    ],
)
def test_bad_usage_exits_with_2_and_says_why(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    finished = run("ticks", *arguments, cwd=tmp_path, DATABASE_URL="postgresql://h/x")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert words in finished.stderr


@pytest.mark.parametrize("arguments", [(), ("--follow",)])
async def test_what_cannot_be_read_is_one_line_and_exit_code_2(
    project: Project, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    nowhere = await ticks(project, tmp_path, *arguments, DATABASE_URL="postgresql://u:Sesame-1@127.0.0.1:1/x")
    await project.execute("drop table strategy_tick_runs")
    missing = await ticks(project, tmp_path, *arguments)
    for finished, words in ((nowhere, "nothing listens"), (missing, "no table strategy_tick_runs")):
        assert (finished.returncode, finished.stdout) == (2, "")
        assert words in finished.stderr
        assert finished.stderr.count("\n") == 1
        assert "Sesame" not in finished.stderr


@pytest.mark.parametrize("template", ["two_migrations"])
async def test_after_two_migrations_ticks_are_shown_and_what_is_missing_is_said(
    project: Project, tmp_path: Path
) -> None:
    finished = await ticks(project, tmp_path, "--limit", "3")
    assert (finished.returncode, len(finished.stdout.splitlines())) == (0, 4)
    assert "lacks strategy_run_id" in finished.stderr
    refused = await ticks(project, tmp_path, "--strategy-run-id", str(RUNS[0]))
    assert (refused.returncode, refused.stdout) == (2, "")
