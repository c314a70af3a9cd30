"""`/status` and `/runs` over HTTP while something is wrong with the database: they claim no more than they know."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.api.disagreements import instant
from tests.api.service import PROBE, Service, claimed, serving_project
from tests.databases import Project
from tests.stored_rows import microseconds

pytestmark = pytest.mark.usefixtures("ticking")

HARMLESS = {"ok", "unknown"}


async def ask(service: Service, path: str) -> Any:  # noqa: ANN401 - JSON
    answer = await asyncio.to_thread(service.get, f"/api/runner/{path}", claimed())
    assert answer.status_code == 200
    assert answer.json()["ok"] is True
    return answer.json()


def unread(body: Any) -> set[str]:  # noqa: ANN401 - JSON
    return {name for name, section in body["sections"].items() if not section["ok"]}


@pytest.mark.parametrize("template", ["two_migrations"])
async def test_after_two_migrations_figures_are_told_and_no_strategy_is_judged(project: Project) -> None:
    with serving_project(project) as service:
        status, runs = await ask(service, "status"), await ask(service, "runs")
    assert (status["verdict"], runs["verdict"]) == ("unknown", "unknown")
    assert [(reason["rule"], reason["href"]) for reason in status["reasons"]] == [
        ("section_unreadable", "/api/runner/schema")
    ]
    assert (status["activeStrategies"], status["lastRunStatus"], status["runs"]["active"]) == (6, "ok", None)
    assert status["ticks"]["total"] == status["ticks"]["latencyMs"]["count"] > 0
    assert (runs["runs"], runs["total"]) == (None, None)
    assert "/api/runner/schema" in runs["sections"]["runs"]["error"]


@pytest.mark.parametrize("template", ["documented", "nothing"])
async def test_on_an_empty_database_nothing_is_expected_and_on_none_nothing_is_known(
    project: Project, template: str
) -> None:
    if template == "documented":
        await project.execute("truncate user_profiles cascade")
    with serving_project(project) as service:
        status, runs = await ask(service, "status"), await ask(service, "runs")
    if template == "documented":
        assert (status["verdict"], status["reasons"], status["activeStrategies"]) == ("ok", [], 0)
        assert (runs["verdict"], runs["runs"], runs["total"]) == ("ok", [], 0)
    else:
        assert (status["verdict"], status["activeStrategies"], status["series"]) == ("unknown", None, None)
        assert (runs["verdict"], runs["runs"]) == ("unknown", None)
        assert {reason["href"] for reason in status["reasons"]} == {"/api/runner/schema"}


@pytest.mark.parametrize("table", ["strategy_runs", "strategy_tick_runs", "strategy_locks", "strategy_risk_state"])
async def test_while_a_table_is_altered_the_others_are_told_and_nobody_is_accused(project: Project, table: str) -> None:
    with serving_project(project) as service:
        async with project.connect() as other, other.transaction():
            await other.execute(f"alter table {table} add column note text")
            status, runs = await ask(service, "status"), await ask(service, "runs")
        after = await ask(service, "status")
    assert (status["verdict"], runs["verdict"]) == ("unknown", "unknown")
    assert {reason["rule"] for reason in status["reasons"]} == {"section_unreadable"}
    assert {"runs", "locks", "risk", "ticks"} - unread(status)
    assert {f"{table} is locked"} <= {section.get("error") for section in status["sections"].values()}
    assert all(run["state"] == "onTime" and "cause" not in run for run in runs["runs"] or ())
    assert after["verdict"] == "ok"


@asynccontextmanager
async def altering(project: Project) -> AsyncIterator[None]:
    """A column of each table comes and goes for as long as it lasts."""
    done = asyncio.Event()

    async def alter() -> None:
        async with project.connect() as connection:
            while not done.is_set():
                for table in ("strategy_runs", "strategy_tick_runs", "strategy_locks"):
                    await connection.execute(f"alter table {table} add column passing text")
                    await connection.execute(f"alter table {table} drop column passing")

    task = asyncio.create_task(alter())
    try:
        yield
    finally:
        done.set()
        await task


async def test_while_columns_come_and_go_no_plan_is_stale_and_nobody_is_accused(project: Project) -> None:
    with serving_project(project, database_pool_size=2) as service:
        async with altering(project):
            for path in ("status", "runs", "status?window=6h") * 5:
                body = await ask(service, path)
                assert body["verdict"] in HARMLESS
                errors = {section.get("error") for section in body["sections"].values() if not section["ok"]}
                assert all(error.endswith(("is locked", "could not be read")) for error in errors)


@pytest.mark.parametrize("off", ["-1 hour", "1 hour"])
async def test_a_database_whose_clock_is_an_hour_off_is_judged_by_it_and_tokens_by_the_services(
    project: Project, clock: list[int], off: str
) -> None:
    async with project.connect() as connection:
        now = microseconds(await connection.fetchval(f"select now() + interval '{off}'"))
        await connection.execute(
            f"update strategy_tick_runs set scheduled_at = scheduled_at + interval '{off}';"
            f"update strategy_runs set last_run_at = last_run_at + interval '{off}',"
            f" created_at = created_at + interval '{off}', updated_at = updated_at + interval '{off}'"
        )
    assert now is not None
    clock.append(now)
    with serving_project(project) as service:
        status, runs = await ask(service, "status"), await ask(service, "runs")
    assert (instant(status["asOf"]), instant(runs["asOf"])) == (now, now)
    assert (status["verdict"], status["reasons"], status["ticks"]["missed"]) == ("ok", [], 0)
    assert {run["state"] for run in runs["runs"]} <= {"onTime", "late"}


@pytest.mark.parametrize(
    ("column", "type_", "lost"),
    [
        *(("strategy_runs.last_run_at", type_, "runs") for type_ in ("timestamp", "date")),
        *(("strategy_runs.created_at", type_, "runs") for type_ in ("timestamp", "date", "text")),
        *(("strategy_runs.updated_at", type_, "runs") for type_ in ("timestamp", "date")),
        *(("strategy_locks.locked_until", type_, "locks") for type_ in ("timestamp", "date", "text")),
        *(("strategy_locks.updated_at", type_, "locks") for type_ in ("timestamp", "date", "text")),
        *(("strategy_tick_runs.latency_ms", type_, "ticks") for type_ in ("float8", "numeric")),
        ("strategy_risk_state.user_id", "text[]", "risk"),
    ],
)
async def test_a_column_of_another_type_makes_its_section_unknown_and_no_error(
    project: Project, column: str, type_: str, lost: str
) -> None:
    """A time without a zone could be any, and what is no number has no percentile."""
    table, _, name = column.partition(".")
    values = {"float8": "'nan'", "numeric": "'nan'", "text[]": "array[user_id::text]"}
    await project.execute(
        """
        insert into strategy_locks select id, now() + interval '1 minute', 'runner-1', now() from strategy_runs limit 1;
        insert into strategy_risk_state (user_id, day, is_paused)
        select id, (now() at time zone 'UTC')::date, true from user_profiles limit 1;
        alter table strategy_risk_state drop constraint strategy_risk_state_pkey cascade;
        drop policy "Users read their own risk state" on strategy_risk_state;
        """
    )
    constraints = "select conname from pg_constraint where conrelid = $1::text::regclass and contype = 'f'"
    async with project.connect() as connection:
        for found in await connection.fetch(constraints, table):
            await connection.execute(f'alter table {table} drop constraint "{found["conname"]}"')
        using = values.get(type_, f"{name}::{type_}")
        await connection.execute(
            f"alter table {table} alter {name} drop default, alter {name} type {type_} using {using}"
        )
    with serving_project(project, probe_token=PROBE) as service:
        status, runs = await ask(service, "status"), await ask(service, "runs")
        scraped = await asyncio.to_thread(service.get, "/metrics", PROBE)
    assert lost in unread(status)
    assert "another type than documented; /api/runner/schema says which" in status["sections"][lost]["error"]
    assert lost not in ("runs", "locks") or lost in unread(runs)
    # Of ticks alone figures are made, and no verdict.
    assert status["verdict"] != "ok" or lost == "ticks"
    assert scraped.status_code == 200
