"""What happens to the service when something happens to its database: each fault is made for real, with the answer
while it lasts and the recovery after it. The service is one process that is never restarted.

Every request goes through `ServiceProcess.get`, which fails when it takes longer than promised, probes 1.5 s.
"""

import asyncio
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.demo.server import HOST, EmbeddedPostgres
from tests.api.process import (
    PATH,
    RECOVERY_SECONDS,
    ServiceProcess,
    assert_tells_nothing,
    events,
    eventually,
    out_of_reach,
    serving_process,
)
from tests.api.service import PROBE, claimed, token
from tests.databases import NEWEST, SECRET, Project, running_cluster
from tests.proxy import Proxy
from tests.standby import Standby

STREAM = "/api/runner/tick-runs/stream"
# After what time a probe that is asked again and again tells of a fault: the memory of the last answer, and its own.
PROBE_SECONDS = 3
# The pool's, and the probe's.
MOST_SESSIONS = 9


@pytest.fixture(scope="module")
def primary() -> Iterator[EmbeddedPostgres]:
    """A cluster that may be stopped: no other test uses it."""
    with running_cluster(NEWEST) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def proxy(primary: EmbeddedPostgres) -> Iterator[Proxy]:
    with Proxy(primary.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def process(
    primary: EmbeddedPostgres, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    url = through(proxy, primary)
    with serving_process(ServiceProcess(tmp_path_factory.mktemp("service"), url)) as process:
        yield process


@pytest.fixture
def service(process: ServiceProcess, primary: EmbeddedPostgres, proxy: Proxy) -> Iterator[ServiceProcess]:
    """A service in good health, found in good health again, whose log told nothing of its secrets meanwhile."""
    eventually(process.whole, within=RECOVERY_SECONDS)
    yield process
    proxy.flow()
    eventually(process.whole, within=RECOVERY_SECONDS)
    assert_tells_nothing(process.log, primary.password, SECRET, PROBE)


PATHS = (
    PATH,
    f"{PATH}/fix",
    "/api/runner/status",
    "/api/runner/runs",
    "/api/runner/tick-runs",
    STREAM,
)


def assert_out_of_reach_everywhere(service: ServiceProcess) -> None:
    """Every path says so, each in the time a request may take: reports, pages, an export, a stream."""
    asked = [*((path, "application/json") for path in PATHS), ("/api/runner/tick-runs", "text/csv")]
    with ThreadPoolExecutor(len(asked)) as callers:
        answers = [callers.submit(service.get, path, claimed(), headers={"Accept": accept}) for path, accept in asked]
    for (path, _), one in zip(asked, answers, strict=True):
        answer = one.result()
        assert answer.status_code == 503, path
        assert answer.headers["retry-after"], path
        assert answer.json()["ok"] is False, path
        if path.endswith("/status"):
            assert answer.json()["verdict"] == "down"


def through(proxy: Proxy, cluster: EmbeddedPostgres) -> str:
    return Project(cluster, "documented").url().replace(f":{cluster.port}/", f":{proxy.port}/")


def execute(cluster: EmbeddedPostgres, *statements: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(cluster.url(database="documented"))
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


def sessions(cluster: EmbeddedPostgres) -> int:
    """Those the service has open, as the database counts them."""
    query = "select count(*) from pg_stat_activity where usename = 'runner_diagnostics'"

    async def count() -> int:
        connection = await asyncpg.connect(cluster.url())
        try:
            return int(await connection.fetchval(query))
        finally:
            await connection.close()

    return asyncio.run(count())


def test_a_database_that_is_stopped_and_started(service: ServiceProcess, primary: EmbeddedPostgres) -> None:
    primary.stop()
    try:
        eventually(service.sick, within=PROBE_SECONDS)
        assert out_of_reach(service.report())
        # Nor can it be told whether this one is an admin: neither a 401 nor a 403.
        assert out_of_reach(service.report(token(sub=str(uuid4()))))
        assert_out_of_reach_everywhere(service)
    finally:
        primary.start()
    eventually(service.whole, within=RECOVERY_SECONDS)


def test_a_database_that_is_restarted_between_two_requests(service: ServiceProcess, primary: EmbeddedPostgres) -> None:
    """Every connection of the pool is dead, and none of them is noticed before it is used."""
    primary.stop()
    primary.start()
    # One request may find a dead connection; a second one finds none.
    answers = [service.report() for _ in range(10)]
    assert [answer.status_code for answer in answers[1:]] == [200] * 9
    assert answers[0].status_code == 200 or out_of_reach(answers[0])


def test_a_database_that_accepts_and_never_answers(service: ServiceProcess, proxy: Proxy) -> None:
    proxy.stall()
    eventually(service.sick, within=PROBE_SECONDS)
    assert out_of_reach(service.report(), "database_timeout")
    assert out_of_reach(service.report(token(sub=str(uuid4()))), "database_timeout")
    assert_out_of_reach_everywhere(service)
    proxy.cut()
    # Neither are new connections answered.
    assert out_of_reach(service.report(), "database_timeout")
    assert service.sick()


def test_a_database_that_stops_answering_on_connections_that_were_good(service: ServiceProcess, proxy: Proxy) -> None:
    """As many as the pool holds lie ready; whoever takes one waits for its first answer."""
    with ThreadPoolExecutor(8) as callers:
        pages = [callers.submit(service.get, "/api/runner/tick-runs", claimed()) for _ in range(24)]
    assert [page.result().status_code for page in pages] == [200] * 24
    assert proxy.connections > len(PATHS)
    proxy.stall()
    assert_out_of_reach_everywhere(service)


def test_many_callers_of_a_database_that_hangs_are_all_answered_and_leave_nothing_behind(
    service: ServiceProcess, proxy: Proxy, primary: EmbeddedPostgres
) -> None:
    before = descriptors(service)
    proxy.stall()
    with ThreadPoolExecutor(30) as callers:
        # Connections that are kept for the next request would be among what is left.
        last = {"Connection": "close"}
        answers = [
            callers.submit(service.get, PATH, token(sub=str(uuid4())), params={"refresh": "true"}, headers=last)
            for _ in range(30)
        ]
        eventually(service.sick, within=PROBE_SECONDS)
        assert all(out_of_reach(answer.result(), "database_timeout") for answer in answers)
    proxy.flow()
    eventually(service.whole, within=RECOVERY_SECONDS)
    eventually(lambda: descriptors(service) <= before + MOST_SESSIONS, within=RECOVERY_SECONDS)
    assert sessions(primary) <= MOST_SESSIONS


def test_a_database_that_is_slow_costs_reports_and_no_probe(service: ServiceProcess, proxy: Proxy) -> None:
    proxy.delay = 0.15
    answer = service.report()
    # On a busy machine the time is over while a connection is still being made.
    assert out_of_reach(answer, "database_timeout") or out_of_reach(answer)
    assert service.healthy()
    with service.streaming(STREAM) as answer:
        assert answer.status_code in (200, 503)


@pytest.mark.parametrize("words", [b"begin iso", b"with recursive", b"jsonb_populate_record", b"rollback", b"commit"])
def test_a_network_that_is_cut_in_the_middle_of_a_query(service: ServiceProcess, proxy: Proxy, words: bytes) -> None:
    proxy.when(words, proxy.cut)
    answer = service.report()
    assert proxy.sprung()
    assert out_of_reach(answer)
    eventually(service.conforms, within=RECOVERY_SECONDS)


def test_a_network_that_lets_nobody_through(service: ServiceProcess, proxy: Proxy) -> None:
    proxy.refuses = True
    proxy.cut()
    eventually(service.sick, within=PROBE_SECONDS)
    assert out_of_reach(service.report())


def test_a_database_out_of_connections(service: ServiceProcess, primary: EmbeddedPostgres) -> None:
    execute(
        primary,
        "alter database documented connection limit 0",
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'runner_diagnostics'",
    )
    try:
        eventually(service.sick, within=PROBE_SECONDS)
        answer = service.report()
        assert out_of_reach(answer)
        assert "no connection left" in answer.json()["detail"]
        assert_out_of_reach_everywhere(service)
    finally:
        execute(primary, "alter database documented connection limit -1")


def test_a_database_that_fails_over_to_its_standby(
    service: ServiceProcess, proxy: Proxy, primary: EmbeddedPostgres
) -> None:
    """A standby is read like any other; when it has taken over, what is written there is what is reported."""
    with Standby(primary) as standby:
        proxy.target = standby.port
        proxy.cut()
        eventually(service.whole, within=RECOVERY_SECONDS)
        primary.stop()
        try:
            assert service.whole()
            standby.promote()
            eventually(service.whole, within=RECOVERY_SECONDS)
            execute(standby, "alter table strategy_runs drop column last_run_at")
            assert service.report().json()["conformant"] is False
            standby.stop()
            assert out_of_reach(service.report())
        finally:
            primary.start()
            proxy.target = primary.port
            proxy.cut()
    eventually(service.whole, within=RECOVERY_SECONDS)


def test_callers_that_go_away_while_they_wait(service: ServiceProcess, proxy: Proxy, primary: EmbeddedPostgres) -> None:
    proxy.stall()
    request = f"GET {PATH}?refresh=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {PROBE}\r\n\r\n".encode()
    for _ in range(40):
        with socket.create_connection((HOST, service.port)) as connection:
            connection.sendall(request)
    proxy.flow()
    eventually(service.whole, within=RECOVERY_SECONDS)
    assert sessions(primary) <= MOST_SESSIONS


def test_a_stream_outlives_its_database_and_gives_what_was_written_meanwhile(
    service: ServiceProcess, proxy: Proxy, primary: EmbeddedPostgres
) -> None:
    with service.streaming(STREAM) as answer:
        told = events(answer)
        execute(primary, NEW_TICK.format(reason="before"))
        assert reason(next(told)) == "before"
        proxy.stall()
        name, data = next(told)
        assert name == "stalled"
        assert "did not answer in time" in data["detail"]
        execute(primary, NEW_TICK.format(reason="meanwhile"))
        # Another fault, while it lasts: what was stalled is lost, and nobody is let through.
        proxy.refuses = True
        proxy.cut()
        assert service.sick()
        proxy.flow()
        found = [next(told), next(told)]
        assert {name for name, _ in found} == {"message", "recovered"}
        assert "meanwhile" in map(reason, found)
        execute(primary, NEW_TICK.format(reason="after"))
        assert reason(next(told)) == "after"


NEW_TICK = """
insert into strategy_tick_runs (strategy_run_id, user_id, scheduled_at, started_at, status, signal, reason)
select id, user_id, now(), now(), 'skipped', 'hold', '{reason}' from strategy_runs order by id limit 1
"""


def reason(event: tuple[str, Any]) -> str | None:
    name, data = event
    return str(data["reason"]) if name == "message" else None


@pytest.mark.parametrize("accept", ["text/event-stream", "application/x-ndjson"])
def test_readers_that_go_away_in_the_middle_of_a_stream_leave_nothing_behind(
    service: ServiceProcess, primary: EmbeddedPostgres, accept: str
) -> None:
    """Their connections are reset, as when a machine is gone; they have read the beginning of what is without end."""
    if accept == "application/x-ndjson":
        execute(primary, MANY_TICKS)
    path = STREAM if accept == "text/event-stream" else "/api/runner/tick-runs"
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nAuthorization: Bearer {claimed()}\r\n\r\n"
    before = descriptors(service)
    for _ in range(20):
        with socket.socket() as connection:
            # A small window, so that most of an export is still to be sent; and no goodbye.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.settimeout(10)
            connection.connect((HOST, service.port))
            connection.sendall(head.encode())
            answer = connection.recv(1024)
        # No more than two exports run at a time: one that is left goes on being one for longer than it takes to come.
        assert answer.startswith(b"HTTP/1.1 200") or accept == "application/x-ndjson", answer
    eventually(lambda: descriptors(service) <= before + MOST_SESSIONS, within=RECOVERY_SECONDS)
    assert service.get("/api/runner/tick-runs", claimed()).status_code == 200

    def exports_again() -> bool:
        with service.streaming("/api/runner/tick-runs?since=2030-01-01T00:00:00Z", Accept="text/csv") as answer:
            return answer.status_code == 200

    eventually(exports_again, within=RECOVERY_SECONDS)
    assert sessions(primary) <= MOST_SESSIONS


MANY_TICKS = """
insert into strategy_tick_runs (strategy_run_id, user_id, scheduled_at, started_at, status, signal, reason)
select run.id, run.user_id, now() - n * interval '1 second', now(), 'ok', 'hold', repeat('x', 1000)
from generate_series(1, 20000) as n, (select id, user_id from strategy_runs order by id limit 1) as run
"""


def test_a_database_that_refuses_the_service_leaves_no_trace_of_the_login_in_the_log(
    primary: EmbeddedPostgres, tmp_path: Path
) -> None:
    """A wrong password, no such database, no such host, no encryption; and callers with tokens of every kind."""
    good = Project(primary, "documented").url()
    urls = {
        good.replace(primary.password, "Sesame-open-1"): "console",
        good.replace("/documented", "/sesame"): "json",
        good.replace(HOST, "sesame.invalid"): "json",
        f"{good}?sslmode=require&application_name=sesame": "json",
    }
    for url, log_format in urls.items():
        with serving_process(ServiceProcess(tmp_path, url, LOG_FORMAT=log_format)) as service:
            for credential in (PROBE, claimed(), token(sub=str(uuid4()))):
                assert out_of_reach(service.report(credential))
            assert service.get(PATH, f"{claimed()}sesame").status_code == 401
            assert service.get(f"{PATH}?refresh=sesame", claimed()).status_code == 422
            assert service.sick()
        log = service.log.read_text()
        assert "database_unavailable" in log
        for secret in ("esame", primary.password, SECRET, PROBE, "postgresql://", "eyJ", "Traceback"):
            assert secret not in log


def descriptors(service: ServiceProcess) -> int:
    return len(list(Path(f"/proc/{service.id}/fd").iterdir()))
