"""Reading the runner's activity from real databases: each part fails alone, and figures are exact."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from app.demo.server import EmbeddedPostgres
from app.errors import DatabaseUnavailableError
from app.postgres.pool import Database
from app.pulse import Pulse
from app.runner.figures import Window
from app.runner.grid import RunsReport
from app.runner.report import StatusReport
from app.runner.schedule import State
from tests.databases import VERSIONS, Project, new_project

pytestmark = pytest.mark.usefixtures("ticking")

OLD = "update strategy_runs set created_at = now() - interval '9 days', updated_at = now() - interval '9 days'"


@asynccontextmanager
async def pulse(project: Project, **settings: object) -> AsyncIterator[Pulse]:
    given = project.settings(**settings)
    database = Database(given)
    try:
        yield Pulse(given, database)
    finally:
        await database.close()


async def status(project: Project, window: Window = Window.HOUR, **settings: object) -> StatusReport:
    async with pulse(project, **settings) as one:
        return await one.status(window)


async def grid(project: Project, **settings: object) -> RunsReport:
    async with pulse(project, **settings) as one:
        return await one.runs()


def failed(report: StatusReport | RunsReport) -> set[str]:
    return {name for name, section in report.sections.items() if not section.ok}


def rules(report: StatusReport) -> list[str]:
    return [reason.rule for reason in report.reasons]


ON_TICKS = {"ahead", "newest", "activity", "stored", "slots", "ticks", "series"}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_healthy_database_is_read_whole_on_every_version(project: Project) -> None:
    report = await status(project)
    assert (report.verdict, rules(report), failed(report)) == ("ok", [], set())
    assert report.ticks.total == sum(bucket.ok + bucket.skipped for bucket in report.series or ())
    assert report.ticks.missed == 0
    rows = (await grid(project)).runs
    assert rows is not None
    assert len(rows) == 6


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("template", ["two_migrations"])
async def test_after_two_migrations_what_is_there_is_told_and_the_rest_is_unknown(project: Project) -> None:
    report = await status(project)
    assert report.verdict == "unknown"
    assert rules(report) == ["section_unreadable"]
    assert report.reasons[0].href == "/api/runner/schema"
    assert failed(report) == {"runs", "locks", "activity", "stored", "slots"}
    assert "strategy_locks lacks a column" in (report.sections["locks"].error or "")
    assert report.active_strategies == 6
    assert report.last_run_at is not None
    assert report.last_run_status == "ok"
    assert report.ticks.total is not None
    assert report.ticks.total > 0
    assert report.ticks.latency_ms is not None
    assert report.ticks.latency_ms.p95 == 120
    assert (report.runs.active, report.ticks.missed, report.locks, report.streaks) == (None, None, None, None)
    assert (await grid(project)).runs is None


@pytest.mark.parametrize("template", ["nothing"])
async def test_a_database_without_the_tables_is_unknown_and_points_to_the_schema(project: Project) -> None:
    report = await status(project)
    assert report.verdict == "unknown"
    assert report.active_strategies is None
    assert failed(report) == {"runs", "locks", "risk", *ON_TICKS}


async def test_empty_tables_are_ok_and_zero(project: Project) -> None:
    await project.execute("truncate strategy_runs, strategy_tick_runs, strategy_locks, strategy_risk_state cascade")
    report = await status(project)
    assert (report.verdict, failed(report)) == ("ok", set())
    assert (report.active_strategies, report.last_run_at, report.ticks.total) == (0, None, 0)
    assert (report.ticks.expected, report.ticks.missed, report.ticks.error_rate) == (0, 0, None)
    assert (await grid(project)).runs == ()


@pytest.mark.parametrize(
    ("breakage", "sections", "words"),
    [
        ("drop table strategy_locks", {"locks"}, "strategy_locks does not exist"),
        ("alter table strategy_locks drop column locked_until", {"locks"}, "lacks a column"),
        ("revoke select on strategy_locks from service_role", {"locks"}, "may not read strategy_locks"),
        ("drop table strategy_risk_state", {"risk"}, "strategy_risk_state does not exist"),
        ("alter table strategy_runs drop column last_run_at", {"runs"}, "lacks a column"),
        ("revoke select on strategy_tick_runs from service_role", ON_TICKS, "may not read strategy_tick_runs"),
        ("alter table strategy_tick_runs rename to gone", ON_TICKS, "strategy_tick_runs does not exist"),
        ("alter table strategy_tick_runs drop column signal", {"ticks"}, "lacks a column"),
    ],
)
async def test_what_cannot_be_read_fails_alone(project: Project, breakage: str, sections: set[str], words: str) -> None:
    await project.execute(breakage)
    report = await status(project)
    assert failed(report) == sections
    assert all(words in (report.sections[name].error or "") or name == "stored" for name in sections)
    assert report.verdict == ("ok" if sections == {"ticks"} else "unknown")
    assert report.active_strategies == 6


async def test_a_login_that_cannot_become_the_reading_role_is_unknown_in_all(project: Project) -> None:
    report = await status(project, database_url=project.url("postgres"), database_role="supabase_admin")
    assert report.verdict == "unknown"
    assert all("cannot become supabase_admin" in (section.error or "") for section in report.sections.values())


@pytest.mark.parametrize("version", VERSIONS)
async def test_while_the_ticks_are_locked_the_rest_is_told_in_time(project: Project) -> None:
    async with project.connect() as other, other.transaction():
        await other.execute("alter table strategy_tick_runs add column note text")
        report = await asyncio.wait_for(status(project), 5)
    assert failed(report) == ON_TICKS
    assert report.sections["ahead"].error == "strategy_tick_runs is locked"
    assert (report.verdict, report.active_strategies) == ("unknown", 6)
    assert report.locks is not None


async def test_while_the_runs_are_locked_nothing_is_called_overdue(project: Project) -> None:
    async with project.connect() as other, other.transaction():
        await other.execute("lock table strategy_runs in access exclusive mode")
        report = await status(project)
    assert report.verdict == "unknown"
    assert rules(report) == ["section_unreadable"]
    assert report.ticks.total is not None


async def test_a_statement_that_takes_too_long_costs_its_own_section(project: Project) -> None:
    await project.execute(
        "alter table strategy_locks rename to real_locks;"
        "create view strategy_locks as select l.* from real_locks l, lateral (select pg_sleep(60)) s;"
        "grant select on strategy_locks to service_role;"
        "insert into real_locks select id, now(), 'r', now() from strategy_runs limit 1",
    )
    report = await status(project, database_timeout_ms=2000)
    assert failed(report) == {"locks"}
    assert report.sections["locks"].error == "reading strategy_locks took too long"


async def test_the_services_clock_does_not_matter(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no clock of its own to be an hour off: asOf is the database's."""
    monkeypatch.setattr("time.time", lambda: 0.0)
    report = await status(project)
    async with project.connect() as connection:
        now = await connection.fetchval("select now()")
    assert report.as_of is not None
    assert timedelta() <= now - report.as_of < timedelta(seconds=30)
    assert report.verdict == "ok"


async def test_a_database_out_of_reach_raises(project: Project) -> None:
    with pytest.raises(DatabaseUnavailableError):
        await status(project, database_url="postgresql://u:p@127.0.0.1:1/x")


async def test_ticks_are_attributed_to_runs_of_their_user_only(project: Project) -> None:
    await project.execute(
        "delete from strategy_tick_runs;"
        "update strategy_runs set status = case symbol when 'ETH-USD' then 'active' else 'stopped' end;"
        + OLD
        + ", last_run_at = null;"
        # Each of the three gets ticks: its own, another user's, and its own of next year.
        "insert into strategy_tick_runs (strategy_run_id, user_id, scheduled_at, started_at, status)"
        " select run.id, case number when 2 then '00000000-0000-4000-8000-000000000001' else user_id end,"
        "   case number when 3 then now() + interval '1 year' else now() - n * interval '1 minute' end, now(), 'ok'"
        " from (select *, row_number() over (order by id) as number from strategy_runs where status = 'active') run,"
        "   generate_series(0, 90) n"
    )
    report = await status(project)
    assert report.runs.active is not None
    assert (report.runs.active.on_time + report.runs.active.late, report.runs.active.overdue) == (1, 2)
    found = {reason.rule: reason for reason in report.reasons}
    assert found.keys() == {"overdue", "clock_ahead", "foreign_ticks"}
    assert found["clock_ahead"].count == 91
    # The horizon is (asOf - 1 h, asOf + 5 s]: one tick a minute, the first one just now.
    assert found["foreign_ticks"].count == 60
    assert report.ticks.expected in (3 * 59, 3 * 58)
    assert report.ticks.missed == (report.ticks.expected or 0) // 3 * 2
    rows = {row.symbol: row for row in (await grid(project)).runs or ()}
    assert {row.state for row in rows.values()} <= set(State)


@pytest.mark.parametrize("state", ["draft", "active", "paused", "stopped"])
async def test_ticks_of_a_foreign_user_are_reported_whatever_the_state_of_their_run(
    project: Project, state: str
) -> None:
    await project.execute(
        f"update strategy_runs set status = '{state}' where symbol = 'SOL-USD';"
        "insert into strategy_tick_runs (strategy_run_id, user_id, scheduled_at, started_at, status)"
        " select id, '00000000-0000-4000-8000-000000000001', now(), now(), 'ok' from strategy_runs"
        " where symbol = 'SOL-USD' order by id limit 1"
    )
    found = {reason.rule: reason.count for reason in (await status(project)).reasons}
    assert found["foreign_ticks"] == 1


async def test_of_a_silent_run_the_rows_stored_last_tell_since_when(project: Project) -> None:
    await project.execute(
        OLD + ", last_run_at = null; delete from strategy_tick_runs where strategy_run_id ="
        " (select id from strategy_runs where symbol = 'ETH-USD' order by id limit 1);"
        "insert into strategy_tick_runs (strategy_run_id, user_id, scheduled_at, started_at, status, reason)"
        " select * from (select id, user_id, now() - n * interval '1 minute', now(), 'blocked', 'no keys'"
        "   from strategy_runs, generate_series(400, 300, -1) n where symbol = 'ETH-USD' order by id limit 101) ticks"
    )
    report = await status(project)
    assert rules(report) == ["overdue", "not_working"]
    (row,) = [row for row in (await grid(project)).runs or () if row.state is State.OVERDUE]
    assert report.as_of is not None
    assert row.last_tick_at is not None
    assert timedelta(minutes=299) < report.as_of - row.last_tick_at < timedelta(minutes=301)
    assert row.cause is not None
    assert (row.cause.kind, row.cause.reason) == ("blocked", "no keys")
    await project.execute("drop index strategy_tick_runs_strategy_run_id")
    without = [row for row in (await grid(project)).runs or () if row.state is State.OVERDUE]
    assert [row.last_tick_at for row in without] == [None]


@pytest.mark.parametrize("others", [0, 3_000, 20_000])
async def test_of_more_rows_than_are_looked_at_those_stored_last_are_the_newest(project: Project, others: int) -> None:
    """Whatever the planner makes of their number."""
    run = "(select id, user_id from strategy_runs where symbol = 'ETH-USD' order by id limit 1)"
    await project.execute(
        OLD + ", last_run_at = null; truncate strategy_tick_runs;"
        "insert into strategy_tick_runs (strategy_run_id, user_id, scheduled_at, started_at, status)"
        f" select id, user_id, now() - n * interval '1 minute', now(), 'ok'"
        f" from (select id, user_id from strategy_runs where symbol <> 'ETH-USD' limit 2) run,"
        f"   generate_series({others // 2 + 1500}, 1501, -1) n;"
        "insert into strategy_tick_runs (strategy_run_id, user_id, scheduled_at, started_at, status)"
        f" select id, user_id, now() - n * interval '1 minute', now(), case when n < 303 then 'error' else 'ok' end"
        f" from {run} run, generate_series(1500, 300, -1) n;"
        "analyze strategy_tick_runs"
    )
    (streak,) = (await status(project)).streaks or ()
    assert streak.errors == 3


async def test_odd_rows_raise_nothing(project: Project) -> None:
    """Times that no calendar has, nulls where they may be, negative latencies, and a meta of a megabyte."""
    await project.execute(
        "update strategy_runs set created_at = '-infinity', updated_at = 'infinity', last_run_at = '20000-01-01';"
        "alter table strategy_tick_runs alter user_id drop not null;"
        "insert into strategy_tick_runs (strategy_run_id, user_id, scheduled_at, started_at, finished_at, status,"
        " reason, latency_ms, meta)"
        " select case when n % 2 = 0 then id end, null, at::timestamptz, now(), finished::timestamptz, 'ok',"
        "   e'\\x1b[31m\\n', -5, jsonb_build_object('text', repeat('x', 1000000))"
        " from strategy_runs, generate_series(1, 2) n,"
        "   unnest(array['infinity', '-infinity', '20000-01-01', '0100-01-01 BC', now()::text],"
        "          array['infinity', null, '-infinity', now()::text, 'infinity']) as odd (at, finished)"
        " where symbol = 'BTC-USD';"
        "insert into strategy_locks select id, 'infinity', 'r', '-infinity' from strategy_runs where symbol = 'BTC-USD'"
    )
    for window in Window:
        report = await status(project, window)
        assert failed(report) == set()
    assert "clock_ahead" in rules(report)
    assert failed(await grid(project)) == set()


async def test_every_figure_is_that_of_the_rows(project: Project) -> None:
    """Against the database's own percentile_disc and plain counts, for every window, at one and the same asOf."""
    await project.execute(
        OLD
        + "; insert into strategy_tick_runs (strategy_run_id, user_id, scheduled_at, started_at, finished_at, status,"
        " reason, signal, latency_ms)"
        " select run.id, user_id, at, at, at + n % 977 * interval '1.37 ms',"
        "   (array['ok', 'ok', 'ok', 'skipped', 'blocked', 'error'])[1 + n % 6],"
        "   case when n % 3 = 0 then 'r' || n % 13 end,"
        "   case when n % 4 = 0 then (array['buy', 'sell', 'hold'])[1 + n % 3] end, nullif(n * 7919 % 4001, 0)"
        " from strategy_runs run, generate_series(1, 3000) n, lateral (select now() - n * interval '211 s') t(at)"
    )
    for window in Window:
        report = await status(project, window)
        assert failed(report) == set()
        exact = await _exactly(project, report.as_of, window)
        ticks = report.ticks
        assert ticks.by_status is not None
        assert {name: number for name, number in ticks.by_status.items() if number} == exact["statuses"]
        assert ticks.latency_ms is not None
        assert ticks.finish_delay_ms is not None
        for found, kind in ((ticks.latency_ms, "latency"), (ticks.finish_delay_ms, "delay")):
            assert (found.count, found.max) == (exact[f"{kind}_count"], exact[f"{kind}_max"])
            assert [found.p50, found.p95, found.p99] == exact[kind]
        assert [(one.reason, one.count) for one in ticks.reasons or ()] == exact["reasons"]
        for bucket in report.series or ():
            at, p95 = exact["series"].get(bucket.at, (0, None))
            assert bucket.ok + bucket.skipped + bucket.blocked + bucket.error == at
            assert (bucket.p95 is None) is (p95 is None)
            if p95 is not None:
                assert p95 <= (bucket.p95 or 0) <= p95 * 1.05


async def _exactly(project: Project, as_of: object, window: Window) -> dict[str, Any]:
    inside = "from strategy_tick_runs where scheduled_at > $1::timestamptz - $2::interval and scheduled_at <= $1"
    delay = "greatest(floor(extract(epoch from finished_at - scheduled_at) * 1000), 0)::int"
    arguments = (as_of, window.length)
    async with project.connect() as connection:
        statuses = await connection.fetch(f"select status, count(*) as n {inside} group by 1", *arguments)
        row = await connection.fetchrow(
            "select percentile_disc(array[0.5, 0.95, 0.99]) within group (order by latency_ms) as latency,"
            f" percentile_disc(array[0.5, 0.95, 0.99]) within group (order by {delay}) as delay,"
            f" count(latency_ms) as latency_count, max(latency_ms) as latency_max, count({delay}) as delay_count,"
            f" max({delay}) as delay_max {inside}",
            *arguments,
        )
        reasons = await connection.fetch(
            f"select reason, count(*) as n {inside} and reason is not null"
            ' group by 1 order by 2 desc, reason collate "C" limit 10',
            *arguments,
        )
        series = await connection.fetch(
            "select date_bin($3::interval, scheduled_at, 'epoch') as at, count(*) as n,"
            f" percentile_disc(0.95) within group (order by latency_ms) as p95 {inside} group by 1",
            *arguments,
            window.bucket,
        )
    assert row is not None
    return {
        **dict(row),
        "statuses": {found["status"]: found["n"] for found in statuses},
        "reasons": [(found["reason"], found["n"]) for found in reasons],
        "series": {found["at"]: (found["n"], found["p95"]) for found in series},
    }


async def test_no_query_of_a_report_walks_the_whole_table(cluster: EmbeddedPostgres) -> None:
    """With production's indexes alone: what is read grows with the window, not with the table."""
    async with new_project(cluster) as project:
        await project.execute(
            "insert into strategy_tick_runs (strategy_run_id, user_id, scheduled_at, started_at, status)"
            " select id, user_id, now() - interval '1 day' - n * interval '10 s', now(), 'ok'"
            " from strategy_runs, generate_series(1, 20000) n where status = 'active';"
            "analyze; select pg_stat_reset()"
        )
        for read in (status(project, Window.QUARTER), grid(project)):
            report = await read
            assert failed(report) == set()
        await asyncio.sleep(1.5)
        async with project.connect() as connection:
            stats = await connection.fetchrow(
                "select seq_scan, seq_tup_read, idx_tup_fetch from pg_stat_user_tables"
                " where relname = 'strategy_tick_runs'"
            )
    assert stats is not None
    assert stats["seq_scan"] == 0
    assert (stats["idx_tup_fetch"] or 0) < 20_000
