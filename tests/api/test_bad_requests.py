"""Bytes that no good client sends, to a process that serves as an operator's does: each gets an answer in time, tells
nothing of what was sent when it refuses it, and leaves the service as it was.
"""

import asyncio
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from http.client import HTTPResponse
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from app.api.headers import SANE_REQUEST_ID
from app.demo.server import HOST, EmbeddedPostgres, free_port
from tests.api.bad_bytes import (
    LONGEST_HEAD,
    MARK,
    Header,
    cursors,
    first_headers,
    headers,
    queries,
    quoted,
    request_ids,
    request_lines,
)
from tests.api.process import PATH, ServiceProcess, assert_tells_nothing, serving_process
from tests.api.service import PROBE, claimed, ended
from tests.databases import NEWEST, SECRET, new_project
from tests.generated import openapi

# To look longer, raise the number of examples and leave out `derandomize`.
thorough = settings(
    max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

# A request may take two seconds here; the rest is for a busy machine.
PATIENCE_SECONDS = 6
TICKS = "/api/runner/tick-runs"
STREAM = f"{TICKS}/stream"
PARAMETERS = {
    path: [parameter["name"].encode() for parameter in item["get"].get("parameters", ())]
    for path, item in openapi()["paths"].items()
}
PROBLEM = {"type", "title", "status", "detail", "ok", "error", "code", "requestId"}
# The server's own words, before there is a request that could have an id; or their head alone.
NO_HTTP = {(400, b"Invalid HTTP request received."), (400, b"")}


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        (value,) = (value for given, value in self.headers if given.lower() == name)
        return value


def ask(port: int, request: bytes) -> Answer | None:
    """What comes back until the connection is closed; None where it is closed without an answer.

    Raises TimeoutError where neither happens.
    """
    with socket.create_connection((HOST, port), PATIENCE_SECONDS) as connection:
        try:
            connection.sendall(request)
            response = HTTPResponse(connection, method=request.partition(b" ")[0].decode("latin-1"))
            response.begin()
            return Answer(response.status, response.getheaders(), response.read())
        except ConnectionError:
            return None


def get(path: str, query: bytes = b"", *given: Header, admin: bool = True) -> bytes:
    """The bytes of a request. A stream ends with its token, so it gets one that has ended."""
    credential = (ended() if path == STREAM else claimed()).encode()
    authorization = [b"Authorization: Bearer " + credential] if admin else []
    head = [b"GET " + path.encode() + query + b" HTTP/1.1", b"Host: x", b"Connection: close", *authorization]
    return b"\r\n".join([*head, *(name + b": " + value for name, value in given), b"", b""])


def assert_good(answer: Answer | None, *, sent: int) -> None:
    """An answer of this service, and no 5xx: its database is at hand.

    What is sent beyond the longest head is not read, and a connection that is closed on unread bytes loses the answer.
    """
    if answer is None:
        assert sent > LONGEST_HEAD // 2
        return
    if (answer.status, answer.body) in NO_HTTP:
        return
    assert answer.header("cache-control") == "no-store"
    request_id = answer.header("x-request-id")
    assert SANE_REQUEST_ID.fullmatch(request_id)
    assert answer.status < 500, answer
    if answer.status >= 400:
        assert answer.header("content-type") == "application/problem+json"
    # To HEAD, there is nothing but the head.
    if answer.status >= 400 and answer.body:
        body = msgspec.json.decode(answer.body)
        assert body.keys() == PROBLEM
        assert (body["ok"], body["status"], body["requestId"]) == (False, answer.status, request_id)
    assert MARK.lower() not in answer.body.lower()
    assert MARK.lower() not in str(answer.headers).encode().lower()


Clusters: TypeAlias = Callable[[int], EmbeddedPostgres]


@pytest.fixture(scope="module")
def process(clusters: Clusters, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        project = runner.run(stack.enter_async_context(new_project(clusters(NEWEST))))
        with serving_process(ServiceProcess(tmp_path_factory.mktemp("service"), project.url())) as process:
            yield process
        runner.run(stack.aclose())


@pytest.fixture
def service(process: ServiceProcess, clusters: Clusters) -> Iterator[ServiceProcess]:
    """Found as good afterwards as before, with nothing of a caller's in its log."""
    yield process
    assert process.whole()
    assert_tells_nothing(process.log, clusters(NEWEST).password, SECRET, PROBE, MARK.decode())


@thorough
@given(data=some.data(), path=some.sampled_from(sorted(PARAMETERS)))
def test_a_query_string_is_taken_or_refused(service: ServiceProcess, data: some.DataObject, path: str) -> None:
    query = data.draw(queries(PARAMETERS[path]))
    assert_good(ask(service.port, get(path, query)), sent=len(query))


@thorough
@given(cursor=cursors, filters=some.sampled_from([b"", b"&status=ok", b"&until=0001-01-02T00:00:00Z"]))
def test_a_cursor_is_taken_or_refused(service: ServiceProcess, cursor: bytes, filters: bytes) -> None:
    """For a page, and to go on with a stream."""
    page = ask(service.port, get(TICKS, b"?cursor=" + quoted(cursor) + filters))
    assert_good(page, sent=len(quoted(cursor)))
    stream = ask(service.port, get(STREAM, b"?" + filters[1:], (b"Last-Event-ID", cursor)))
    assert_good(stream, sent=len(cursor))


@thorough
@given(path=some.sampled_from(["/", *PARAMETERS]), given=headers, twice=some.booleans(), admin=some.booleans())
def test_a_header_is_taken_or_refused(
    service: ServiceProcess, path: str, given: list[Header], twice: bool, admin: bool
) -> None:
    """Also two of one name, with a good credential or instead of one."""
    sent = given * 2 if twice else given
    answer = ask(service.port, get(path, b"", *sent, admin=admin))
    assert_good(answer, sent=sum(len(value) for _, value in sent))


@thorough
@given(line=request_lines, first=first_headers)
def test_a_request_line_is_taken_or_refused(service: ServiceProcess, line: bytes, first: bytes) -> None:
    head = line + b"\r\n" + first + b"Connection: close\r\n\r\n"
    assert_good(ask(service.port, head), sent=len(head))


def test_what_anyone_may_send_as_often_as_they_like_fills_no_log(service: ServiceProcess) -> None:
    before = service.log.read_text()
    for sent in (
        *(b"no HTTP\r\n\r\n", get("/no/such/path"), get(PATH, admin=False), get(TICKS, b"?limit=x")),
        get("/livez", b"", (b"X-Request-ID", b"a b")),
        get("/livez", b"", (b"Connection", b"upgrade"), (b"Upgrade", b"websocket")),
    ):
        assert ask(service.port, sent) is not None
        assert service.log.read_text() == before, sent


def test_tokens_that_name_keys_out_of_reach_fill_no_log(tmp_path: Path) -> None:
    """Nobody has verified such a token, so that anyone can send it; the fetch that failed is told once."""
    jwks_url = f"http://{HOST}:{free_port()}/jwks"
    process = ServiceProcess(tmp_path, f"postgresql://{HOST}:{free_port()}/x", JWKS_URL=jwks_url)
    unknown = b"eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.e30.AA"
    with serving_process(process):
        for _ in range(5):
            answer = ask(process.port, get(PATH, b"", (b"Authorization", b"Bearer " + unknown), admin=False))
            assert answer is not None
            assert answer.status == 503
        assert process.log.read_text().count("signing keys could not be fetched") == 1
        assert "signing_keys_unavailable" not in process.log.read_text()


@pytest.mark.parametrize(
    ("log_format", "entry"),
    [("console", r"\[(.*?)\] database_unavailable:"), ("json", r'database_unavailable:.*"requestId": "(.*?)"')],
)
def test_a_request_id_is_taken_when_it_is_sane_and_becomes_no_header_and_no_line_of_the_log(
    tmp_path: Path, log_format: str, entry: str
) -> None:
    """Without a database each of these requests is in the log, with its id."""
    answered: list[str] = []
    process = ServiceProcess(tmp_path, f"postgresql://{HOST}:{free_port()}/x", LOG_FORMAT=log_format)

    @thorough
    @given(ids=some.lists(request_ids, min_size=1, max_size=2))
    def send(ids: list[bytes]) -> None:
        answer = ask(process.port, get(PATH, b"", *((b"X-Request-ID", one) for one in ids)))
        assert answer is not None
        if (answer.status, answer.body) in NO_HTTP:
            return
        assert answer.status == 503
        assert "injected" not in {name.lower() for name, _ in answer.headers}
        answered.append(answer.header("x-request-id"))
        first = ids[0].strip(b" \t")
        if SANE_REQUEST_ID.fullmatch(first.decode("latin-1")):
            assert answered[-1].encode() == first
        else:
            assert re.fullmatch("[0-9a-f]{32}", answered[-1])

    with serving_process(process):
        send()
    lines = [line for line in process.log.read_text().splitlines() if "database_unavailable" in line]
    assert [found[1] for line in lines if (found := re.search(entry, line))] == answered
    assert len(lines) == len(answered) > 0
