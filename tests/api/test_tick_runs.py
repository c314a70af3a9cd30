"""`GET /api/runner/tick-runs` over real HTTP: pages, filters, cursors, and what the dashboard in production reads."""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.api.cursor import decode_cursor, encode_cursor
from app.main import create_app
from app.postgres.tick_filter import Position, TickFilter
from tests.api.service import PROBE, Service, bearer, claimed, serving_project, token
from tests.databases import Project
from tests.ticks import RUNS, USERS, Row, newest_first, refill

PATH = "/api/runner/tick-runs"
NOON = datetime(2026, 1, 29, 12, tzinfo=UTC)


async def ask(service: Service, query: str = "", **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's
    return await asyncio.to_thread(service.get, f"{PATH}{query}", claimed(), **options)


async def test_the_dashboards_call_gets_every_field_it_reads(project: Project) -> None:
    """Made exactly as it makes it: cross-origin, with credentials, a content type on a GET, and limit=20."""
    headers = {**bearer(token()), "Content-Type": "application/json", "Origin": "https://admin.acme.com"}
    with serving_project(project, cors_origins="https://admin.acme.com") as service:
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization,content-type"}
        preflight = await asyncio.to_thread(
            service.get, f"{PATH}?limit=20", method="OPTIONS", headers={"Origin": headers["Origin"], **asked}
        )
        answer = await asyncio.to_thread(service.get, f"{PATH}?limit=20", headers=headers)
        refused = await asyncio.to_thread(service.get, f"{PATH}?limit=20", headers={"Origin": headers["Origin"]})
        denied = await asyncio.to_thread(service.get, f"{PATH}?limit=20", token(sub=str(USERS[0])))
    assert preflight.status_code == 200
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-credentials"] == "true"
    body = answer.json()
    assert body["ok"] is True
    assert body["requestId"] == answer.headers["x-request-id"]
    assert len(body["tickRuns"]) == 20
    read = {"id", "strategy_run_id", "user_id", "started_at", "status", "reason", "latency_ms"}
    for tick in body["tickRuns"]:
        assert read <= tick.keys()
        assert datetime.fromisoformat(tick["started_at"]).utcoffset() == timedelta(0)
    newest = [tick["scheduled_at"] for tick in body["tickRuns"]]
    assert newest == sorted(newest, reverse=True)
    # It logs the user out on the one, shows "access denied" on the other, and prints `error`.
    assert (refused.status_code, denied.status_code) == (401, 403)
    assert refused.json()["error"] == "Not signed in"
    assert refused.headers["access-control-allow-origin"] == "https://admin.acme.com"


async def test_the_answer_is_as_the_openapi_document_says(project: Project) -> None:
    document = create_app(project.settings(environment="development")).openapi()
    operation: Any = document["paths"][PATH]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    with serving_project(project) as service:
        for query in ("", "?fields=meta&status=ok"):
            jsonschema.validate((await ask(service, query)).json(), {**schema, "components": document["components"]})
    assert [parameter["name"] for parameter in operation["parameters"]] == [
        *("strategy_run_id", "user_id", "status", "signal", "reason", "since", "until", "min_latency_ms"),
        *("limit", "cursor", "fields"),
    ]


async def test_the_probe_is_no_admin_here(project: Project) -> None:
    with serving_project(project, probe_token=PROBE) as service:
        assert (await asyncio.to_thread(service.get, PATH, PROBE)).status_code == 401


def follow(service: Service, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    while True:
        given = {**query, **({"cursor": cursor} if cursor else {})}
        answer = service.get(f"{PATH}?{urlencode(given, doseq=True)}", claimed())
        assert answer.status_code == 200, answer.text
        yield answer.json()
        cursor = answer.json()["nextCursor"]
        if cursor is None:
            return


@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        ({}, lambda _row: True),
        ({"status": ["error", "blocked"]}, lambda row: row.status in ("error", "blocked")),
        ({"strategy_run_id": RUNS[:2]}, lambda row: row.strategy_run_id in RUNS[:2]),
        ({"user_id": USERS[2], "signal": "buy"}, lambda row: row.user_id == USERS[2] and row.signal == "buy"),
        ({"reason": "100%_"}, lambda row: (row.reason or "").startswith("100%_")),
        ({"reason": ["user_", "\\"]}, lambda row: (row.reason or "").startswith(("user_", "\\"))),
        ({"min_latency_ms": 7}, lambda row: row.latency_ms is not None and row.latency_ms >= 7),
        (
            {"since": "2026-01-29T11:30:00Z", "until": "2026-01-29T13:00:00.000001+01:00"},
            lambda row: NOON - timedelta(minutes=30) <= row.scheduled_at < NOON + timedelta(microseconds=1),
        ),
    ],
)
async def test_every_filter_gives_what_it_says_over_all_pages(
    project: Project, query: dict[str, Any], chosen: Callable[[Row], bool]
) -> None:
    reasons = (None, "100%_x", "100abc", "user_paused: x", "\\odd", "cooldown")
    rows = [
        Row(
            NOON + timedelta(microseconds=n % 2) - timedelta(minutes=5 * (n // 6)),
            strategy_run_id=(*RUNS, None)[n % 4],
            user_id=USERS[n % 3],
            status=("ok", "skipped", "blocked", "error")[n % 4],
            reason=reasons[n % 6],
            signal=("buy", "sell", "hold", None)[n // 2 % 4],
            latency_ms=None if n % 5 == 0 else n % 10,
        )
        for n in range(90)
    ]
    await refill(project, rows)
    with serving_project(project) as service:
        pages = await asyncio.to_thread(lambda: list(follow(service, {**query, "limit": 7})))
    found = [tick["id"] for page in pages for tick in page["tickRuns"]]
    assert found == newest_first(filter(chosen, rows))
    assert len(found) > 0


@pytest.mark.parametrize(
    ("query", "number"), [("?limit=0", 1), ("?limit=-3", 1), ("?limit=501", 500), (f"?limit={10**18}", 500), ("", 50)]
)
async def test_a_limit_out_of_range_is_brought_into_it(project: Project, query: str, number: int) -> None:
    await refill(project, [Row(NOON) for _ in range(501)])
    with serving_project(project) as service:
        assert len((await ask(service, query)).json()["tickRuns"]) == number


@pytest.mark.parametrize(
    ("query", "name"),
    [
        *(("limit=Sesame", "limit"), ("limit=", "limit"), ("limit=1.5", "limit"), ("limit=" + "9" * 5000, "limit")),
        *(("status=Sesame", "status"), ("status=ok&status=Sesame", "status"), ("signal=Sesame", "signal")),
        *(("strategy_run_id=Sesame", "strategy_run_id"), ("user_id=", "user_id"), ("reason=Sesame%00", "reason")),
        *(("since=Sesame", "since"), ("since=2026-01-29T12:00:00", "since")),
        # Seconds since 1970, to pydantic.
        *(("since=20260129", "since"), ("until=1769688000", "until"), ("until=-0.5", "until")),
        *(("until=0001-01-01T00:00%2B14:00", "until"), ("cursor=%F0%9F%92%A9", "cursor")),
        *(("min_latency_ms=-1", "min_latency_ms"), ("min_latency_ms=2147483648", "min_latency_ms")),
        *(("fields=Sesame", "fields"), ("cursor=Sesame", "cursor"), ("cursor=", "cursor")),
        *(("Sesame=1", "Sesame"), ("reason=", "reason")),
    ],
)  # fmt: skip
async def test_a_bad_value_is_named_and_not_repeated(project: Project, query: str, name: str) -> None:
    with serving_project(project) as service:
        answer = await ask(service, f"?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")
    assert answer.json()["detail"].startswith(f"{name}: ")
    assert name == "Sesame" or "esame" not in answer.text


async def test_a_cursor_is_good_for_its_filters_alone_in_any_order(project: Project) -> None:
    with serving_project(project) as service:
        cursor = (await ask(service, "?limit=1&status=ok&status=skipped")).json()["nextCursor"]
        same = await ask(service, f"?limit=9&status=skipped&status=ok&status=ok&cursor={cursor}")
        others = [
            await ask(service, f"?cursor={cursor}"),
            await ask(service, f"?status=ok&cursor={cursor}"),
            await ask(service, f"?status=ok&status=skipped&min_latency_ms=0&cursor={cursor}"),
        ]
    assert same.status_code == 200
    assert [answer.status_code for answer in others] == [422] * 3


moments = some.datetimes(timezones=some.just(UTC))


@given(position=some.builds(Position, moments, some.uuids()), reason=some.text())
def test_a_cursor_holds_its_position_to_the_microsecond(position: Position, reason: str) -> None:
    wanted = TickFilter(reasons=(reason,), since=position.scheduled_at)
    assert decode_cursor(encode_cursor(position, wanted), wanted) == position


@given(garbage=some.text() | some.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_garbage_is_no_cursor_and_no_other_error(garbage: str) -> None:
    with pytest.raises(ValueError, match="cursor of this service"):
        decode_cursor(garbage, TickFilter())


@given(place=some.integers(0, 32), bit=some.integers(0, 7))
def test_a_cursor_with_one_bit_changed_is_none(place: int, bit: int) -> None:
    token = bytearray(base64.urlsafe_b64decode(encode_cursor(Position(NOON, UUID(int=5)), TickFilter())))
    token[place] ^= 1 << bit
    with pytest.raises(ValueError, match="cursor of this service"):
        decode_cursor(base64.urlsafe_b64encode(bytes(token)).decode(), TickFilter())


async def test_meta_is_given_only_when_it_is_asked_for(project: Project) -> None:
    await refill(project, [Row(NOON, meta=json.dumps({"note": "x" * 1_000_000})), *(Row(NOON) for _ in range(60))])
    with serving_project(project) as service:
        plain = (await ask(service, "?limit=500")).json()
        whole = await asyncio.to_thread(lambda: list(follow(service, {"limit": 500, "fields": "meta"})))
    assert len(plain["tickRuns"]) == 61
    assert not any("meta" in tick for tick in plain["tickRuns"])
    # Fewer of them a page, because any may be large.
    assert [len(page["tickRuns"]) for page in whole] == [50, 11]
    assert max(len(tick["meta"].get("note", "")) for page in whole for tick in page["tickRuns"]) == 1_000_000


@pytest.mark.parametrize("template", ["two_migrations"])
async def test_after_two_migrations_it_answers_and_says_what_is_missing(project: Project) -> None:
    with serving_project(project) as service:
        answer = await ask(service, "?limit=3")
        filtered = await ask(service, f"?strategy_run_id={uuid4()}")
    body = answer.json()
    assert answer.status_code == 200
    assert body["missingColumns"] == ["strategy_run_id"]
    assert "/api/runner/schema" in body["hint"]
    assert [tick["strategy_run_id"] for tick in body["tickRuns"]] == [None] * 3
    assert (filtered.status_code, filtered.json()["code"]) == (503, "schema_drift")
    assert "strategy_run_id" in filtered.json()["detail"]


async def test_while_the_table_is_locked_it_says_so_in_time(project: Project) -> None:
    with serving_project(project, database_timeout_ms=2000) as service:
        async with project.connect() as other, other.transaction():
            await other.execute("lock table strategy_tick_runs in access exclusive mode")
            started = time.monotonic()
            answers = [await ask(service), await ask(service, headers={"Accept": "text/csv"})]
            took = time.monotonic() - started
        assert (await ask(service)).status_code == 200
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "database_timeout")
        assert "Retry-After" in answer.headers
    assert took < 4


async def test_text_is_the_table_in_full(project: Project) -> None:
    await refill(
        project, [Row(NOON, reason="user_paused: \x1b[2J" + "x" * 100, status="blocked"), Row(NOON - timedelta(1))]
    )
    with serving_project(project) as service:
        answer = await ask(service, "?limit=1&status=blocked", headers={"Accept": "text/plain"})
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    head, row, *rest = answer.text.splitlines()
    assert head.split() == ["SCHEDULED", "AT", "STATUS", "SIGNAL", "LATENCY", "RUN", "REASON"]
    assert row.endswith(f"{RUNS[0]}  user_paused: \\x1b[2J" + "x" * 100)
    assert rest[-1].startswith("More with cursor=")
