"""`GET /api/runner/tick-runs`: pages of ticks, and exports of all that is selected."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from asgi_correlation_id import correlation_id
from fastapi import APIRouter, Depends, Request, Response
from pydantic import AfterValidator, Field

from app.api.answers import FILE_NAME, JSON, TEXT, by, preferred
from app.api.auth import Caller, RequireAdmin
from app.api.cursor import decode_cursor, encode_cursor
from app.api.problems import responses
from app.api.query import documented, read_query, refuse
from app.api.streaming import ClosingStream
from app.api.tick_query import TickQuery
from app.errors import DatabaseError
from app.postgres.tick_export import Batch, TickExports
from app.postgres.tick_filter import Position, TickFilter
from app.postgres.ticks import Ticks
from app.render.tick_table import page_text
from app.render.ticks import (
    WireTickPage,
    csv_header,
    csv_incomplete,
    csv_rows,
    ndjson,
    ndjson_incomplete,
    tick_page_json,
)

CSV, NDJSON = "text/csv", "application/x-ndjson"
MOST_A_PAGE = 500
# Any meta may be a megabyte, and a page is held in memory.
MOST_A_PAGE_WITH_META = 50


class TickPageQuery(TickQuery):
    limit: Annotated[int, AfterValidator(lambda given: min(max(given, 1), MOST_A_PAGE))] = Field(
        default=50, description=f"ticks a page, brought within 1 to {MOST_A_PAGE} ({MOST_A_PAGE_WITH_META} with meta)"
    )
    cursor: str | None = Field(default=None, description="nextCursor of a page with the same filters")
    fields: Literal["meta"] | None = Field(default=None, description="meta: with each tick's meta")


@dataclass(frozen=True, slots=True)
class Format:
    """How an export is written: its first bytes, some ticks, and why it ends before its end."""

    file_name: str
    head: Callable[[bool], bytes]
    rows: Callable[[tuple[str, ...]], bytes]
    incomplete: Callable[[str, str | None], bytes]


FORMATS = {
    CSV: Format("tick-runs.csv", lambda meta: csv_header(meta=meta), csv_rows, csv_incomplete),
    NDJSON: Format("tick-runs.ndjson", lambda _meta: b"", ndjson, ndjson_incomplete),
}


def tick_routes(router: APIRouter, ticks: Ticks, exports: TickExports, require_admin: RequireAdmin) -> None:
    @router.get(
        "/api/runner/tick-runs",
        tags=["runner"],
        summary="Recent ticks, newest first; as CSV or NDJSON all that are selected",
        responses=_documented(),
        openapi_extra=documented(TickPageQuery),
    )
    async def tick_runs(request: Request, caller: Annotated[Caller, Depends(require_admin)]) -> Response:
        query = read_query(TickPageQuery, request)
        wanted = query.filter()
        start = _start(query, wanted)
        accepted = preferred(request, (NDJSON, CSV, TEXT, JSON))
        # A table has no room for it.
        meta = query.fields == "meta" and accepted != TEXT
        if accepted in FORMATS:
            batches = exports.batches(wanted, start, meta=meta, deadline=caller.deadline)
            return await _export(batches, wanted, accepted, meta=meta)
        limit = min(query.limit, MOST_A_PAGE_WITH_META) if meta else query.limit
        page = await by(caller.deadline, ticks.page(wanted, start, limit=limit, meta=meta))
        cursor = encode_cursor(page.next, wanted) if page.next is not None else None
        if accepted == TEXT:
            return Response(page_text(page, next_cursor=cursor), media_type=TEXT, headers={"Vary": "Accept"})
        body = tick_page_json(page, request_id=correlation_id.get(), next_cursor=cursor)
        return Response(body, media_type=JSON, headers={"Vary": "Accept"})


def _start(query: TickPageQuery, wanted: TickFilter) -> Position:
    if query.cursor is None:
        return wanted.start
    try:
        return decode_cursor(query.cursor, wanted)
    except ValueError as error:
        refuse("cursor", str(error))


async def _export(batches: AsyncGenerator[Batch], wanted: TickFilter, accepted: str, *, meta: bool) -> ClosingStream:
    """The first batch is read before the answer begins, so that whatever goes wrong by then is a problem body."""
    form = FORMATS[accepted]
    first = await anext(batches, None)
    return ClosingStream(
        _written(form, first, batches, wanted, meta=meta),
        batches,
        media_type=accepted,
        headers={"Vary": "Accept", "Content-Disposition": f'attachment; filename="{form.file_name}"'},
    )


async def _written(
    form: Format, first: Batch | None, batches: AsyncGenerator[Batch], wanted: TickFilter, *, meta: bool
) -> AsyncGenerator[bytes]:
    """An export's bytes. A cap or a failure is the last thing in it, with the cursor to go on from."""
    last = first
    yield form.head(meta)
    if first is not None:
        yield form.rows(first.lines)
    try:
        async for batch in batches:
            last = batch
            yield form.rows(batch.lines)
    except DatabaseError as error:
        reason: str | None = str(error)
    else:
        reason = last.cap if last is not None else None
    if reason is not None:
        yield form.incomplete(reason, encode_cursor(last.last, wanted) if last is not None else None)


def _documented() -> dict[int | str, dict[str, Any]]:
    content: dict[str, Any] = {TEXT: {}, CSV: {}, NDJSON: {}}
    answer = {"model": WireTickPage, "content": content, "headers": FILE_NAME}
    return {200: answer, **responses(401, 403, 422, 503)}
