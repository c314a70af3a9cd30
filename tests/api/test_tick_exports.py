"""`GET /api/runner/tick-runs` as CSV and NDJSON: all that is selected, in constant memory, and never silently less."""

import asyncio
import csv
import io
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.demo.server import HOST, free_port
from app.postgres import tick_export
from app.render.ticks import csv_rows
from tests.api.service import Service, bearer, claimed, serving_project
from tests.databases import SECRET, Project
from tests.test_cli import BARE, PROGRAM, status
from tests.ticks import COLUMNS, RUNS, Row, fill, newest_first, refill

PATH = "/api/runner/tick-runs"
NOON = datetime(2026, 1, 29, 12, tzinfo=UTC)
CSV, NDJSON = "text/csv", "application/x-ndjson"
MEGABYTE = 1_000_000


async def export(service: Service, query: str = "", accept: str = CSV) -> httpx.Response:
    return await asyncio.to_thread(service.get, f"{PATH}{query}", claimed(), headers={"Accept": accept})


def parsed(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_ndjson_is_the_rows_of_all_pages(project: Project) -> None:
    rows = [
        Row(NOON - timedelta(hours=n), status="error" if n % 3 else "ok", reason="\n\u2028\x1b") for n in range(100)
    ]
    await refill(project, rows)
    with serving_project(project) as service:
        answer = await export(service, "?status=error&limit=1", NDJSON)
        page = (await export(service, "?status=error&limit=3", "application/json")).json()
        rest = await export(service, f"?status=error&cursor={page['nextCursor']}", NDJSON)
        none = await export(service, "?reason=nothing", NDJSON)
    assert answer.headers["content-type"] == NDJSON
    assert answer.headers["content-disposition"] == 'attachment; filename="tick-runs.ndjson"'
    assert answer.headers["cache-control"] == "no-store"
    # No other separator of lines stands raw in it.
    found = [json.loads(line) for line in answer.text.split("\n")[:-1]]
    assert [tick["id"] for tick in found] == newest_first(row for row in rows if row.status == "error")
    assert found == [*page["tickRuns"], *(json.loads(line) for line in rest.text.split("\n")[:-1])]
    assert (none.status_code, none.text) == (200, "")


async def test_csv_has_a_head_empty_cells_for_nulls_and_every_character(project: Project) -> None:
    reason = 'a,"b"\r\nc;\x1b\u2028grüße'
    rows = [
        Row(NOON, reason=reason, meta='{"a": "b,\\"c"}'),
        Row(NOON, strategy_run_id=None, signal=None, latency_ms=None, reason="", status="skipped"),
    ]
    await refill(project, rows)
    with serving_project(project) as service:
        answer = await export(service)
        with_meta = await export(service, "?fields=meta")
        none = await export(service, "?status=blocked")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="tick-runs.csv"'
    assert none.text.strip().split(",") == list(COLUMNS[:-1])
    found = {row["id"]: row for row in parsed(answer)}
    assert found.keys() == set(newest_first(rows))
    first, second = (found[str(row.id)] for row in rows)
    assert (first["reason"], first["scheduled_at"]) == (reason, "2026-01-29T12:00:00+00:00")
    assert [second[name] for name in ("strategy_run_id", "signal", "latency_ms", "reason")] == [""] * 4
    metas = {row["id"]: json.loads(row["meta"]) for row in parsed(with_meta)}
    assert metas == {str(rows[0].id): {"a": 'b,"c'}, str(rows[1].id): {}}


async def test_a_meta_in_lines_and_one_that_is_nested_deeply_are_one_tick_each_in_every_form(project: Project) -> None:
    """The type of meta may have drifted to json, which keeps what was written: line breaks, and names that repeat."""
    deep = '{"meta":' * 3000 + "{}" + "}" * 3000
    written = '{\n  "note": "a,\\n",\n  "meta": 1,\r\n  "meta": [\n]\n}'
    rows = [Row(NOON, meta=deep, reason='",\n"meta":'), Row(NOON - timedelta(hours=1), meta=written)]
    await project.execute("alter table strategy_tick_runs alter meta type json")
    await refill(project, rows)
    with serving_project(project) as service:
        table = parsed(await export(service, "?fields=meta"))
        objects = (await export(service, "?fields=meta", NDJSON)).text.split("\n")
        page = (await export(service, "?fields=meta", "application/json")).text
        text = (await export(service, "?fields=meta", "text/plain")).text
    assert [row["meta"] for row in table] == [deep, written.replace("\n", " ")]
    assert [row["reason"] for row in table] == [rows[0].reason, ""]
    assert objects.pop() == ""
    assert [str(row.id) in line for row, line in zip(rows, objects, strict=True)] == [True, True]
    assert page.count('"scheduled_at"') == len(text.splitlines()) - 1 == 2


@pytest.mark.parametrize("start", [*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20"])
async def test_nothing_a_cell_holds_is_a_formula_to_a_spreadsheet(start: str) -> None:
    """OWASP, "CSV Injection". What only contains such a character stays as it is, and so does a number below zero."""
    row = {"id": "x", "reason": f"{start}cmd|' /C calc'!A0", "status": f"ok {start}", "latency_ms": -5}
    (cells,) = csv.reader(io.StringIO(csv_rows([json.dumps(row)]).decode(), newline=""))
    assert cells == ["x", f"'{start}cmd|' /C calc'!A0", f"ok {start}", "-5"]


@pytest.mark.parametrize("accept", [CSV, NDJSON])
@pytest.mark.parametrize(
    ("cap", "reason"), [({"MOST_ROWS": 1000}, "after 1000 ticks"), ({"MOST_SECONDS": 0.0}, "after 0 seconds")]
)
async def test_a_cap_is_the_last_thing_in_it_with_the_cursor_to_go_on_from(
    project: Project, monkeypatch: pytest.MonkeyPatch, accept: str, cap: dict[str, float], reason: str
) -> None:
    for name, value in cap.items():
        monkeypatch.setattr(tick_export, name, value)
    rows = [Row(NOON - timedelta(seconds=n // 7)) for n in range(2300)]
    await refill(project, rows)
    found: list[str] = []
    ends: list[Any] = []
    query = ""
    with serving_project(project) as service:
        while True:
            answer = await export(service, query, accept)
            given: list[Any] = list(parsed(answer) if accept == CSV else lines(answer))
            last = given[-1]
            end = last["id"] if accept == CSV and last["id"].startswith("# incomplete") else last.get("incomplete")
            found += [tick["id"] for tick in (given[:-1] if end else given)]
            if not end:
                break
            ends.append(end)
            query = f"?cursor={end.partition('cursor=')[2] if accept == CSV else end['nextCursor']}"
    assert found == newest_first(rows)
    assert len(ends) == (2 if "MOST_ROWS" in cap else 4)
    assert all(reason in str(end) for end in ends)


async def test_what_ends_just_at_the_cap_is_complete(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tick_export, "MOST_ROWS", 1000)
    await refill(project, [Row(NOON) for _ in range(1000)])
    with serving_project(project) as service:
        assert "incomplete" not in lines(await export(service, "", NDJSON))[-1]


@contextmanager
def reading_slowly(service: Service, query: str = "", accept: str = NDJSON) -> Iterator[httpx.Response]:
    """An export of which no more than the first bytes has been read; far more waits than the sockets can hold."""
    headers = {**bearer(claimed()), "Accept": accept}
    with httpx.stream("GET", service.url + PATH + query, headers=headers, timeout=20) as answer:
        assert answer.status_code == 200
        yield answer


async def test_two_run_at_a_time_and_a_reader_that_goes_away_makes_room(project: Project) -> None:
    await refill(project, [Row(NOON, reason="x" * 1000) for _ in range(30_000)])

    def third_while_two_run() -> httpx.Response:
        with reading_slowly(service), reading_slowly(service, "?status=ok", CSV):
            refused = service.get(PATH, claimed(), headers={"Accept": CSV})
            # Pages are none of them.
            assert service.get(PATH, claimed()).status_code == 200
        gone = time.monotonic()
        while service.get(f"{PATH}?since=2030-01-01T00:00:00Z", claimed(), headers={"Accept": CSV}).status_code != 200:
            assert time.monotonic() - gone < 10
            time.sleep(0.05)
        return refused

    with serving_project(project) as service:
        refused = await asyncio.to_thread(third_while_two_run)
    assert (refused.status_code, refused.json()["code"]) == (503, "busy")
    assert "Retry-After" in refused.headers


@pytest.mark.parametrize("accept", [CSV, NDJSON])
async def test_a_database_that_goes_away_halfway_is_said_in_the_stream(project: Project, accept: str) -> None:
    rows = [Row(NOON - timedelta(seconds=n), reason="x" * 1000) for n in range(30_000)]
    await refill(project, rows)

    def cut() -> str:
        with reading_slowly(service, "", accept) as answer:
            received = answer.iter_text()
            text = next(received)
            asyncio.run(_terminate(project))
            return text + "".join(received)

    with serving_project(project) as service:
        text = await asyncio.to_thread(cut)
        if accept == CSV:
            given = list(csv.DictReader(io.StringIO(text, newline="")))
            end = given.pop()["id"]
            assert end.startswith("# incomplete: The database is out of reach")
            cursor = end.partition("cursor=")[2]
        else:
            *given, last = [json.loads(line) for line in text.splitlines()]
            assert "out of reach" in last["incomplete"]["reason"]
            cursor = last["incomplete"]["nextCursor"]
        rest = lines(await export(service, f"?cursor={cursor}", NDJSON))
    assert 0 < len(given) < len(rows)
    assert [tick["id"] for tick in [*given, *rest]] == newest_first(rows)


async def _terminate(project: Project) -> None:
    async with project.connect() as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where query like '%fetch forward%' and pid <> pg_backend_pid()"
        )


@contextmanager
def serving_alone(project: Project, directory: Path) -> Iterator[tuple[Service, int]]:
    """The service in a process of its own, and the id of that."""
    port = free_port()
    environment = {**BARE, "DATABASE_URL": project.url(), "SUPABASE_JWT_SECRET": SECRET}
    with (directory / "log").open("w") as log:
        arguments = [str(PROGRAM), "serve", "--port", str(port)]
        process = subprocess.Popen(arguments, stdout=log, stderr=log, cwd=directory, env=environment)
    try:
        assert status(port, "/healthz") == 200
        yield Service(f"http://{HOST}:{port}"), process.pid
    finally:
        process.terminate()
        process.wait(15)


def resident(process: int) -> int:
    """The bytes of memory that a process has ever had at once."""
    (line,) = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("accept", [CSV, NDJSON])
async def test_a_hundred_thousand_rows_grow_memory_by_less_than_20_mb(
    project: Project, tmp_path: Path, accept: str
) -> None:
    """In a process of its own, by the kernel's account; the peak after a small export against that after all."""
    await fill(project, 100_000, newest=NOON, group=200)
    with serving_alone(project, tmp_path) as (service, process):
        one = f"?since={NOON:%Y-%m-%dT%H:%M:%SZ}&strategy_run_id={RUNS[0]}"
        assert len((await export(service, one, NDJSON)).text.splitlines()) > 1
        await export(service, one, accept)
        before = resident(process)

        def count() -> int:
            with reading_slowly(service, "", accept) as answer:
                return sum(part.count(b"\n") for part in answer.iter_bytes())

        assert await asyncio.to_thread(count) == 100_000 + (accept == CSV)
        grown = resident(process) - before
    print(f"{accept}: {grown / MEGABYTE:.1f} MB more")  # noqa: T201 - the figure, with pytest -s
    assert grown < 20 * MEGABYTE


async def test_rows_of_a_megabyte_of_meta_come_whole_and_few_at_a_time(project: Project) -> None:
    meta = json.dumps({"note": "x" * MEGABYTE})
    await refill(project, [Row(NOON - timedelta(minutes=n), meta=meta if n % 2 else "{}") for n in range(40)])
    with serving_project(project) as service:
        plain = await export(service, "", NDJSON)
        whole = await export(service, "?fields=meta", NDJSON)
    assert len(plain.content) < 20_000
    assert [len(line["meta"].get("note", "")) for line in lines(whole)] == [0, MEGABYTE] * 20
