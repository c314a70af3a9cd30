"""The service behind the proxy of `deploy/haproxy.cfg`: what slow clients cannot do, and what passes unchanged."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.demo.server import HOST
from tests.api.keys_server import certificate
from tests.api.process import ServiceProcess, eventually, serving_process
from tests.api.service import UNUSED, bearer, claimed
from tests.databases import Project
from tests.haproxy import CONFIGURATION, HAProxy, running_haproxy

TICKS = "/api/runner/tick-runs"
HEAD_SECONDS = 5
MOST_OF_AN_ADDRESS = 100
HEAD = b"GET /livez HTTP/1.1\r\nHost: h\r\nX-Padding: "
# What is of one answer alone, and what a proxy may say anew.
OF_ONE_ANSWER = {"date", "x-request-id", "transfer-encoding", "connection"}


@pytest.fixture
def process(project: Project, tmp_path: Path) -> Iterator[ServiceProcess]:
    with serving_process(ServiceProcess(tmp_path, project.url(), timeout_seconds=5)) as process:
        yield process


@pytest.fixture
def proxy(process: ServiceProcess, tmp_path: Path) -> Iterator[HAProxy]:
    with running_haproxy(process.port, tmp_path) as proxy:
        yield proxy


def get(port: int, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's
    return httpx.get(f"http://{HOST}:{port}{path}", timeout=10, verify=UNUSED, **options)


@contextmanager
def clients(port: int, number: int) -> Iterator[list[socket.socket]]:
    """So many try to connect, and those who are not refused at once stay."""
    with ExitStack() as stack:
        connected = []
        for _ in range(number):
            with suppress(ConnectionError):
                connected.append(stack.enter_context(socket.create_connection((HOST, port), 5)))
        yield connected


def test_who_is_slow_or_silent_is_cut_off(process: ServiceProcess, proxy: HAProxy) -> None:
    with clients(proxy.port, MOST_OF_AN_ADDRESS - 10) as slow:
        began, sent = time.monotonic(), iter(HEAD)
        ended: dict[socket.socket, float] = {}
        while len(ended) < len(slow):
            took = time.monotonic() - began
            assert took < HEAD_SECONDS + 3, f"{len(slow) - len(ended)} of them are still there"
            piece = bytes([next(sent, ord("x"))])
            for number, client in enumerate(slow):
                # Every other one says nothing at all.
                if client not in ended and has_ended(client, piece if number % 2 else b""):
                    ended[client] = took
            assert process.healthy()
            assert get(proxy.port, "/livez").status_code == 200
            time.sleep(0.2)
    assert min(ended.values()) > HEAD_SECONDS - 1


def test_one_address_has_no_more_than_its_share_and_takes_none_from_the_probes(
    process: ServiceProcess, proxy: HAProxy
) -> None:
    with clients(proxy.port, MOST_OF_AN_ADDRESS + 20):
        # It may not have accepted all of them yet.
        eventually(lambda: not answers(proxy.port), within=HEAD_SECONDS - 1)
        assert get(proxy.probes_port, "/livez").status_code == 200
    eventually(lambda: answers(proxy.port), within=HEAD_SECONDS)


def test_clients_of_any_number_leave_the_probes_their_connections(process: ServiceProcess, tmp_path: Path) -> None:
    """The same configuration with a hundredth of its connections."""
    text = CONFIGURATION.read_text()
    assert (text.count("maxconn 2000"), text.count("maxconn 1900")) == (1, 1)
    scaled = tmp_path / "scaled.cfg"
    scaled.write_text(text.replace("maxconn 2000", "maxconn 20").replace("maxconn 1900", "maxconn 19"))
    with running_haproxy(process.port, tmp_path, configuration=scaled) as proxy, clients(proxy.port, 25):
        for _ in range(5):
            assert get(proxy.probes_port, "/livez").status_code == 200
            time.sleep(0.2)


def answers(port: int) -> bool:
    try:
        return get(port, "/livez").status_code == 200
    except httpx.TransportError:
        return False


def has_ended(client: socket.socket, piece: bytes) -> bool:
    """Whether the proxy has, by a close, a reset or an answer; with something more sent if it had not."""
    client.setblocking(False)
    try:
        said = client.recv(1000)
    except BlockingIOError:
        client.sendall(piece)
        return False
    except ConnectionError:
        return True
    assert not said or said.startswith((b"HTTP/1.0 408 ", b"HTTP/1.1 408 "))
    return True


async def test_pages_and_errors_pass_unchanged(project: Project, process: ServiceProcess, proxy: HAProxy) -> None:
    await project.tick_until_now()
    admin = bearer(claimed())
    for path, headers, status in (
        (f"{TICKS}?limit=200", admin, 200),
        (TICKS, {**admin, "Accept": "text/csv"}, 200),
        ("/", {}, 200),
        (TICKS, bearer("no.token.this"), 401),
        (f"{TICKS}?since=yesterday", admin, 422),
        ("/nothing", {}, 404),
    ):
        given = {"X-Request-ID": "the-same", **headers}
        direct, proxied = (get(port, path, headers=given) for port in (process.port, proxy.port))
        assert direct.status_code == proxied.status_code == status
        assert proxied.content == direct.content
        assert kept(proxied) == kept(direct)
        assert proxied.headers["x-request-id"] == "the-same"


def kept(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in OF_ONE_ANSWER}


async def test_a_tick_comes_through_the_stream_at_once(
    project: Project, process: ServiceProcess, proxy: HAProxy
) -> None:
    """A proxy that keeps answers back would hold a single event for as long as it waits for more."""
    await project.tick_until_now()
    with httpx.stream(
        "GET", f"http://{HOST}:{proxy.port}{TICKS}/stream", headers=bearer(claimed()), timeout=5, verify=UNUSED
    ) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        assert next(lines).startswith(":")
        await project.execute(
            """
            insert into strategy_tick_runs
              (strategy_run_id, user_id, scheduled_at, started_at, finished_at, status, reason)
            select id, user_id, now(), now(), now(), 'ok', 'through the proxy' from strategy_runs limit 1
            """
        )
        began = time.monotonic()
        data = next(line for line in lines if line.startswith("data: "))
        assert time.monotonic() - began < 4
        assert json.loads(data.removeprefix("data: "))["reason"] == "through the proxy"


class Echo(BaseHTTPRequestHandler):
    """Answers with the head it was sent."""

    def do_GET(self) -> None:
        body = json.dumps(self.headers.items()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


def test_the_address_is_the_proxys_to_say_and_the_request_id_the_callers(tmp_path: Path) -> None:
    with HTTPServer((HOST, 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with running_haproxy(server.server_port, tmp_path) as proxy:
                claims = {"X-Forwarded-For": "203.0.113.7", "X-Request-ID": "mine"}
                sent = [(name.lower(), value) for name, value in get(proxy.port, "/", headers=claims).json()]
        finally:
            server.shutdown()
            thread.join(10)
    assert [value for name, value in sent if name == "x-forwarded-for"] == [HOST]
    assert [value for name, value in sent if name == "x-request-id"] == ["mine"]


def test_what_comes_encrypted_is_told_to_stay_so(process: ServiceProcess, tmp_path: Path) -> None:
    file = certificate(tmp_path)
    trust = ssl.create_default_context(cafile=file)
    with running_haproxy(process.port, tmp_path, listen=f"ssl crt {file} alpn h2,http/1.1") as proxy:
        answer = httpx.get(f"https://{HOST}:{proxy.port}/livez", timeout=10, verify=trust)
    assert answer.json() == {"status": "pass"}
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_the_probes_port_serves_probes_alone(process: ServiceProcess, proxy: HAProxy) -> None:
    for path in ("/livez", "/healthz", "/readyz"):
        assert get(proxy.probes_port, path).json() == {"status": "pass"}
    assert get(proxy.probes_port, TICKS, headers=bearer(claimed())).status_code == 404


def test_a_restart_between_two_requests_of_a_connection_costs_no_error(process: ServiceProcess, proxy: HAProxy) -> None:
    with httpx.Client(base_url=f"http://{HOST}:{proxy.port}", verify=UNUSED) as client:
        assert client.get("/livez").status_code == 200
        process.stop()
        process.start()
        assert client.get("/livez").status_code == 200
