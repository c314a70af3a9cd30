"""`GET /api/runner/schema` over real HTTP."""

import asyncio
import json
import re
import time
from collections import Counter
from contextlib import closing
from typing import Any

import httpx
import jsonschema
import pytest

from app.demo.server import HOST
from app.main import create_app
from tests.api.service import PROBE, bearer, claimed, serving_project, token
from tests.databases import Project, failures
from tests.mutations import Mutation, all_mutations
from tests.postgres.test_faults import listening

PATH = "/api/runner/schema"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


async def test_the_report_has_exactly_the_promised_members(project: Project) -> None:
    with serving_project(project) as service:
        answer = await asyncio.to_thread(service.get, PATH, token())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body.keys() == {
        *("ok", "requestId", "checkedAt", "durationMs", "conformant", "cached"),
        *("database", "contract", "summary", "migrations", "checks", "fix"),
    }
    assert body["ok"] is True
    assert body["conformant"] is True
    assert body["requestId"] == answer.headers["x-request-id"]
    assert TIME.fullmatch(body["checkedAt"])
    assert body["database"].keys() == {"serverVersion", "login", "role", "schema", "bypassesRowSecurity"}
    assert body["database"]["login"] == "runner_diagnostics"
    assert body["contract"].keys() == {"name", "digest"}
    assert body["summary"].keys() == {"pass", "fail", "warning", "unknown", "skipped"}
    assert body["migrations"].keys() == {"source", "readable", "expected"}
    assert body["migrations"]["expected"][0] == {
        "version": "20260129150000",
        "name": "strategy_runs_and_events",
        "state": "applied",
    }
    assert body["fix"] == {"available": False, "href": None}


@pytest.mark.parametrize("template", ["two_migrations"])
async def test_checks_have_the_promised_members_and_only_skipped_ones_say_because(project: Project) -> None:
    with serving_project(project) as service:
        body = (await asyncio.to_thread(service.get, PATH, token())).json()
    always = {"key", "table", "severity", "outcome", "expected", "actual", "message"}
    for check in body["checks"]:
        assert always <= check.keys() <= always | {"because", "hint"}
        assert ("because" in check) is (check["outcome"] == "skipped")
        assert check["severity"] in ("error", "warning")
    counted = Counter(check["outcome"] for check in body["checks"])
    summary = body["summary"]
    assert summary["pass"] == counted["pass"]
    assert summary["fail"] + summary["warning"] == counted["fail"]
    assert summary["skipped"] == counted["skipped"]
    assert (body["conformant"], summary["fail"], summary["warning"]) == (False, 5, 1)


async def test_the_report_is_as_the_openapi_document_says(project: Project) -> None:
    document = create_app(project.settings(environment="development")).openapi()
    schema: Any = document["paths"][PATH]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    with serving_project(project) as service:
        body = (await asyncio.to_thread(service.get, PATH, token())).json()
    jsonschema.validate(body, {**schema, "components": document["components"]})


async def test_one_service_follows_the_database_while_it_changes(project: Project) -> None:
    """The same mutations, the same keys: one after another on one running service, without a restart."""
    mutations = [m for m in all_mutations() if m.breaks.endswith((".nullability", ".absent", ".row_security"))]
    mutations += [Mutation("strategies.table", "alter table strategies rename to strategies_old")]
    with serving_project(project) as service:
        expected: set[str] = set()
        for mutation in mutations:
            await project.execute(mutation.sql)
            expected |= mutation.expected
            body = (await asyncio.to_thread(service.get, PATH, claimed())).json()
            assert {check["key"] for check in body["checks"] if check["outcome"] == "fail"} == expected
        assert failures(await project.check()).keys() == expected


async def test_requests_during_ddl_are_all_answered_and_never_by_a_stale_statement(project: Project) -> None:
    async def change() -> None:
        async with project.connect() as connection:
            for number in range(40):
                await connection.execute(f"alter table strategy_tick_runs add column extra_{number} int")
                await connection.execute("alter table strategy_locks alter column lock_owner drop not null")
                await connection.execute("alter table strategy_locks alter column lock_owner set not null")

    with serving_project(project) as service:
        async with httpx.AsyncClient(base_url=service.url, headers=bearer(claimed()), timeout=20) as client:
            changing = asyncio.create_task(change())
            statuses: Counter[int] = Counter()
            while not changing.done():
                answers = await asyncio.gather(*(client.get(PATH) for _ in range(4)))
                statuses.update(answer.status_code for answer in answers)
            await changing
            final = (await client.get(PATH)).json()
    assert statuses.keys() == {200}
    assert final["conformant"] is True


async def test_a_report_is_reused_for_its_time_and_refresh_reads_anew(project: Project) -> None:
    with serving_project(project, report_cache_ms=60_000) as service:
        first = (await asyncio.to_thread(service.get, PATH, claimed())).json()
        await project.execute("alter table strategy_runs rename column symbol to name")
        second = (await asyncio.to_thread(service.get, PATH, claimed())).json()
        fresh = (await asyncio.to_thread(service.get, PATH + "?refresh=true", claimed())).json()
    assert (first["cached"], second["cached"], fresh["cached"]) == (False, True, False)
    assert second["checkedAt"] == first["checkedAt"]
    assert second["requestId"] != first["requestId"]
    assert (second["conformant"], fresh["conformant"]) == (True, False)


async def test_two_hundred_callers_cost_one_reading_a_period(project: Project) -> None:
    """With a pool of eight, all are answered; the database is read once for all of them."""
    with serving_project(project, report_cache_ms=30_000) as service:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(
            base_url=service.url, headers=bearer(token()), timeout=30, limits=limits
        ) as client:
            answers = await asyncio.gather(*(client.get(PATH) for _ in range(200)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["checkedAt"] for answer in answers}) == 1
    assert len({answer.headers["x-request-id"] for answer in answers}) == 200


async def test_fail_on_drift_turns_drift_into_503_with_the_same_body(project: Project) -> None:
    with serving_project(project) as service:
        good = await asyncio.to_thread(service.get, PATH + "?fail_on=drift", claimed())
        await project.execute("drop table strategy_locks")
        plain = await asyncio.to_thread(service.get, PATH, claimed())
        failing = await asyncio.to_thread(service.get, PATH + "?fail_on=drift", claimed())
    assert (good.status_code, plain.status_code, failing.status_code) == (200, 200, 503)
    assert failing.json()["ok"] is True
    assert failing.json()["conformant"] is False
    assert failing.json()["checks"] == plain.json()["checks"]


async def test_text_for_those_who_prefer_it_and_json_for_everyone_else(project: Project) -> None:
    kinds = {
        "text/plain": "text/plain; charset=utf-8",
        "text/plain;q=0.9, application/json;q=0.1": "text/plain; charset=utf-8",
        "text/plain;q=0.1, application/json": "application/json",
        "*/*": "application/json",
        "text/html": "application/json",
        "nonsense": "application/json",
        "application/json, text/plain, */*": "application/json",
        "": "application/json",
    }
    with serving_project(project) as service:
        for accept, kind in kinds.items():
            answer = await asyncio.to_thread(service.get, PATH, claimed(), headers={"Accept": accept})
            assert (accept, answer.headers["content-type"]) == (accept, kind)
        text = (await asyncio.to_thread(service.get, PATH, claimed(), headers={"Accept": "text/plain"})).text
    assert text.startswith("✓ CONFORMANT  public on 127.0.0.1 as service_role · PG 18")
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("?fail_on=everything", "fail_on"),
        ("?fail_on=down", "fail_on"),
        ("?refresh=Sesame", "refresh"),
        ("?frefresh=true", "frefresh: unknown parameter"),
    ],
)
async def test_a_bad_parameter_is_named_and_its_value_not_repeated(project: Project, query: str, named: str) -> None:
    with serving_project(project) as service:
        answer = await asyncio.to_thread(service.get, PATH + query, claimed())
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert named in answer.json()["detail"]
    assert "Sesame" not in answer.text
    assert "everything" not in answer.text


async def test_a_database_out_of_reach_is_503_and_says_when_to_come_again(project: Project) -> None:
    with serving_project(project, database_url="postgresql://u:Sesame-1@127.0.0.1:1/x", probe_token=PROBE) as service:
        answer = await asyncio.to_thread(service.get, PATH, PROBE)
    body = answer.json()
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert body.keys() == {"type", "title", "status", "detail", "ok", "error", "code", "requestId"}
    assert (body["ok"], body["error"], body["status"]) == (False, body["title"], 503)
    assert "Sesame" not in answer.text
    assert "127.0.0.1" not in answer.text


async def test_a_request_waits_no_longer_than_the_timeout_even_behind_another_reading(project: Project) -> None:
    async with project.connect() as other, other.transaction():
        # Reading the catalogue waits for this, as for nothing that runs on a healthy server.
        await other.execute("lock table pg_catalog.pg_namespace in access exclusive mode")
        with serving_project(project, database_timeout_ms=2000) as service:
            async with httpx.AsyncClient(base_url=service.url, headers=bearer(claimed()), timeout=20) as client:
                started = time.monotonic()
                answers = await asyncio.gather(*(client.get(PATH, params={"refresh": "true"}) for _ in range(20)))
                took = time.monotonic() - started
    assert {answer.status_code for answer in answers} == {503}
    assert took < 3.5


async def test_looking_up_the_caller_and_reading_share_one_time_limit(project: Project) -> None:
    """Through a proxy that delays every message, so that each of the two alone would just be in time."""

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
        while data := await reader.read(65536):
            await asyncio.sleep(delay)
            writer.write(data)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(HOST, project.cluster.port)
        with closing(there_writer):
            await asyncio.gather(pipe(reader, there_writer, 0.08), pipe(there_reader, writer, 0))

    async with listening(accept) as port:
        url = project.url().replace(f":{project.cluster.port}/", f":{port}/")
        with serving_project(project, database_url=url, database_timeout_ms=1500) as service:
            started = time.monotonic()
            answer = await asyncio.to_thread(service.get, PATH, token())
            took = time.monotonic() - started
    assert answer.status_code == 503
    assert took < 2.4


async def test_the_cached_report_is_valid_json_however_the_request_id_looks(project: Project) -> None:
    with serving_project(project, report_cache_ms=60_000) as service:
        for request_id in ("abc-1.2:3_4", 'a"b', "x" * 129, "é"):
            headers = {"X-Request-ID": request_id.encode()}
            answer = await asyncio.to_thread(service.get, PATH, claimed(), headers=headers)
            assert json.loads(answer.content)["requestId"] == answer.headers["x-request-id"]
            assert (answer.headers["x-request-id"] == request_id) is (request_id == "abc-1.2:3_4")
