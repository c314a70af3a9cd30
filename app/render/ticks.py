"""Ticks as JSON and CSV. Their JSON comes from Postgres as text, and is passed on unread where it can be."""

import csv
import io
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from pydantic import BaseModel, Field
from pydantic_core import to_json

from app.postgres.ticks import COLUMNS, SEE_SCHEMA, SEPARATOR, TABLE, TickPage
from app.render.json import OmittedWhenNone, Wire

# A cell that begins so is a formula to a spreadsheet, in full width where Japanese is written (OWASP, "CSV Injection").
FORMULA_STARTS = (*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20")


class WireTick(BaseModel):
    """A row, under its own column names."""

    id: UUID
    strategy_run_id: UUID | None
    user_id: UUID | None
    scheduled_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    status: str | None
    reason: str | None
    signal: str | None
    latency_ms: int | None
    meta: Any = Field(default=None, description="only with fields=meta")


class WireTickPage(Wire):
    """Ticks, newest first. With filters a page may be short, or empty, and still have a next one."""

    ok: Literal[True]
    request_id: str | None
    next_cursor: str | None = Field(description="null at the end")
    scanned_to: datetime | None = Field(description="every match since then has been given; null: every match there is")
    missing_columns: tuple[str, ...] = Field(description="documented columns the table lacks; they read as null")
    hint: OmittedWhenNone = Field(default=None, description="only with missingColumns")
    tick_runs: tuple[WireTick, ...]


_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def tick_page_json(page: TickPage, *, request_id: str | None, next_cursor: str | None) -> bytes:
    """The answer to a request for a page; `hint` is there only with `missingColumns`."""
    head: dict[str, Any] = {
        "ok": True,
        "requestId": request_id,
        "nextCursor": next_cursor,
        "scannedTo": page.scanned_to,
        "missingColumns": page.missing,
    }
    if page.missing:
        head["hint"] = missing_hint(page.missing)
    return to_json(head)[:-1] + b',"tickRuns":[' + page.lines.encode() + b"]}"


def missing_hint(missing: Iterable[str]) -> str:
    return f"{TABLE} lacks {', '.join(missing)}, which is given as null. {SEE_SCHEMA}"


def page_lines(page: TickPage) -> list[str]:
    return page.lines.split(SEPARATOR) if page.lines else []


def shown_json(line: str, *, ascii_only: bool) -> str:
    """The same object, with what a terminal would obey or its encoding lacks written as escapes of JSON.

    Such characters are in its strings alone, and those below a space Postgres has escaped.
    """
    if line.isprintable() and (line.isascii() or not ascii_only):
        return line
    return "".join(
        character
        if character.isprintable() and (character.isascii() or not ascii_only)
        else json.dumps(character)[1:-1]
        for character in line
    )


def ndjson(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def ndjson_incomplete(reason: str, next_cursor: str | None) -> bytes:
    """The last line of a stream that ends before its end; no tick has such a member."""
    return to_json({"incomplete": {"reason": reason, "nextCursor": next_cursor}}) + b"\n"


def csv_header(*, meta: bool) -> bytes:
    return _csv([COLUMNS if meta else COLUMNS[:-1]])


def csv_rows(lines: Iterable[str]) -> bytes:
    """Nulls are empty cells, and what a spreadsheet would run is quoted with an apostrophe."""
    return _csv([_cell(name, value) for name, value in _members(line).items()] for line in lines)


def csv_incomplete(reason: str, next_cursor: str | None) -> bytes:
    """The last row of a stream that ends before its end: a single cell that no id looks like."""
    on = f"; go on with cursor={next_cursor}" if next_cursor is not None else ""
    return _csv([[f"# incomplete: {reason}{on}"]])


def _members(line: str) -> dict[str, msgspec.Raw]:
    try:
        return _decoder.decode(line)
    except RecursionError:
        # What is nested deeper than Python looks is meta, the last; in the text of those before it no `"` stands bare.
        head, _, meta = line.partition(',"meta":')
        return {**_decoder.decode(head + "}"), "meta": msgspec.Raw(meta[:-1].encode())}


def _csv(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(name: str, value: msgspec.Raw) -> str:
    raw = bytes(value)
    if name == "meta" or not raw.startswith(b'"'):
        return "" if raw == b"null" else raw.decode()
    text: str = msgspec.json.decode(raw)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
