"""The command line as a shell runs it: what it prints, where, and with which exit code."""

import asyncio
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.cli_output import progress
from app.contract.load import contract_text
from app.demo.database import DRIFTS
from app.demo.scripts import script
from app.demo.server import free_port
from app.errors import DatabaseError
from tests.databases import SECRET, Project

PROGRAM = Path(sys.executable).parent / "runner-diagnostics"
BARE = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"}
if "PYTHONPATH" in os.environ:
    # Another checkout than the installed one is tested.
    BARE["PYTHONPATH"] = os.environ["PYTHONPATH"]


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        env={**BARE, **environment},
    )


async def check(project: Project, cwd: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {"DATABASE_URL": project.url(), **environment}
    return await asyncio.to_thread(lambda: run("check", *arguments, cwd=cwd, **given))


async def test_check_of_a_documented_database_exits_with_0(project: Project, tmp_path: Path) -> None:
    """And needs no setting but the database's."""
    finished = await check(project, tmp_path)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.startswith("✓ CONFORMANT  public on 127.0.0.1 as service_role")


@pytest.mark.parametrize("template", ["two_migrations"])
async def test_check_of_a_drifted_database_exits_with_1_and_explains_itself(project: Project, tmp_path: Path) -> None:
    finished = await check(project, tmp_path)
    assert (finished.returncode, finished.stderr) == (1, "")
    assert "✗ error    strategy_locks.primary_key" in finished.stdout
    assert "5 errors, 1 warning, 0 unknown" in finished.stdout
    assert "\x1b" not in finished.stdout
    assert max(len(line) for line in finished.stdout.splitlines()) <= 79


async def test_check_that_cannot_tell_exits_with_2(project: Project, tmp_path: Path) -> None:
    async with project.connect() as other, other.transaction():
        await other.execute("lock table pg_catalog.pg_authid in access exclusive mode")
        finished = await check(project, tmp_path, DATABASE_TIMEOUT_MS="1500")
    assert finished.returncode == 2
    assert finished.stdout == ""


async def test_check_as_json_is_what_http_says(project: Project, tmp_path: Path) -> None:
    finished = await check(project, tmp_path, "--format", "json")
    report = json.loads(finished.stdout)
    assert (report["ok"], report["conformant"], report["requestId"]) == (True, True, None)
    assert report["summary"]["pass"] == len(report["checks"])


@pytest.mark.parametrize("template", ["two_migrations"])
@pytest.mark.parametrize(
    ("output_format", "start"),
    [("junit", "<?xml "), ("github", "::error title=error strategy_"), ("sarif", '{\n  "$schema": ')],
)
async def test_check_for_ci_has_the_same_exit_code(
    project: Project, tmp_path: Path, output_format: str, start: str
) -> None:
    finished = await check(project, tmp_path, "--format", output_format, LANG="C", PYTHONIOENCODING="ascii")
    assert (finished.returncode, finished.stderr) == (1, "")
    assert finished.stdout.startswith(start)


async def status_of(
    project: Project, cwd: Path, *arguments: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    given = {"DATABASE_URL": project.url(), **environment}
    return await asyncio.to_thread(lambda: run("status", *arguments, cwd=cwd, **given))


@pytest.mark.usefixtures("ticking")
async def test_status_exits_with_0_when_all_is_well_and_1_when_it_is_not(project: Project, tmp_path: Path) -> None:
    finished = await status_of(project, tmp_path)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.startswith("✓ OK  6 strategies, none overdue   window 1h")
    finished = await status_of(project, tmp_path, "--all", "--window", "24h")
    # Their next slot is due as soon as another minute begins.
    assert len(re.findall(r"^(?:on time|late) ", finished.stdout, re.MULTILINE)) == 6
    await project.execute("update strategy_runs set timeframe = 'odd'")
    finished = await status_of(project, tmp_path)
    assert (finished.returncode, finished.stderr) == (1, "")
    assert "! unparsable_timeframe" in finished.stdout


@pytest.mark.parametrize("template", ["two_migrations"])
async def test_status_that_cannot_tell_exits_with_2_and_says_what_it_could_not_read(
    project: Project, tmp_path: Path
) -> None:
    finished = await status_of(project, tmp_path)
    assert (finished.returncode, finished.stderr) == (2, "")
    assert finished.stdout.startswith("? UNKNOWN  6 strategies, when they ticked is unknown")
    assert "/api/runner/schema" in finished.stdout
    assert "\nNext: runner-diagnostics check\n" in finished.stdout
    assert max(len(line) for line in finished.stdout.splitlines()) <= 79


@pytest.mark.usefixtures("ticking")
async def test_status_as_json_is_what_http_says(project: Project, tmp_path: Path) -> None:
    finished = await status_of(project, tmp_path, "--format", "json", "--window", "6h")
    report = json.loads(finished.stdout)
    assert (report["ok"], report["verdict"], report["window"], report["requestId"]) == (True, "ok", "6h", None)


def test_status_without_a_database_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    finished = run("status", cwd=tmp_path, DATABASE_URL="postgresql://u:Sesame-1@127.0.0.1:1/x")
    assert (finished.returncode, finished.stdout, finished.stderr.count("\n")) == (2, "", 1)
    assert run("status", "--window", "2h", cwd=tmp_path, DATABASE_URL="postgresql://h/x").returncode == 2


async def test_the_option_wins_over_the_variable(project: Project, tmp_path: Path) -> None:
    finished = await check(project, tmp_path, "--database-url", project.url(), DATABASE_URL="postgresql://h:1/x")
    assert finished.returncode == 0


async def test_settings_are_read_from_a_file_in_the_current_folder(project: Project, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"DATABASE_URL={project.url()}\nSUPABASE_JWT_SECRET=\n")
    finished = await asyncio.to_thread(run, "check", cwd=tmp_path)
    assert finished.returncode == 0


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "DATABASE_URL is required"),
        ({"DATABASE_URL": "postgresql://u:Sesame-1@h:port/x"}, "DATABASE_URL cannot be parsed"),
        ({"DATABASE_URL": "postgresql://u:Sesame-1@127.0.0.1:1/x"}, "nothing listens"),
        ({"DATABASE_URL": "postgresql://u:Sesame-1@no.invalid/x"}, "does not resolve"),
        ({"DATABASE_URL": "postgresql://u:Sesame-1@h/x", "RUNNER_CONTRACT": "missing.toml"}, "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_code_2(
    tmp_path: Path, environment: dict[str, str], words: str
) -> None:
    finished = run("check", cwd=tmp_path, **environment)
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert finished.stderr.startswith("runner-diagnostics: ")
    assert words in finished.stderr
    assert finished.stderr.count("\n") == 1
    assert "Sesame" not in finished.stderr


@pytest.mark.parametrize("arguments", [("check", "--format", "yaml"), ("check", "--frob"), ("frob",)])
def test_bad_usage_exits_with_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert run(*arguments, cwd=tmp_path).returncode == 2


async def test_without_utf_8_the_glyphs_are_plain(project: Project, tmp_path: Path) -> None:
    finished = await check(project, tmp_path, LANG="C", LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert finished.stdout.startswith("+ CONFORMANT")
    assert finished.stdout.isascii()


async def test_a_reader_that_goes_away_ends_it_quietly(project: Project, tmp_path: Path) -> None:
    # `true` reads nothing and is gone long before the report is there.
    command = f"{PROGRAM} check --format json | true; exit ${{PIPESTATUS[0]}}"
    finished = await asyncio.to_thread(
        lambda: subprocess.run(
            ["bash", "-c", command],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**BARE, "DATABASE_URL": project.url()},
        )
    )
    assert (finished.returncode, finished.stderr) == (0, "")


@pytest.mark.parametrize(("redirect", "code"), [("> /dev/full", 2), (">&-", 2)])
async def test_output_that_cannot_be_written_is_one_line_and_no_verdict(
    project: Project, tmp_path: Path, redirect: str, code: int
) -> None:
    environment = {**BARE, "DATABASE_URL": project.url()}
    command = ["bash", "-c", f"{PROGRAM} check {redirect}"]
    finished = await asyncio.to_thread(
        lambda: subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, env=environment)
    )
    assert finished.returncode == code
    assert finished.stderr.count("\n") == 1


def test_a_settings_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"DATABASE_URL=postgresql://u:\xe9@h/x\n")
    finished = run("check", cwd=tmp_path)
    assert (finished.returncode, finished.stderr.count("\n")) == (2, 1)


async def test_on_a_terminal_it_is_in_colour(project: Project, tmp_path: Path) -> None:
    def in_terminal() -> str:
        ours, theirs = pty.openpty()
        environment = {**BARE, "DATABASE_URL": project.url(), "TERM": "xterm-256color"}
        with subprocess.Popen([PROGRAM, "check"], stdout=theirs, cwd=tmp_path, env=environment):
            os.close(theirs)
            shown = b""
            while True:
                try:
                    read = os.read(ours, 65536)
                except OSError:
                    break
                if not read:
                    break
                shown += read
        os.close(ours)
        return shown.decode()

    assert re.search("\x1b\\[[0-9;]*m✓ CONFORMANT\x1b\\[0m", await asyncio.to_thread(in_terminal))


def test_contract_prints_the_contract_in_force(tmp_path: Path) -> None:
    assert run("contract", cwd=tmp_path).stdout == contract_text(None)
    other = tmp_path / "other.toml"
    other.write_text(contract_text(None).replace('name = "runner"', 'name = "other"'))
    assert 'name = "other"' in run("contract", cwd=tmp_path, RUNNER_CONTRACT=str(other)).stdout
    (tmp_path / ".env").write_text(f"RUNNER_CONTRACT={other}\n")
    assert 'name = "other"' in run("contract", cwd=tmp_path).stdout
    other.write_text("name = 1")
    assert run("contract", str(other), cwd=tmp_path).returncode == 2


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "None of SUPABASE_URL, JWKS_URL and SUPABASE_JWT_SECRET is set"),
        ({"SUPABASE_URL": "http://acme.supabase.co"}, "SUPABASE_URL must be https"),
        ({"SUPABASE_JWT_SECRET": "change-me-change-me-change-me-change-me"}, "placeholder"),
        ({"SUPABASE_JWT_SECRET": SECRET, "RUNNER_CONTRACT": "missing.toml"}, "missing.toml"),
    ],
)
def test_serve_refuses_to_start_without_what_it_needs(tmp_path: Path, environment: dict[str, str], words: str) -> None:
    finished = run("serve", cwd=tmp_path, DATABASE_URL="postgresql://h/x", **environment)
    assert finished.returncode == 2
    assert words in finished.stderr
    assert finished.stderr.count("\n") == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_serve_comes_up_without_its_database_and_stops_on_sigterm(tmp_path: Path, workers: str) -> None:
    port = free_port()
    environment = {**BARE, "DATABASE_URL": "postgresql://u:Sesame-1@127.0.0.1:1/x", "SUPABASE_JWT_SECRET": SECRET}
    log = tmp_path / "log"
    with log.open("w") as output:
        arguments = ["serve", "--port", str(port), "--workers", workers]
        process = subprocess.Popen([PROGRAM, *arguments], stdout=output, stderr=output, cwd=tmp_path, env=environment)
    try:
        assert status(port, "/livez") == 200
        assert status(port, "/healthz") == 503
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) in (0, -signal.SIGTERM)
    assert all(json.loads(line) for line in log.read_text().splitlines())
    assert "Sesame" not in log.read_text()


def status(port: int, path: str) -> int:
    deadline = time.monotonic() + 20
    while True:
        try:
            return httpx.get(f"http://127.0.0.1:{port}{path}").status_code
        except httpx.ConnectError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_check_starts_without_the_web_framework(tmp_path: Path) -> None:
    """Importing it costs more than everything else together."""
    source = (
        "import sys, app.cli, app.diagnostics, app.render.text, app.render.json, app.contract.load, app.postgres.pool;"
        "import app.pulse, app.render.status_text, app.render.status_json;"
        "print([name for name in ('fastapi', 'starlette', 'uvicorn', 'jwt', 'httpx') if name in sys.modules])"
    )
    finished = subprocess.run([sys.executable, "-c", source], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert finished.stdout.strip() == "[]"


COMMANDS = ("check", "fix", "status", "ticks", "serve", "demo", "contract")


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_ends_with_examples_that_can_be_copied_and_name_options_that_exist(command: str) -> None:
    shown = CliRunner().invoke(cli, [*filter(None, [command]), "--help"]).output
    assert max(len(line) for line in shown.splitlines()) <= 80
    given = re.findall(r"^ +(runner-diagnostics .*)$", shown.split("Examples:")[1], re.MULTILINE)
    assert given
    for line in given:
        for words in re.findall(r"runner-diagnostics ([^|>#&\n]*)", line):
            name, *rest = words.split()
            options = CliRunner().invoke(cli, [*([name] if name in COMMANDS else []), "--help"]).output
            assert {word for word in (name, *rest) if word.startswith("--")} <= set(re.findall(r"--[\w-]+", options))
            assert name in COMMANDS or name.startswith("--")


def test_the_shell_completes_commands_and_the_values_of_options(tmp_path: Path) -> None:
    def completed(words: str, number: int) -> list[str]:
        completing = {"_RUNNER_DIAGNOSTICS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(number)}
        return run(cwd=tmp_path, **completing).stdout.split()

    assert set(completed("runner-diagnostics s", 1)) == {"serve", "status"}
    assert completed("runner-diagnostics check --format ", 3) == ["text", "json", "junit", "github", "sarif"]


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "DATABASE_URL is required. Set it"),
        ({}, "--database-url"),
        ({"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/x"}, "is it up?"),
        ({"DATABASE_URL": "postgresql://h:port/x"}, ".env.example"),
    ],
)
def test_an_error_ends_with_the_next_step(tmp_path: Path, environment: dict[str, str], words: str) -> None:
    assert words in run("check", cwd=tmp_path, **environment).stderr


async def test_what_takes_more_than_a_second_shows_that_it_goes_on_at_a_terminal_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow() -> str:
        await asyncio.sleep(1.3)
        return "done"

    assert await progress("Reading", slow()) == "done"
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert await progress("Reading", slow()) == "done"
    assert "Reading" in capsys.readouterr().err


async def test_what_is_quick_shows_nothing_and_what_fails_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing() -> None:
        raise DatabaseError("refused")

    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with pytest.raises(DatabaseError):
        await progress("Reading", failing())
    assert capsys.readouterr().err == ""


def files_below(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


async def fix(project: Project, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(lambda: run("fix", *arguments, cwd=cwd, DATABASE_URL=project.url()))


@pytest.mark.parametrize("template", ["two_migrations"])
async def test_fix_makes_the_folder_and_names_its_files_on_standard_output(project: Project, tmp_path: Path) -> None:
    finished = await fix(project, tmp_path, "--output", "supabase/migrations")
    assert finished.returncode == 1
    files = [Path(line) for line in finished.stdout.splitlines()]
    assert files == files_below(tmp_path)
    assert {file.parent for file in files} == {Path("supabase/migrations")}
    assert [file.name.split("_", 1)[1] for file in files] == ["runner_fix_schema.sql", "runner_fix_validate.sql"]
    assert finished.stderr == (
        "runner-diagnostics: 2 files are written."
        " What you must decide (1) stands at the end of the last. Read before you apply.\n"
    )
    assert (tmp_path / files[-1]).read_text().rstrip().endswith("migrations.20260129170000")


async def test_fix_that_has_nothing_to_write_says_so_and_makes_no_folder(project: Project, tmp_path: Path) -> None:
    finished = await fix(project, tmp_path, "--output", "fix")
    assert (finished.returncode, finished.stdout) == (0, "")
    assert finished.stderr == "runner-diagnostics: Nothing was written: there is nothing to mend.\n"
    await project.execute(script("sql", DRIFTS["policy-leaks"].script or ""))
    finished = await fix(project, tmp_path, "--output", "fix")
    assert finished.returncode == 1
    assert finished.stderr == (
        "runner-diagnostics: Nothing was written:"
        " all that failed waits for a person's decision, which standard output explains.\n"
    )
    assert 'drop policy "Temporary, for debugging"' in finished.stdout
    assert not (tmp_path / "fix").exists()


@pytest.mark.parametrize("template", ["two_migrations"])
async def test_fix_that_cannot_write_is_one_line(project: Project, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    for folder in ("taken", "taken/below"):
        finished = await fix(project, tmp_path, "--output", folder)
        assert (finished.returncode, finished.stdout, finished.stderr.count("\n")) == (2, "", 1)
        assert f"{folder} cannot be made" in finished.stderr
