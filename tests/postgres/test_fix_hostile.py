"""Names from the catalogue and the contract do not break out of a fix's SQL: the server and psql are the judges."""

import asyncio
import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from app.contract.load import contract_text
from app.demo.database import OWNER
from app.demo.server import EmbeddedPostgres
from app.diagnostics import SchemaReport
from app.render.fix import fix_sql
from tests.databases import Project, new_project
from tests.proof import OWN, PATIENT, prove, shape
from tests.tools import psql, write_fix

# Each tries to end what it stands in, and to make a table or a file that is then found.
BREAKOUTS = [
    "'; create table canary(); --",
    '"; create table canary(); --',
    "$fix$; create table canary(); do $fix$",
    "$fix1$ $fix2$ $fix$",
    "\ncreate table canary();\n--",
    "\r\ncreate table canary();",
    "\x85\u2028\u2029create table canary();",
    "*/ create table canary(); /*",
    "\\",
    "\\'",
    "\n\\! touch canary\n",
    "\\gexec",
    ":'HOME'",
    ':"HOME"',
    ":HOME",
    "%I %s %L %",
    "$$",
    "''",
    '""',
    "--",
    "/*",
    ";",
    "\u202e\u2066",
    "\t\v\f",
    "{}",
    "é" * 9,
    "E'",
    "begin; commit;",
]
NAMES = (
    st.lists(st.sampled_from(BREAKOUTS) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
    .map(lambda pieces: _cut("".join(pieces), 58))
    .filter(bool)
)
BOUNDED = settings(
    max_examples=3,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # A smaller example is not worth the minutes it takes.
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def _cut(name: str, length: int) -> str:
    return name.encode()[:length].decode(errors="ignore")


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


CATALOGUE = """
create function {name}() returns trigger language plpgsql as $body$ begin
  if new.status is null then perform new.strategy_id; end if; -- strategy_locks
  return new;
end $body$;
create function {lock}() returns trigger language plpgsql as $body$ begin return new; end $body$;
create trigger {name} before insert on strategy_tick_runs for each row execute function {name}();
create trigger {name} before insert on strategy_locks for each row execute function {lock}();
create trigger {lock} before update on strategy_locks for each row when (new.lock_owner <> {literal})
  execute function {lock}();
create view {view} as select strategy_id as {name} from strategy_tick_runs;
create materialized view {lock} as select * from strategy_locks;
alter table strategy_tick_runs add column {name} text default {literal} check ({name} is not null);
alter table strategy_tick_runs rename constraint strategy_tick_runs_strategy_id_fkey to {name};
alter table strategy_runs drop constraint strategy_runs_status_check,
  add constraint {name} check (status in ('active', 'paused', {literal}));
alter table strategy_runs add constraint {lock} check (status <> 'stopped');
create policy {name} on strategy_tick_runs for select using (true);
create policy {lock} on strategy_locks for select to {role} using (lock_owner = {literal});
create policy {name} on strategy_locks for select to {role} using (strategy_id is not null);
grant select on strategy_locks to {role};
grant update ({column}) on strategy_locks to {role};
grant update on user_profiles to {role}, authenticated;
alter table strategy_tick_runs alter column started_at drop not null;
comment on table strategy_locks is {literal};
"""


@pytest.mark.timeout(300)  # Many databases in one test.
@BOUNDED
@given(NAMES)
@example("".join(BREAKOUTS[:3]))
@example(BREAKOUTS[10] + BREAKOUTS[4])
@example("é" * 29)
@example('a"b\\' + BREAKOUTS[3])
def test_names_of_the_catalogue_stay_names(cluster: EmbeddedPostgres, name: str) -> None:
    name = _cut(name, 58)

    async def scenario() -> None:
        async with new_project(cluster, "two_migrations") as project:
            role = quoted("r " + name)
            await project.execute(f"create role {role};")
            try:
                await project.execute(
                    CATALOGUE.format(
                        name=quoted(name),
                        lock=quoted(name + " l"),
                        view=quoted(name + " v"),
                        role=role,
                        column="locked_until",
                        literal="E'" + name.replace("\\", "\\\\").replace("'", "''") + "'",
                    )
                )
                await stays_within(project)
            finally:
                await project.execute(f"drop owned by {role}; drop role {role};")

    asyncio.run(scenario())


RENAMED = {
    "strategy_runs": "r",
    "strategy_tick_runs": "t",
    "strategy_locks": "l",
    "strategy_run_id": "i",
    "strategy_id": "s",
    "user_id": "u",
    "last_run_at": "a",
}


@pytest.mark.timeout(300)  # Many databases in one test.
@BOUNDED
@given(NAMES)
@example("".join(BREAKOUTS[:3]))
@example(BREAKOUTS[10] + BREAKOUTS[4])
@example("é" * 29)
@example(BREAKOUTS[12] + BREAKOUTS[13] + BREAKOUTS[15])
def test_names_of_a_contract_stay_names(cluster: EmbeddedPostgres, name: str) -> None:
    """And so do its values, the schema, and what makes admins."""
    name = _cut(name, 58)
    names = {old: f"{name} {new}" for old, new in RENAMED.items()}

    def rename(found: re.Match[str]) -> str:
        # The name of a migration is a part of a file's name in a comment; anything may stand there as well.
        words = found[1].split(".")
        return toml(".".join(names.get(word, word) for word in words))

    text = re.sub(r'"(\w+(?:\.\w+)?)"', rename, contract_text(None))
    text = text.replace('"paused"', toml(name)).replace('name = "unify_runner', "name = " + toml(name)[:-1])

    async def scenario() -> None:
        async with new_project(cluster, "two_migrations") as project:
            schema = quoted(name)
            for table in ("strategy_tick_runs", "strategy_locks", "strategy_runs"):
                for column in ("user_id", "strategy_id", "last_run_at"):
                    rename_it = f"alter table {table} rename column {column} to {quoted(names[column])};"
                    if (table, column) in THERE:
                        await project.execute(rename_it)
            await project.execute(
                "".join(f"alter table {table} rename to {quoted(names[table])};" for table in list(RENAMED)[:3])
                + f"alter schema public rename to {schema}; create schema public;"
                + f"alter schema {schema} owner to {OWNER}; grant usage on schema {schema} to public;"
            )
            with tempfile.TemporaryDirectory() as folder:
                contract = Path(folder) / "contract.toml"
                contract.write_text(text, encoding="utf-8")
                await stays_within(
                    project,
                    database_schema=name,
                    runner_contract=str(contract),
                    admin_values=name.replace(",", "") or "x",
                )

    asyncio.run(scenario())


THERE = {
    ("strategy_tick_runs", "strategy_id"),
    ("strategy_tick_runs", "user_id"),
    ("strategy_locks", "strategy_id"),
    ("strategy_runs", "user_id"),
}


def toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


async def stays_within(project: Project, **overrides: object) -> None:
    """The fix holds its word on this database, and psql makes of it just what a plain connection does."""
    await project.execute(OWN)
    async with new_project(project.cluster, project.name) as other:
        report = await project.check(**{**PATIENT, **overrides})
        assert report.fix.parts
        assert_only_comments_beside(report)
        await prove(project, **overrides)
        with tempfile.TemporaryDirectory() as folder:
            files = write_fix(report, Path(folder))
            for file in files:
                finished = await psql(other, file)
                assert (finished.code, finished.output, finished.errors) == (0, "", "")
            assert {*_listed(folder)} == {*files}
        async with project.connect() as ours, other.connect() as theirs:
            assert await shape(ours) == await shape(theirs)
            assert await ours.fetchval("select count(*) from pg_class where relname = 'canary'") == 0


def _listed(folder: str) -> list[Path]:
    return list(Path(folder).iterdir())


def assert_only_comments_beside(report: SchemaReport) -> None:
    """Without its statements a file is nothing but comments, and none holds a character that anything obeys."""
    for part in report.fix.parts:
        text = fix_sql(report, part.number)
        assert text is not None
        for statement in part.statements:
            assert text.count(statement.sql) >= 1
            text = text.replace(statement.sql, "", 1)
        for line in re.split(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]", text):
            assert line == "" or line.startswith("--")
            assert line.isprintable() or " " in line
