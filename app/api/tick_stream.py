"""`GET /api/runner/tick-runs/stream`: new ticks as server-sent events."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic_core import to_json

from app.api.answers import by
from app.api.auth import REMEMBERED_PROFILE_SECONDS, Caller, RequireAdmin
from app.api.cursor import decode_cursor, encode_cursor
from app.api.problems import responses
from app.api.query import documented, read_query, refuse
from app.api.streaming import ClosingStream
from app.api.tick_query import TickQuery
from app.errors import AccessError, DatabaseError
from app.postgres.tick_filter import Position, Tick, TickFilter
from app.tick_feed import Events, Notice, TickFeed

MEDIA_TYPE = "text/event-stream"
HEARTBEAT_SECONDS = 15.0
RECHECK_SECONDS = 5.0
# A right that was lost may still be remembered as good, and hearing that it cannot be looked up may take the time of a
# request: in all no more than 30 seconds.
LONGEST_UNCONFIRMED = 25.0 - REMEMBERED_PROFILE_SECONDS
RETRY_MS = 2000
LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "the id of the last event of a stream with these filters: what came after it is sent first",
    "schema": {"type": "string"},
}


class Admission:
    """A caller's right to listen, for as long as it lasts. Times are on the event loop's clock."""

    def __init__(self, caller: Caller) -> None:
        now = asyncio.get_running_loop().time()
        self._recheck = caller.recheck
        self._confirmed_at = now
        self.ends_at = math.inf if caller.expires_at is None else now + caller.expires_at - time.time()
        self.check_at = now + RECHECK_SECONDS

    async def lost(self) -> str | None:
        """Why there is no such right any more, or None."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self.ends_at:
            return "The token has expired."
        if loop.time() < self.check_at:
            return None
        self.check_at = loop.time() + RECHECK_SECONDS
        try:
            await self._recheck()
        except AccessError:
            return "The caller is no admin any more."
        except DatabaseError:
            if loop.time() - self._confirmed_at >= LONGEST_UNCONFIRMED:
                return "Whether the caller still is an admin cannot be read."
        else:
            self._confirmed_at = loop.time()
        return None


def tick_stream_routes(router: APIRouter, feed: TickFeed, require_admin: RequireAdmin) -> None:
    @router.get(
        "/api/runner/tick-runs/stream",
        tags=["runner"],
        summary="New ticks as server-sent events",
        responses={200: {"content": {MEDIA_TYPE: {}}}, **responses(401, 403, 422, 503)},
        openapi_extra=documented(TickQuery, LAST_EVENT_ID),
        # FastAPI documents a class of answers only where it knows their status.
        status_code=200,
        response_class=ClosingStream,
    )
    async def tick_stream(request: Request, caller: Annotated[Caller, Depends(require_admin)]) -> ClosingStream:
        wanted = read_query(TickQuery, request).filter()
        after = _last_event(request, wanted)
        admission = Admission(caller)
        events = feed.listen(wanted, after)
        # Read before the answer begins, so that whatever goes wrong by then is a problem body.
        first = await by(caller.deadline, anext(events))
        content = _content(first, events, wanted, admission)
        # nginx would otherwise keep events back until it has enough of them.
        return ClosingStream(content, events, media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})


def _last_event(request: Request, wanted: TickFilter) -> Position | None:
    cursor = request.headers.get("last-event-id")
    if not cursor:
        return None
    try:
        return decode_cursor(cursor, wanted)
    except ValueError as error:
        refuse("Last-Event-ID", str(error))


async def _content(
    first: Events | None, events: AsyncGenerator[Events | None], wanted: TickFilter, admission: Admission
) -> AsyncGenerator[bytes]:
    """Frames, a heartbeat in between, and the end of the admission."""
    loop = asyncio.get_running_loop()
    yield format_sse_event(comment="listening", retry=RETRY_MS)
    yield _frames(first, wanted)
    beat_at = loop.time() + HEARTBEAT_SECONDS
    waiting = asyncio.ensure_future(anext(events))
    try:
        while True:
            wake_at = min(beat_at, admission.ends_at, admission.check_at)
            await asyncio.wait([waiting], timeout=max(0.0, wake_at - loop.time()))
            lost = await admission.lost()
            if lost is not None:
                yield _notice("expired", lost)
                return
            if waiting.done():
                yield _frames(waiting.result(), wanted)
                waiting = asyncio.ensure_future(anext(events))
            if loop.time() >= beat_at:
                yield KEEPALIVE_COMMENT
                beat_at = loop.time() + HEARTBEAT_SECONDS
    except StopAsyncIteration:
        # The feed's last notice has been passed on.
        return
    except DatabaseError as error:
        yield _notice("failed", str(error))
    finally:
        waiting.cancel()
        with suppress(asyncio.CancelledError, StopAsyncIteration, DatabaseError):
            await waiting


def _frames(events: Events | None, wanted: TickFilter) -> bytes:
    """One piece for all of them: each piece costs as much as a tick itself."""
    return b"".join(_frame(event, wanted) for event in events or ())


# Most streams have the same filter, and every one is told of the same ticks at about the same time.
@lru_cache(maxsize=1000)
def _frame(event: Tick | Notice, wanted: TickFilter) -> bytes:
    if isinstance(event, Tick):
        return format_sse_event(data_str=event.line, id=encode_cursor(event.position, wanted))
    return _notice(event.kind, event.detail)


def _notice(kind: str, detail: str) -> bytes:
    return format_sse_event(event=kind, data_str=to_json({"detail": detail}).decode())
