"""Clients that are slow or silent hold connections, and nothing else: whoever asks meanwhile is answered as ever.

There is no proxy here; what only one can do is in test_proxied.py.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from app.demo.server import HOST
from tests.api.process import ServiceProcess, serving_process
from tests.api.service import claimed
from tests.databases import Project

CLIENTS = 300
SECONDS = 3
# As many files as a shell often allows a program, unless it asks for more.
FEW_FILES = 128
SLOW_HEAD = b"GET /livez HTTP/1.1\r\nHost: slow\r\nX-Padding: "


@pytest.fixture
def process(project: Project, tmp_path: Path) -> Iterator[ServiceProcess]:
    with serving_process(ServiceProcess(tmp_path, project.url(), open_files=FEW_FILES)) as process:
        yield process


@contextmanager
def clients(process: ServiceProcess, number: int = CLIENTS) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection((HOST, process.port), 5)) for _ in range(number)]


def test_probes_are_answered_beside_more_idle_connections_than_files_were_allowed(process: ServiceProcess) -> None:
    with clients(process):
        assert_answers(process)


def test_probes_are_answered_while_heads_come_a_byte_at_a_time(process: ServiceProcess) -> None:
    with clients(process) as slow:
        sent = iter(SLOW_HEAD)

        def drip() -> None:
            piece = bytes([next(sent, ord("x"))])
            for client in slow:
                client.sendall(piece)

        assert_answers(process, drip)


def test_probes_are_answered_beside_readers_that_never_read(process: ServiceProcess) -> None:
    request = f"GET /api/runner/tick-runs?limit=500 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {claimed()}\r\n\r\n"
    with clients(process) as deaf:
        for client in deaf:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(request.encode())
        assert_answers(process)


def test_a_head_without_an_end_is_refused(process: ServiceProcess) -> None:
    with clients(process, 1) as (client,):
        client.sendall(SLOW_HEAD + b"x" * 70_000)
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")


def test_who_comes_back_after_some_seconds_finds_the_connection_open(process: ServiceProcess) -> None:
    """By itself uvicorn ends it after 5 s, just when many callers come back, and their request is lost with it."""
    connection = HTTPConnection(HOST, process.port, timeout=5)
    with closing(connection):
        for pause in (0, 6):
            time.sleep(pause)
            connection.request("GET", "/livez")
            assert connection.getresponse().read() == b'{"status":"pass"}'
            # Otherwise http.client would open another, unasked.
            connection.auto_open = 0


def assert_answers(process: ServiceProcess, meanwhile: Callable[[], None] | None = None) -> None:
    """Asked again and again, on connections that are there and on new ones; `get` fails after 1.5 s."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if meanwhile is not None:
            meanwhile()
        assert process.healthy()
        began = time.monotonic()
        with socket.create_connection((HOST, process.port), 1.5) as newcomer:
            newcomer.settimeout(1.5)
            newcomer.sendall(b"GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            assert newcomer.recv(100).startswith(b"HTTP/1.1 200 ")
        assert time.monotonic() - began < 3
