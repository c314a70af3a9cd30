"""What the answers of several paths have in common: the form a caller prefers, and the time it may take."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

import mimeparse
from fastapi import Request
from pydantic import BaseModel

from app.api.problems import responses
from app.errors import DatabaseTimeoutError
from app.shared_read import Shared, SharedRead

JSON, TEXT = "application/json", "text/plain"
# What an answer that is a file says of its name, for the OpenAPI document.
FILE_NAME = {"Content-Disposition": {"schema": {"type": "string"}}}

T = TypeVar("T")


def prefers_text(request: Request) -> bool:
    """Text only for those who prefer it; JSON for everyone else, the unintelligible included."""
    return preferred(request, (TEXT, JSON)) == TEXT


def preferred(request: Request, offered: Sequence[str]) -> str:
    """The media type the caller likes best. The last one offered is for everyone without a preference."""
    accept = request.headers.get("accept", "*/*")
    if accept == "*/*":
        return offered[-1]
    try:
        # Of equals the last one wins, in mimeparse's order.
        return str(mimeparse.best_match(offered, accept) or offered[-1])
    except ValueError:
        return offered[-1]


async def by(deadline: float, work: Awaitable[T]) -> T:
    """What work gives, by a deadline on the event loop's clock. Raises DatabaseTimeoutError, and what work raises.

    Work that is late is cancelled and not waited for: on a stalled socket its end may take as long again.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task], timeout=deadline - asyncio.get_running_loop().time())
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    if not task.done():
        raise DatabaseTimeoutError("The database did not answer in time.")
    return task.result()


async def read_by(deadline: float, shared: SharedRead[T], *, fresh: bool = False) -> Shared[T]:
    """What is shared, by a deadline on the event loop's clock. Raises DatabaseTimeoutError, and what reading raises."""
    remembered = None if fresh else shared.remembered()
    if remembered is not None:
        return remembered
    try:
        async with asyncio.timeout_at(deadline):
            return await shared.get(fresh=fresh)
    except TimeoutError as error:
        raise DatabaseTimeoutError("The database did not answer in time.") from error


def report_responses(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """The answers of a path that gives a report, for the OpenAPI document. A 503 may be one as well, with `fail_on` or
    because it says so itself; only a problem always says when to come again.
    """
    problem = responses(503)[503]
    report = {"model": model, "content": {TEXT: {}}}
    unavailable = {
        **problem,
        **report,
        "description": f"{problem['description']}; or the report, where `fail_on` asks for that",
        "content": {TEXT: {}, **problem["content"]},
        "headers": {name: {**header, "required": False} for name, header in problem["headers"].items()},
    }
    return {200: report, **responses(401, 403, 422), 503: unavailable}
