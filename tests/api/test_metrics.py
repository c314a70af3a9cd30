"""`GET /metrics` over real HTTP, read as Prometheus reads it."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.demo.server import HOST
from app.runner.verdict import RULES
from tests.api.process import ServiceProcess
from tests.api.service import PROBE, Service, claimed, serving_project
from tests.databases import Connection, Project
from tests.promtool import promtool

METRICS = "/metrics"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    """Every sample by its name, without the prefix, and its labels."""
    return {
        (sample.name.removeprefix("runner_diagnostics_"), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


def ones(found: Samples, name: str) -> set[str]:
    """The label values at which a metric is 1."""
    return {dict(labels).popitem()[1] for (one, labels), number in found.items() if one == name and number == 1}


async def scrape(service: Service) -> Samples:
    answer = await asyncio.to_thread(service.get, METRICS, PROBE)
    assert answer.status_code == 200, answer.text
    return samples(answer.text)


@pytest.mark.usefixtures("ticking")
async def test_a_scrape_says_what_the_reports_say(project: Project) -> None:
    with serving_project(project, probe_token=PROBE, report_cache_ms=60_000) as service:
        schema = (await asyncio.to_thread(service.get, "/api/runner/schema", PROBE)).json()
        pulse = (await asyncio.to_thread(service.get, "/api/runner/status", PROBE)).json()
        found = await scrape(service)
    assert value(found, "database_up") == 1
    assert ones(found, "schema_conformance") == {"conformant"}
    assert ones(found, "verdict") == {pulse["verdict"]} == {"ok"}
    assert ones(found, "rule") == set()
    assert {name for (one, labels) in found if one == "rule" for _, name in labels} == {
        *(rule.__name__ for rule in RULES),
        "database_unreachable",
    }
    for name, number in pulse["ticks"]["byStatus"].items():
        assert value(found, "window_ticks", status=name) == number
    for name, number in pulse["ticks"]["bySignal"].items():
        assert value(found, "window_signals", signal=name) == number
    for name, number in pulse["runs"]["byStatus"].items():
        assert value(found, "runs", status=name) == number
    for name, number in pulse["runs"]["active"].items():
        if name != "unparsable":
            assert value(found, "active_runs", state=name) == number
    for rank in ("p50", "p95", "p99", "max"):
        seconds = pulse["ticks"]["latencyMs"][rank] / 1000
        assert value(found, "window_tick_latency_seconds", percentile=rank) == seconds
    assert value(found, "window_expected_slots") == pulse["ticks"]["expected"]
    assert value(found, "locks", state="held") == pulse["locks"]["held"]
    assert value(found, "report_duration_seconds", report="schema") == schema["durationMs"] / 1000
    for report in ("schema", "status"):
        age = value(found, "report_age_seconds", report=report)
        assert age is not None
        assert 0 < age < 30
    newest = value(found, "last_tick_timestamp_seconds")
    assert newest is not None
    assert pulse["lastRunAt"].startswith(f"{datetime.fromtimestamp(newest, UTC):%Y-%m-%dT%H:%M:%S}")


@pytest.mark.parametrize("template", ["two_migrations"])
async def test_drift_is_told_by_table_and_severity(project: Project) -> None:
    with serving_project(project, probe_token=PROBE) as service:
        found = await scrape(service)
    assert ones(found, "schema_conformance") == {"drift"}
    report = await project.check()
    for table in ("strategy_runs", "strategy_tick_runs", "strategy_locks"):
        for severity in ("error", "warning"):
            failed = [
                check
                for check in report.checks
                if (check.table, check.severity, check.outcome) == (table, severity, "fail")
            ]
            assert value(found, "schema_failed_checks", table=table, severity=severity) == len(failed)
    assert value(found, "schema_failed_checks", table="migrations", severity="warning") == 1
    assert ones(found, "verdict") == {"unknown"}
    assert "section_unreadable" in ones(found, "rule")


async def test_a_database_out_of_reach_is_a_finding_and_no_figure_is_made_up(project: Project) -> None:
    url = f"postgresql://u:Sesame-1@{HOST}:1/x"
    with serving_project(project, database_url=url, probe_token=PROBE) as service:
        answer = await asyncio.to_thread(service.get, METRICS, PROBE)
    assert answer.status_code == 200
    assert "Sesame" not in answer.text
    found = samples(answer.text)
    assert value(found, "database_up") == 0
    assert ones(found, "verdict") == {"down"}
    assert ones(found, "schema_conformance") == {"unknown"}
    assert ones(found, "rule") == {"database_unreachable"}
    assert not [name for name, _ in found if name.startswith(("window_ticks", "runs", "locks", "schema_failed"))]


async def test_reports_grow_old_while_the_database_is_away(project: Project) -> None:
    with serving_project(project, probe_token=PROBE) as service:
        assert value(await scrape(service), "database_up") == 1
        maintenance: Connection = await asyncpg.connect(project.cluster.url())
        await maintenance.execute(f"alter database {project.name} with allow_connections false")
        await maintenance.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", project.name
        )
        await asyncio.sleep(0.3)
        away = await scrape(service)
        await maintenance.execute(f"alter database {project.name} with allow_connections true")
        await maintenance.close()
        back = await scrape(service)
    assert value(away, "database_up") == 0
    age, younger = (value(one, "report_age_seconds", report="schema") for one in (away, back))
    assert age is not None
    assert younger is not None
    assert age > 0.3 > younger
    assert value(back, "database_up") == 1


@pytest.mark.usefixtures("ticking")
async def test_a_flood_of_scrapes_costs_one_reading(project: Project) -> None:
    with serving_project(project, probe_token=PROBE, report_cache_ms=60_000) as service:
        async with httpx.AsyncClient(base_url=service.url, timeout=20) as client:
            headers = {"Authorization": f"Bearer {PROBE}"}
            answers = await asyncio.gather(*(client.get(METRICS, headers=headers) for _ in range(20)))
        await project.execute("truncate strategy_tick_runs, strategy_locks")
        later = await scrape(service)
    durations = {value(samples(answer.text), "report_duration_seconds", report="schema") for answer in answers}
    assert len(durations) == 1
    assert value(later, "window_ticks", status="ok") == value(samples(answers[0].text), "window_ticks", status="ok")


async def test_text_of_the_database_is_no_label(project: Project) -> None:
    await project.execute(
        "alter table strategy_tick_runs drop constraint strategy_tick_runs_status_check;"
        "insert into strategy_tick_runs (strategy_run_id, user_id, scheduled_at, started_at, status, signal)"
        " select id, user_id, now(), now(), 'a \"hostile\" status', null from strategy_runs limit 3"
    )
    with serving_project(project, probe_token=PROBE) as service:
        answer = await asyncio.to_thread(service.get, METRICS, PROBE)
    assert "hostile" not in answer.text
    assert value(samples(answer.text), "window_ticks", status="other") == 3
    assert not re.search("[0-9a-f]{8}-[0-9a-f]{4}-", answer.text)


async def test_requests_are_counted_by_route_and_status_and_by_nothing_a_caller_makes_up(project: Project) -> None:
    with serving_project(project, probe_token=PROBE) as service:
        for path in ("/livez", "/livez", "/api/runner/status", "/nothing/here", "/nothing/there"):
            await asyncio.to_thread(service.get, path)
        await asyncio.to_thread(service.get, "/livez", method="FROB")
        found = await scrape(service)
    assert value(found, "http_requests_total", method="GET", path="/livez", status="200") == 2
    assert value(found, "http_requests_total", method="GET", path="/api/runner/status", status="401") == 1
    assert value(found, "http_requests_total", method="GET", path="other", status="404") == 2
    assert {dict(labels)["method"] for name, labels in found if name == "http_requests_total"} == {"GET", "other"}


async def test_only_the_probe_and_admins_may_scrape(project: Project) -> None:
    with serving_project(project, probe_token=PROBE) as service:
        assert (await asyncio.to_thread(service.get, METRICS)).status_code == 401
        assert (await asyncio.to_thread(service.get, METRICS, PROBE[:-1])).status_code == 401
        assert (await asyncio.to_thread(service.get, METRICS, claimed())).status_code == 200


@pytest.mark.parametrize(("environment", "code"), [("production", 404), ("development", 401)])
async def test_without_a_probe_token_there_is_nothing_to_scrape_outside_development(
    project: Project, environment: str, code: int
) -> None:
    with serving_project(project, environment=environment) as service:
        assert (await asyncio.to_thread(service.get, METRICS)).status_code == code


@pytest.mark.usefixtures("ticking")
async def test_promtool_finds_nothing_to_say(project: Project) -> None:
    with serving_project(project, probe_token=PROBE) as service:
        answer = await asyncio.to_thread(service.get, METRICS, PROBE)
        newer = await asyncio.to_thread(
            service.get, METRICS, PROBE, headers={"Accept": "application/openmetrics-text;version=1.0.0"}
        )
    assert newer.headers["content-type"].startswith("application/openmetrics-text")
    assert newer.text.endswith("# EOF\n")
    finished = await asyncio.to_thread(promtool, "check", "metrics", given=answer.text)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


def test_a_scrape_of_any_worker_tells_of_the_requests_to_all(tmp_path: Path) -> None:
    service = ServiceProcess(tmp_path, f"postgresql://u:p@{HOST}:1/x", TMPDIR=str(tmp_path))
    service.start("--workers", "2")
    try:
        before = _answered(service, "/api/runner/status")
        for _ in range(30):
            assert service.get("/api/runner/status").status_code == 401
        # Whichever worker is asked.
        assert {_answered(service, "/api/runner/status") for _ in range(5)} == {(before or 0) + 30}
    finally:
        service.stop()
    assert [path.name for path in tmp_path.iterdir()] == [service.log.name]


def _answered(service: ServiceProcess, path: str) -> float | None:
    found = samples(service.get(METRICS, PROBE).text)
    return value(found, "http_requests_total", method="GET", path=path, status="401")
