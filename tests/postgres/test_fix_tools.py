"""A fix is applied by psql and by the Supabase CLI, and while the service is being asked and the runner writes."""

import asyncio
import shutil
from pathlib import Path

import pytest

from app.contract.check import Outcome
from app.contract.migrations import MigrationState, repair
from app.demo.database import DRIFTS, OWNER, migration_files
from app.demo.scripts import script
from app.diagnostics import SchemaReport
from tests.api.service import claimed, serving_project
from tests.databases import VERSIONS, Project, failures, with_outcome
from tests.mutations import CONTRACT
from tests.proof import OWN, assert_kept, assert_told, shape, state
from tests.tools import psql, run, supabase, write_fix

BROKEN = f"""
alter table strategy_tick_runs alter column scheduled_at drop not null;
alter table strategy_tick_runs drop constraint strategy_tick_runs_status_check;
alter table strategy_tick_runs add constraint narrow check (status in ('ok', 'skipped')) not valid;
{script("sql", str(DRIFTS["policy-locks-out"].script))}
"""


async def two_migrations_behind(project: Project) -> SchemaReport:
    await project.execute(OWN)
    report = await project.check()
    assert [part.number for part in report.fix.parts] == [1, 2]
    return report


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("template", ["two_migrations"])
@pytest.mark.parametrize("options", [(), ("--single-transaction",)], ids=["a statement at a time", "all at once"])
async def test_psql_applies_it_and_may_do_so_twice(project: Project, tmp_path: Path, options: tuple[str, ...]) -> None:
    before = await two_migrations_behind(project)
    async with project.connect() as connection:
        data = await state(connection)
    shapes = []
    for _ in range(2):
        for file in write_fix(before, tmp_path):
            finished = await psql(project, file, *options)
            assert (finished.code, finished.output, finished.errors) == (0, "", "")
        async with project.connect() as connection:
            shapes.append(await shape(connection))
    assert shapes[0] == shapes[1]
    async with project.connect() as connection:
        assert_kept(data, await state(connection, data))
    assert_told(before, await project.check())


@pytest.mark.parametrize("template", ["two_migrations"])
async def test_the_supabase_cli_pushes_it_and_the_record_is_read(project: Project, tmp_path: Path) -> None:
    """The history that is there, then both parts, in the order of their versions."""
    program = supabase()
    before = await two_migrations_behind(project)
    folder = tmp_path / "supabase" / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / "supabase" / "config.toml").write_text('project_id = "proof"\n', encoding="utf-8")
    for name in migration_files()[:2]:
        (folder / name).write_text(script("migrations", name), encoding="utf-8")
    parts = write_fix(before, folder)
    url = f"{project.url(OWNER)}?sslmode=disable"
    pushed = await run(program, "db", "push", "--db-url", url, "--yes", "--workdir", tmp_path, cwd=tmp_path)
    assert pushed.code == 0, pushed.errors
    after = await project.check()
    assert_told(before, after)
    async with project.connect() as connection:
        recorded = await connection.fetch("select version, name from supabase_migrations.schema_migrations order by 1")
    assert [f"{row['version']}_{row['name']}.sql" for row in recorded[-2:]] == [file.name for file in parts]
    again = await run(program, "db", "push", "--db-url", url, "--yes", "--workdir", tmp_path, cwd=tmp_path)
    assert again.code == 0
    assert "up to date" in again.output + again.errors
    shutil.rmtree(tmp_path / "supabase")


@pytest.mark.parametrize("template", ["two_migrations"])
async def test_the_supabase_cli_still_pushes_the_third_migration_and_check_reads_its_record(
    project: Project, tmp_path: Path
) -> None:
    """It is older than the fix, so the CLI wants to be told to include it."""
    program = supabase()
    folder = tmp_path / "supabase" / "migrations"
    folder.mkdir(parents=True)
    *earlier, third = [(folder / name, script("migrations", name)) for name in migration_files()]
    for file, text in earlier:
        file.write_text(text, encoding="utf-8")
    write_fix(await two_migrations_behind(project), folder)
    url = f"{project.url(OWNER)}?sslmode=disable"
    push = (program, "db", "push", "--db-url", url, "--yes", "--workdir", tmp_path)
    assert (await run(*push, cwd=tmp_path)).code == 0
    third[0].write_text(third[1], encoding="utf-8")
    assert (await run(*push, cwd=tmp_path)).code != 0
    pushed = await run(*push, "--include-all", cwd=tmp_path)
    assert pushed.code == 0, pushed.errors
    after = await project.check()
    assert [status.state for status in after.migrations.expected] == [MigrationState.APPLIED] * 3
    assert with_outcome(after, Outcome.FAIL, Outcome.UNKNOWN, Outcome.SKIPPED) == {}


@pytest.mark.parametrize("template", ["two_migrations"])
@pytest.mark.parametrize("marked", [False, True], ids=["pushed with the fix", "marked as applied before"])
async def test_the_fix_keeps_what_a_pending_migration_drops_only_where_that_is_marked_before(
    project: Project, tmp_path: Path, *, marked: bool
) -> None:
    """As its hazard says. Either way the schema conforms, and no warning is left."""
    program = supabase()
    before = await two_migrations_behind(project)
    folder = tmp_path / "supabase" / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / "supabase" / "config.toml").write_text('project_id = "proof"\n', encoding="utf-8")
    for name in migration_files():
        (folder / name).write_text(script("migrations", name), encoding="utf-8")
    write_fix(before, folder)
    where = ("--db-url", f"{project.url(OWNER)}?sslmode=disable", "--yes", "--workdir", tmp_path)
    if marked:
        command = repair(CONTRACT.migrations[-1])
        assert command in before.fix.hazards[0].message
        repaired = await run(program, *command.split()[1:], *where, cwd=tmp_path)
        assert repaired.code == 0, repaired.errors
    pushed = await run(program, "db", "push", *where, cwd=tmp_path)
    assert pushed.code == 0, pushed.errors
    after = await project.check()
    assert with_outcome(after, Outcome.FAIL, Outcome.UNKNOWN, Outcome.SKIPPED) == {}
    async with project.connect() as connection:
        kept = await connection.fetchval(
            "select count(*) from pg_attribute where attrelid = 'strategy_tick_runs'::regclass"
            " and attname = 'legacy_strategy_id' and not attisdropped"
        )
    assert kept == marked


async def test_the_service_answers_and_the_runner_writes_while_it_is_applied(project: Project) -> None:
    await project.execute(BROKEN + OWN)
    before = await project.check()
    statuses: list[int] = []
    written = 0
    done = asyncio.Event()

    async def ask(path: str) -> None:
        while not done.is_set():
            answer = await asyncio.to_thread(service.get, path, claimed())
            statuses.append(answer.status_code)

    async def tick() -> None:
        nonlocal written
        async with project.connect() as connection:
            while not done.is_set():
                await connection.execute(
                    "insert into strategy_tick_runs (strategy_run_id, user_id, scheduled_at, started_at, status)"
                    " select id, user_id, now(), now(), 'ok' from strategy_runs limit 1"
                )
                written += 1
                await asyncio.sleep(0.005)

    with serving_project(project) as service:
        others = [asyncio.create_task(ask(path)) for path in ("/api/runner/schema?refresh=true", "/api/runner/status")]
        others.append(asyncio.create_task(tick()))
        try:
            for _ in range(3):
                await project.apply(before)
                await asyncio.sleep(0.2)
        finally:
            done.set()
            await asyncio.gather(*others)
    assert set(statuses) == {200}
    assert written > 20
    assert failures(await project.check()).keys() <= before.fix.leaves
