"""Probes, and what every answer carries."""

import asyncio
import time
from contextlib import suppress

import httpx
import pytest

from app.demo.server import HOST
from app.diagnostics import Diagnostics
from tests.api.service import claimed, serving, serving_project
from tests.databases import Project
from tests.postgres.test_faults import silent_server


async def test_a_process_with_its_database_is_alive_and_healthy(project: Project) -> None:
    with serving_project(project) as service:
        for path in ("/livez", "/healthz", "/readyz"):
            answer = await asyncio.to_thread(service.get, path)
            assert (answer.status_code, answer.json()) == (200, {"status": "pass"})
            assert answer.headers["content-type"] == "application/health+json"
            assert answer.headers["cache-control"] == "no-store"
        head = await asyncio.to_thread(service.get, "/healthz", method="HEAD")
        assert (head.status_code, head.content) == (200, b"")


async def test_without_its_database_a_process_is_alive_and_not_healthy(project: Project) -> None:
    with serving_project(project, database_url=f"postgresql://u:p@{HOST}:1/x") as service:
        assert (await asyncio.to_thread(service.get, "/livez")).status_code == 200
        answer = await asyncio.to_thread(service.get, "/healthz")
        assert (answer.status_code, answer.json()) == (503, {"status": "fail"})


async def test_a_database_that_never_answers_is_unhealthy_within_a_second_and_a_half(project: Project) -> None:
    async with silent_server() as port:
        settings = project.settings(database_url=f"postgresql://u:p@{HOST}:{port}/x?sslmode=disable")
        with serving(settings) as service:
            started = time.monotonic()
            answer = await asyncio.to_thread(service.get, "/healthz")
            assert answer.status_code == 503
            assert time.monotonic() - started < 1.5
            assert (await asyncio.to_thread(service.get, "/livez")).status_code == 200


async def test_a_flood_of_probes_costs_one_query_a_second(project: Project) -> None:
    """Counted by the database itself. One after another, so that none can share another's flight."""
    count = "select xact_commit from pg_stat_database where datname = current_database()"
    with serving_project(project) as service:
        async with httpx.AsyncClient(base_url=service.url, timeout=20) as client, project.connect() as connection:
            await client.get("/healthz")
            await asyncio.sleep(1.2)
            before = await connection.fetchval(count)
            started = time.monotonic()
            for _ in range(300):
                assert (await client.get("/healthz")).status_code == 200
            took = time.monotonic() - started
    async with project.connect() as connection:
        # A session tells its statistics at the latest when it ends, as the service's has.
        await asyncio.sleep(0.5)
        after = await connection.fetchval(count)
    # Some transactions are this test's own.
    assert after - before < took + 30


async def test_a_healthy_answer_follows_the_database_within_the_second(project: Project) -> None:
    with serving_project(project) as service:
        assert (await asyncio.to_thread(service.get, "/healthz")).status_code == 200
        await project.execute(f"alter database {project.name} connection limit 0")
        await project.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'runner_diagnostics'"
        )
        await asyncio.sleep(1.1)
        assert (await asyncio.to_thread(service.get, "/healthz")).status_code == 503
        await project.execute(f"alter database {project.name} connection limit -1")
        await asyncio.sleep(1.1)
        assert (await asyncio.to_thread(service.get, "/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/nowhere", "GET", 404),
        ("/healthz/", "GET", 404),
        ("/healthz", "DELETE", 405),
    ],
)
async def test_what_the_router_answers_by_itself_is_a_problem_body_too(
    project: Project, path: str, method: str, status: int
) -> None:
    with serving_project(project) as service:
        answer = await asyncio.to_thread(service.get, path, method=method)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["requestId"] == answer.headers["x-request-id"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/livez", {"GET"}), ("/healthz", {"GET", "HEAD"}), ("/readyz", {"GET", "HEAD"}), ("/", {"GET", "HEAD"})],
)
def test_who_comes_with_another_method_is_told_all_that_there_are(
    project: Project, path: str, methods: set[str]
) -> None:
    with serving_project(project) as service:
        answers = {method: service.get(path, method=method) for method in ("GET", "HEAD", "POST", "OPTIONS", "TRACE")}
    assert {method for method, answer in answers.items() if answer.status_code == 200} == methods
    for answer in answers.values():
        assert answer.status_code == 200 or set(answer.headers["allow"].split(", ")) == methods


async def test_an_error_nobody_foresaw_is_a_problem_body_that_tells_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_self: Diagnostics) -> None:
        raise RuntimeError("Sesame")

    monkeypatch.setattr(Diagnostics, "check_schema", fail)
    with serving_project(project, cors_origins="https://admin.acme.com") as service:
        headers = {"Origin": "https://admin.acme.com"}
        answer = await asyncio.to_thread(service.get, "/api/runner/schema", claimed(), headers=headers)
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert answer.headers["access-control-allow-origin"] == "https://admin.acme.com"
    assert "Sesame" not in answer.text


async def test_the_dashboards_origin_may_call_with_credentials_and_no_other(project: Project) -> None:
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization,content-type"}
    with serving_project(project, cors_origins="https://admin.acme.com") as service:
        ours = {"Origin": "https://admin.acme.com"}
        preflight = await asyncio.to_thread(
            service.get, "/api/runner/schema", method="OPTIONS", headers={**ours, **asked}
        )
        denied = await asyncio.to_thread(service.get, "/api/runner/schema", headers=ours)
        foreign = {"Origin": "https://evil.example"}
        refused = await asyncio.to_thread(
            service.get, "/api/runner/schema", method="OPTIONS", headers={**foreign, **asked}
        )
        stranger = await asyncio.to_thread(service.get, "/api/runner/schema", claimed(), headers=foreign)
    for answer in (preflight, denied):
        assert answer.headers["access-control-allow-origin"] == "https://admin.acme.com"
        assert answer.headers["access-control-allow-credentials"] == "true"
    assert preflight.status_code == 200
    # The dashboard must be able to read that it is signed out.
    assert denied.status_code == 401
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in stranger.headers


async def test_a_header_without_end_is_cut_off(project: Project) -> None:
    """Nobody needs a credential to send one, so it must not be kept in memory."""
    with serving_project(project) as service:
        reader, writer = await asyncio.open_connection(HOST, int(service.url.rsplit(":", 1)[1]))
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Filler: ")
        sent = 0
        try:
            while sent < 20_000_000:
                writer.write(b"x" * 65536)
                await writer.drain()
                sent += 65536
        except OSError:
            pass
        writer.close()
        with suppress(OSError):
            await reader.read()
    assert sent < 20_000_000


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/livez", "GET"),
        ("/healthz", "HEAD"),
        ("/docs", "GET"),
        ("/nowhere", "GET"),
        ("/livez", "POST"),
        ("/api/runner/schema", "GET"),
        ("/api/runner/schema", "OPTIONS"),
        ("/api/runner/schema?limit=1", "GET"),
    ],
)
async def test_no_answer_of_the_api_may_be_kept_framed_sniffed_or_run(project: Project, path: str, method: str) -> None:
    with serving_project(project, cors_origins="https://admin.acme.com") as service:
        answer = await asyncio.to_thread(service.get, path, claimed(), method=method)
    headers = answer.headers
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"].startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    # Twice the same header is read differently by different browsers.
    assert len(set(headers)) == len(headers.raw)


async def test_documents_are_served_in_development_alone(project: Project) -> None:
    for environment, status in (("production", 404), ("development", 200)):
        with serving_project(project, environment=environment) as service:
            assert (await asyncio.to_thread(service.get, "/openapi.json")).status_code == status
            documents = await asyncio.to_thread(service.get, "/docs")
            assert documents.status_code == status
            # They bring scripts that our policy would keep from running.
            assert ("content-security-policy" in documents.headers) is (environment == "production")
