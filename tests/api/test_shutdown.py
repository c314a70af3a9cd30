"""SIGTERM: what is under way is finished, and the process ends with exit code 0 within ten seconds."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from app.demo.server import HOST
from tests.api.process import PATH, ServiceProcess, assert_tells_nothing, events, eventually, serving_process
from tests.api.service import PROBE, UNUSED
from tests.api.test_outages import MANY_TICKS
from tests.databases import SECRET, Project
from tests.proxy import Proxy

REQUEST = f"GET {PATH}?refresh=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {PROBE}\r\n\r\n".encode()


@pytest.fixture
def proxy(project: Project) -> Iterator[Proxy]:
    with Proxy(project.cluster.port) as proxy:
        yield proxy


@pytest.fixture
def service(project: Project, proxy: Proxy, tmp_path: Path) -> Iterator[ServiceProcess]:
    url = project.url().replace(f":{project.cluster.port}/", f":{proxy.port}/")
    with serving_process(ServiceProcess(tmp_path, url, timeout_seconds=5)) as service:
        yield service
    assert_tells_nothing(service.log, project.cluster.password, SECRET, PROBE)


def ended_within(service: ServiceProcess, seconds: float) -> int:
    started = time.monotonic()
    code = service.wait(seconds)
    assert time.monotonic() - started < seconds
    return code


def test_requests_under_way_are_answered_before_the_process_ends(service: ServiceProcess, proxy: Proxy) -> None:
    """They are held up on their way to the database until after the signal."""
    assert service.conforms()
    proxy.stall()
    with ThreadPoolExecutor(20) as callers:
        answers = [callers.submit(service.report) for _ in range(20)]
        eventually_waiting(proxy, service)
        service.signal()
        time.sleep(0.3)
        proxy.flow()
        assert [answer.result().status_code for answer in answers] == [200] * 20
    assert ended_within(service, 10) == 0


def test_a_process_under_load_ends_with_no_request_half_answered(service: ServiceProcess) -> None:
    """Callers who come too late are refused; whoever got a connection gets a whole answer."""
    service.report()
    livez = f"http://{HOST}:{service.port}/livez"
    ended: list[str] = []

    statuses: list[int] = []

    def call_until_refused() -> None:
        while True:
            try:
                statuses.append(httpx.get(livez, timeout=10, verify=UNUSED).status_code)
                statuses.append(service.report().status_code)
            except (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError) as error:
                ended.append(type(error).__name__)
                return

    with ThreadPoolExecutor(12) as callers:
        running = [callers.submit(call_until_refused) for _ in range(12)]
        eventually(lambda: len(statuses) > 100, within=30)
        service.signal()
        assert ended_within(service, 10) == 0
        for caller in running:
            caller.result()
    assert set(statuses) == {200}
    assert len(ended) == 12


def test_streams_are_told_and_exports_are_finished_or_cut(service: ServiceProcess, project: Project) -> None:
    """Among them an export that nobody reads, which could go on for as long as its reader likes."""
    asyncio.run(project.execute(MANY_TICKS))
    with ExitStack() as stack:
        streams = [stack.enter_context(service.streaming("/api/runner/tick-runs/stream")) for _ in range(20)]
        ndjson = {"Accept": "application/x-ndjson"}
        read, unread = (stack.enter_context(service.streaming("/api/runner/tick-runs", **ndjson)) for _ in range(2))
        service.signal()
        with ThreadPoolExecutor(20) as readers:
            last = list(readers.map(lambda answer: list(events(answer))[-1], streams))
        lines = list(read.iter_lines())
        assert ended_within(service, 10) == 0
        with suppress(httpx.RemoteProtocolError):
            assert "incomplete" in list(unread.iter_lines())[-1]
    assert [name for name, _ in last] == ["closed"] * 20
    assert len(lines) >= 20_000


def test_a_database_that_hangs_keeps_no_process_alive(service: ServiceProcess, proxy: Proxy) -> None:
    assert service.conforms()
    proxy.stall()
    with ThreadPoolExecutor(5) as callers:
        answers = [callers.submit(service.report) for _ in range(5)]
        eventually_waiting(proxy, service)
        service.signal()
        assert [answer.result().status_code for answer in answers] == [503] * 5
    assert ended_within(service, 10) == 0


def test_callers_that_send_nothing_or_read_nothing_keep_no_process_alive(service: ServiceProcess) -> None:
    silent = socket.create_connection((HOST, service.port))
    halfway = socket.create_connection((HOST, service.port))
    halfway.sendall(REQUEST[:40])
    deaf = socket.create_connection((HOST, service.port))
    for _ in range(20):
        deaf.sendall(REQUEST)
    time.sleep(0.2)
    service.signal()
    assert ended_within(service, 10) == 0
    for connection in (silent, halfway, deaf):
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_worker_ends_with_its_parent(project: Project, tmp_path: Path, number: signal.Signals) -> None:
    with serving_process(ServiceProcess(tmp_path, project.url(), timeout_seconds=5), "--workers", "2") as service:
        assert service.conforms()
        workers = children(service.id)
        assert len(workers) >= 2
        service.signal(number)
        assert ended_within(service, 10) == 0
    eventually_gone = time.monotonic() + 5
    while any(alive(worker) for worker in workers):
        assert time.monotonic() < eventually_gone
        time.sleep(0.05)


def test_a_signal_before_the_first_request_is_no_failure_either(project: Project, tmp_path: Path) -> None:
    with serving_process(ServiceProcess(tmp_path, project.url(), timeout_seconds=5)) as service:
        service.signal()
        assert ended_within(service, 10) == 0


def eventually_waiting(proxy: Proxy, service: ServiceProcess) -> None:
    """The requests have come to where they wait for the database."""
    assert proxy.connections
    assert service.get("/livez").status_code == 200
    time.sleep(0.3)


def children(parent: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
