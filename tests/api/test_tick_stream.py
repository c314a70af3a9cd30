"""`GET /api/runner/tick-runs/stream` over real HTTP."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.api import auth, streaming, tick_stream
from app.demo.database import ADMIN_ID
from app.demo.server import HOST, free_port
from tests.api.service import PROBE, bearer, claimed, serving_project, token
from tests.databases import SECRET, Project
from tests.test_cli import BARE, PROGRAM, status
from tests.ticks import Row, insert, refill

PATH = "/api/runner/tick-runs/stream"


class Events:
    """The frames of one stream as a browser would read them (WHATWG HTML, "Server-sent events")."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.comments: list[str] = []
        self._lines = answer.aiter_lines()

    async def next(self) -> dict[str, Any]:
        """The next event: its name, `id` and decoded data. Raises StopAsyncIteration at the end."""
        event: dict[str, Any] = {"event": "message"}
        async for line in self._lines:
            if line.startswith(":"):
                self.comments.append(line)
            elif line:
                name, _, value = line.partition(": ")
                event[name] = value
            elif "data" in event:
                return {**event, "data": json.loads(event["data"])}
            else:
                event = {"event": "message"}
        raise StopAsyncIteration

    async def ids(self, number: int) -> list[str]:
        return [(await self.next())["data"]["id"] for _ in range(number)]


@asynccontextmanager
async def streaming_from(
    url: str, query: str = "", credential: str | None = None, **headers: str
) -> AsyncIterator[Events]:
    given = {**bearer(credential or claimed()), **headers}
    async with (
        asyncio.timeout(40),
        httpx.AsyncClient(base_url=url, timeout=20) as client,
        client.stream("GET", PATH + query, headers=given) as answer,
    ):
        yield Events(answer)


def now() -> datetime:
    return datetime.now(UTC)


async def write(project: Project, *rows: Row) -> list[str]:
    async with project.connect() as connection:
        await insert(connection, rows)
    return [str(row.id) for row in rows]


async def test_new_ticks_come_as_events_with_the_rows_columns_and_a_cursor(project: Project) -> None:
    with serving_project(project) as service:
        async with streaming_from(service.url) as events:
            assert events.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert events.answer.headers["cache-control"] == "no-store"
            row = Row(now(), reason="line\nbreak \x1b", strategy_run_id=None)
            await write(project, row)
            event = await events.next()
        page = await asyncio.to_thread(service.get, "/api/runner/tick-runs?reason=line", claimed())
    assert event["event"] == "message"
    assert event["data"] == page.json()["tickRuns"][0]
    assert event["id"]


async def test_a_stream_goes_on_from_its_last_event_with_the_same_filters(project: Project) -> None:
    with serving_project(project) as service:
        async with streaming_from(service.url, "?status=error&status=blocked") as events:
            (first,) = await write(project, Row(now(), status="error"))
            event = await events.next()
        missed = await write(
            project,
            Row(now() - timedelta(minutes=8), status="blocked"),
            Row(now() - timedelta(seconds=20)),
            Row(now(), status="error"),
        )
        resume = {"Last-Event-ID": event["id"]}
        async with streaming_from(service.url, "?status=blocked&status=error", **resume) as events:
            found = await events.ids(3)
            (newest,) = await write(project, Row(now(), status="error"))
            found += await events.ids(1)
        wrong = await asyncio.to_thread(service.get, f"{PATH}?status=ok", claimed(), headers=resume)
        garbage = await asyncio.to_thread(service.get, PATH, claimed(), headers={"Last-Event-ID": "Sesame"})
    assert set(found) == {first, missed[0], missed[2], newest}
    assert found[-1] == newest
    for answer in (wrong, garbage):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")
        assert answer.json()["detail"].startswith("Last-Event-ID: ")


async def test_who_may_not_have_ticks_gets_no_stream(project: Project) -> None:
    user = token(sub="00000000-0000-4000-8000-000000000002")
    with serving_project(project, probe_token=PROBE) as service:
        for credential, code in ((None, 401), (PROBE, 401), (user, 403)):
            assert (await asyncio.to_thread(service.get, PATH, credential)).status_code == code
        assert (await asyncio.to_thread(service.get, f"{PATH}?limit=5", claimed())).status_code == 422


async def test_what_is_wrong_at_the_start_is_a_problem_body(project: Project) -> None:
    await project.execute("drop table strategy_tick_runs")
    with serving_project(project) as service:
        answer = await asyncio.to_thread(service.get, PATH, claimed())
    assert (answer.status_code, answer.json()["code"]) == (503, "schema_drift")


async def test_a_stream_ends_when_its_token_does(project: Project) -> None:
    with serving_project(project) as service:
        ends = int(time.time()) + 3
        async with streaming_from(service.url, credential=claimed(exp=ends)) as events:
            event = await events.next()
            assert event["event"] == "expired"
            assert ends <= time.time() < ends + 2
            with pytest.raises(StopAsyncIteration):
                await events.next()


async def test_a_stream_ends_soon_after_its_admin_is_none_any_more(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as it is looked at and not remembered any more; both times are made shorter here."""
    assert auth.REMEMBERED_PROFILE_SECONDS + tick_stream.RECHECK_SECONDS <= 20
    monkeypatch.setattr(auth, "REMEMBERED_PROFILE_SECONDS", 1.0)
    monkeypatch.setattr(tick_stream, "RECHECK_SECONDS", 1.0)
    with serving_project(project) as service:
        async with streaming_from(service.url, credential=token()) as events:
            await asyncio.sleep(2.5)
            (written,) = await write(project, Row(now()))
            assert await events.ids(1) == [written]
            await project.execute(f"update user_profiles set role = 'user' where id = '{ADMIN_ID}'")
            started = time.monotonic()
            assert (await events.next())["event"] == "expired"
            assert time.monotonic() - started < 4


async def test_a_right_that_cannot_be_looked_up_any_more_is_not_believed_for_ever(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembered, a_request = auth.REMEMBERED_PROFILE_SECONDS, 5
    assert remembered + tick_stream.LONGEST_UNCONFIRMED + a_request <= 30
    monkeypatch.setattr(auth, "REMEMBERED_PROFILE_SECONDS", 0.5)
    monkeypatch.setattr(tick_stream, "RECHECK_SECONDS", 0.5)
    monkeypatch.setattr(tick_stream, "LONGEST_UNCONFIRMED", 2.0)
    with serving_project(project, database_timeout_ms=1000) as service:
        async with streaming_from(service.url, credential=token()) as events:
            started = time.monotonic()
            await project.execute("revoke select on user_profiles from service_role")
            assert (await events.next())["event"] == "expired"
            assert 1.5 < time.monotonic() - started < 6


async def test_silence_is_filled_with_heartbeats(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tick_stream.HEARTBEAT_SECONDS == 15
    monkeypatch.setattr(tick_stream, "HEARTBEAT_SECONDS", 0.3)
    with serving_project(project) as service:
        async with streaming_from(service.url) as events:
            await asyncio.sleep(1.5)
            await write(project, Row(now()))
            await events.next()
            assert 4 <= events.comments.count(": ping") <= 12


async def test_a_reader_that_goes_away_ends_its_listening_and_polling_stops(project: Project) -> None:
    recent = "usename = 'runner_diagnostics' and query_start > now() - interval '1.5 seconds'"
    count = f"select count(*) from pg_stat_activity where {recent}"
    with serving_project(project) as service:
        async with streaming_from(service.url), streaming_from(service.url):
            pass
        await asyncio.sleep(3)
        async with project.connect() as connection:
            assert await connection.fetchval(count) == 0


async def test_a_reader_that_stalls_is_cut_off(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "STALL_SECONDS", 1.0)
    await refill(project, [Row(now(), reason="x" * 10_000) for _ in range(1500)])
    cursor_of = "/api/runner/tick-runs?limit=1"
    with serving_project(project) as service:
        cursor = (await asyncio.to_thread(service.get, cursor_of, claimed())).json()["nextCursor"]
        reader, writer = await asyncio.open_connection(HOST, int(service.url.rsplit(":", 1)[1]), limit=1024)
        head = [f"GET {PATH} HTTP/1.1", "Host: x", f"Authorization: Bearer {claimed()}", f"Last-Event-ID: {cursor}"]
        writer.write("\r\n".join([*head, "", ""]).encode())
        await asyncio.sleep(4)
        async with asyncio.timeout(10):
            received = b""
            while part := await reader.read(65536):
                received += part
        writer.close()
    # All of it would be 15 MB and then heartbeats without end.
    assert received.startswith(b"HTTP/1.1 200")
    assert len(received) < 12_000_000


async def test_serve_ends_streams_and_itself_on_sigterm(project: Project, tmp_path: Path) -> None:
    port = free_port()
    environment = {**BARE, "DATABASE_URL": project.url(), "SUPABASE_JWT_SECRET": SECRET}
    with (tmp_path / "log").open("w") as log:
        arguments = [str(PROGRAM), "serve", "--port", str(port)]
        process = await asyncio.create_subprocess_exec(
            *arguments, stdout=log, stderr=log, cwd=tmp_path, env=environment
        )
    try:
        assert await asyncio.to_thread(status, port, "/healthz") == 200
        async with streaming_from(f"http://{HOST}:{port}") as events:
            await write(project, Row(now()))
            await events.next()
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert (await events.next())["event"] == "closed"
            with pytest.raises(StopAsyncIteration):
                await events.next()
        assert await process.wait() in (0, -signal.SIGTERM)
        # Less than uvicorn's own patience with answers under way.
        assert time.monotonic() - started < 5
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    assert "Traceback" not in (tmp_path / "log").read_text()
