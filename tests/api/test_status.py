"""`GET /api/runner/status` and `/runs` over real HTTP."""

import asyncio
import re
from collections import Counter
from typing import Any

import httpx
import jsonschema
import pytest

from app.api.status import RenderedRuns
from app.demo.server import free_port
from app.main import create_app
from app.postgres.pool import Database
from app.pulse import Pulse
from tests.api.service import PROBE, bearer, claimed, serving_project, token
from tests.databases import Project

pytestmark = pytest.mark.usefixtures("ticking")

STATUS, RUNS = "/api/runner/status", "/api/runner/runs"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
ORIGIN = "https://admin.acme.com"

SILENCE = "delete from strategy_tick_runs; update strategy_runs set last_run_at = now() - interval '3 hours',"
SILENCE += " created_at = now() - interval '9 days', updated_at = now() - interval '9 days'"


async def get(project: Project, path: str, credential: str | None = None, **settings: object) -> httpx.Response:
    with serving_project(project, probe_token=PROBE, **settings) as service:
        return await asyncio.to_thread(service.get, path, credential or claimed())


async def test_the_dashboard_finds_every_field_it_reads_asking_as_it_does(project: Project) -> None:
    """With a content type, from another origin, with credentials; it must need no change."""
    await project.execute(
        "update strategy_risk_state set is_paused = true, paused_reason = 'daily loss limit'"
        " where user_id = '00000000-0000-4000-8000-000000000002'"
    )
    async with project.connect() as connection:
        newest = await connection.fetchrow(
            "select scheduled_at, status from strategy_tick_runs order by scheduled_at desc, id desc limit 1"
        )
    with serving_project(project, cors_origins=ORIGIN, enable_strategy_runner=True) as service:
        headers = {"Origin": ORIGIN, "Content-Type": "application/json"}
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization,content-type"}
        preflight = await asyncio.to_thread(service.get, STATUS, headers={"Origin": ORIGIN, **asked}, method="OPTIONS")
        answer = await asyncio.to_thread(service.get, STATUS, token(), headers=headers)
        denied = await asyncio.to_thread(service.get, STATUS, token(sub="00000000-0000-4000-8000-000000000002"))
    assert newest is not None
    assert preflight.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    body = answer.json()
    assert (body["ok"], body["enabled"], body["activeStrategies"]) == (True, True, 6)
    assert body["lastRunAt"].startswith(f"{newest['scheduled_at']:%Y-%m-%dT%H:%M:%S}")
    assert body["lastRunStatus"] == newest["status"]
    assert (body["blockedUsersCount"], body["lastBlockedReasons"]) == (1, ["daily loss limit"])
    assert body["requestId"] == answer.headers["x-request-id"]
    assert denied.status_code == 403
    assert denied.json()["error"] == "Access denied"


async def test_the_status_has_exactly_the_promised_members_and_is_as_the_openapi_document_says(
    project: Project,
) -> None:
    body = (await get(project, STATUS)).json()
    assert body.keys() == {
        *("ok", "requestId", "cached", "verdict", "reasons", "asOf", "window", "durationMs", "enabled"),
        *("activeStrategies", "lastRunAt", "lastRunStatus", "blockedUsersCount", "lastBlockedReasons"),
        *("runs", "ticks", "streaks", "locks", "risk", "series", "sections"),
    }
    assert body["runs"].keys() == {"total", "byStatus", "active"}
    assert body["runs"]["byStatus"] == {"draft": 0, "active": 6, "paused": 3, "stopped": 0}
    assert body["runs"]["active"].keys() == {"onTime", "late", "overdue", "unparsable"}
    ticks = body["ticks"]
    assert ticks.keys() == {
        *("total", "byStatus", "bySignal", "errorRate", "expected", "missed", "latencyMs", "finishDelayMs", "reasons"),
    }
    assert (
        ticks["total"]
        == sum(ticks["byStatus"].values())
        == sum(bucket[status] for bucket in body["series"] for status in ("ok", "skipped", "blocked", "error"))
    )
    assert ticks["latencyMs"].keys() == {"count", "p50", "p95", "p99", "max"}
    assert body["locks"].keys() == {"held", "expired", "orphaned", "overlong", "items"}
    assert body["risk"] == {"pausedUsers": 0, "reasons": []}
    assert len(body["series"]) <= 120
    assert TIME.fullmatch(body["asOf"])
    assert all(section["ok"] for section in body["sections"].values())
    assert {section["accuracy"] for section in body["sections"].values()} == {"exact", "approximate"}
    document = create_app(project.settings(environment="development")).openapi()
    for path, found in ((STATUS, body), (RUNS, (await get(project, RUNS)).json())):
        schema: Any = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(found, {**schema, "components": document["components"]})


async def test_reasons_locks_streaks_and_runs_have_the_promised_members(project: Project) -> None:
    await project.execute(
        SILENCE + "; insert into strategy_locks select id, now() + interval '1 minute', 'runner-1', now()"
        " from strategy_runs where status = 'active' order by id limit 1;"
        "insert into strategy_tick_runs (strategy_run_id, user_id, scheduled_at, started_at, status, reason)"
        " select id, user_id, now() - n * interval '5 minutes' - interval '20 minutes', now(), 'error', 'boom'"
        " from strategy_runs, generate_series(1, 4) n where status = 'active'"
    )
    body = (await get(project, STATUS)).json()
    assert body["verdict"] == "down"
    for reason in body["reasons"]:
        assert reason.keys() == {
            *("rule", "severity", "summary", "observed", "threshold", "count", "examples", "href"),
        }
        assert reason["href"].startswith("/api/runner/")
        assert len(reason["examples"]) <= 5
    assert body["streaks"][0].keys() == {"strategy_run_id", "symbol", "timeframe", "errors", "since", "lastOkAt"}
    assert body["streaks"][0]["errors"] == 4
    assert {"strategy_run_id", "lock_owner", "locked_until", "updated_at"} < body["locks"]["items"][0].keys()
    runs = (await get(project, RUNS)).json()
    assert runs.keys() == {"ok", "requestId", "cached", "verdict", "asOf", "durationMs", "total", "runs", "sections"}
    always = {
        *("strategy_run_id", "user_id", "symbol", "timeframe", "state", "lastTickAt", "nextExpectedAt"),
        *("lateBySeconds", "missed", "streak", "slots"),
    }
    for run in runs["runs"]:
        assert always <= run.keys() <= always | {"lock", "cause"}
        assert (run["state"], run["cause"]["kind"]) == ("overdue", "scheduler_silent")
    assert Counter("lock" in run for run in runs["runs"]) == {True: 1, False: 5}


async def test_runs_take_a_limit_a_state_and_a_number_of_slots(project: Project) -> None:
    await project.execute(
        "update strategy_runs set created_at = now() - interval '9 days', updated_at = now() - interval '9 days'"
    )
    with serving_project(project) as service:

        async def runs(query: str) -> Any:  # noqa: ANN401 - JSON
            return (await asyncio.to_thread(service.get, RUNS + query, claimed())).json()

        assert len((await runs(""))["runs"]) == 6
        few = await runs("?limit=2&slots=12&state=onTime")
        assert (len(few["runs"]), few["total"]) == (2, 6)
        assert {len(run["slots"]) for run in few["runs"]} == {12}
        assert (await runs("?state=overdue"))["runs"] == []
        for query, named in (("?limit=501", "limit"), ("?slots=11", "slots"), ("?state=dead", "state"), ("?x=1", "x")):
            answer = await asyncio.to_thread(service.get, RUNS + query, claimed())
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")
            assert named in answer.json()["detail"]
        assert (await asyncio.to_thread(service.get, STATUS + "?window=2h", claimed())).status_code == 422


async def test_the_probe_may_have_the_status_and_not_the_runs(project: Project) -> None:
    with serving_project(project, probe_token=PROBE) as service:
        assert (await asyncio.to_thread(service.get, STATUS, PROBE)).status_code == 200
        assert (await asyncio.to_thread(service.get, RUNS, PROBE)).status_code == 401
        assert (await asyncio.to_thread(service.get, STATUS)).status_code == 401


async def test_fail_on_turns_a_verdict_or_a_worse_one_and_unknown_into_503(project: Project) -> None:
    async def codes() -> list[int]:
        with serving_project(project) as service:
            queries = ("", "?fail_on=degraded", "?fail_on=down")
            answers = [await asyncio.to_thread(service.get, STATUS + query, claimed()) for query in queries]
            assert all(answer.json()["ok"] is True for answer in answers)
            return [answer.status_code for answer in answers]

    assert await codes() == [200, 200, 200]
    await project.execute("update strategy_runs set timeframe = 'odd' where symbol = 'ETH-USD'")
    assert await codes() == [200, 503, 200]
    await project.execute(SILENCE)
    assert await codes() == [200, 503, 503]
    await project.execute("update strategy_runs set timeframe = '1m', status = 'draft'; drop table strategy_locks")
    assert await codes() == [200, 503, 503]


async def test_text_is_what_the_command_line_prints(project: Project) -> None:
    with serving_project(project, probe_token=PROBE) as service:
        answer = await asyncio.to_thread(service.get, STATUS, PROBE, headers={"Accept": "text/plain"})
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith("✓ OK  6 strategies, none overdue   window 1h · as of ")
    assert max(len(line) for line in answer.text.splitlines()) <= 79


async def test_callers_at_the_same_time_share_one_reading(project: Project) -> None:
    with serving_project(project, report_cache_ms=60_000) as service:
        async with httpx.AsyncClient(base_url=service.url, headers=bearer(claimed()), timeout=20) as client:
            answers = await asyncio.gather(*(client.get(STATUS) for _ in range(50)))
            other = await client.get(STATUS, params={"window": "6h"})
    assert len({answer.json()["asOf"] for answer in answers}) == 1
    assert other.json()["asOf"] != answers[0].json()["asOf"]


@pytest.mark.parametrize("accept", ["application/json", "text/plain"])
async def test_a_database_out_of_reach_is_down_for_those_whose_right_needs_no_database(
    project: Project, accept: str
) -> None:
    url = f"postgresql://u:Sesame-1@127.0.0.1:{free_port()}/x"
    with serving_project(project, database_url=url, probe_token=PROBE) as service:
        for credential in (claimed(), PROBE):
            answer = await asyncio.to_thread(service.get, STATUS, credential, headers={"Accept": accept})
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert "Sesame" not in answer.text
            if accept == "text/plain":
                assert answer.text.startswith("✗ DOWN")
                continue
            body = answer.json()
            assert (body["ok"], body["verdict"], body["asOf"]) == (False, "down", None)
            assert body["reasons"][0]["rule"] == "database_unreachable"
            assert body["error"] == "Database out of reach"
            assert body["activeStrategies"] is None
        answer = await asyncio.to_thread(service.get, STATUS, token(), headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        answer = await asyncio.to_thread(service.get, RUNS, claimed())
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")


async def test_the_runs_are_written_once_for_all_who_ask_for_the_same_of_them(project: Project) -> None:
    """A few hundred rows take longer to write than to read, and a thousand viewers ask for the same of them."""
    settings = project.settings()
    database = Database(settings)
    try:
        rendered = RenderedRuns(await Pulse(settings, database).runs())
    finally:
        await database.close()
    ask = {"limit": 5, "state": None, "slots": 30}
    assert rendered.json(**ask) is rendered.json(**ask)
    assert rendered.json(**ask) != rendered.json(**ask | {"limit": 1})
