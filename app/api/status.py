"""`GET /api/runner/status` and `/runs`: is the runner healthy, and how is each strategy doing."""

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Annotated, Any, Literal

from asgi_correlation_id import correlation_id
from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from app.api.answers import JSON, TEXT, prefers_text, read_by, report_responses
from app.api.auth import Caller, RequireAdmin
from app.api.problems import RETRY_SECONDS, noted, responses
from app.api.query import QueryModel, documented, read_query
from app.errors import DatabaseUnavailableError
from app.pulse import Pulse
from app.render.json import enveloped
from app.render.status_json import (
    WireRunsResponse,
    WireStatusResponse,
    runs_report_json,
    status_report_json,
    unreachable_json,
)
from app.render.status_text import status_text
from app.runner.figures import Window
from app.runner.grid import FEWEST_SLOTS, MOST_SLOTS, USUAL_SLOTS, RunsReport
from app.runner.report import StatusReport
from app.runner.schedule import State
from app.runner.verdict import Verdict, at_least
from app.settings import Settings
from app.shared_read import Shared, SharedRead

MOST_RUNS, USUAL_RUNS = 500, 100
MOST_FORMS = 8  # of one grid that are kept


class StatusQuery(QueryModel):
    window: Window = Field(default=Window.HOUR, description="the time that figures are of; the verdict has its own")
    fail_on: Literal["degraded", "down"] | None = Field(
        default=None, description="answer 503, with the same body, for that verdict, a worse one, or unknown"
    )


class RunsQuery(QueryModel):
    limit: int = Field(default=USUAL_RUNS, ge=1, le=MOST_RUNS, description="the most runs to answer with")
    state: State | None = Field(default=None, description="only runs in this state")
    slots: int = Field(default=USUAL_SLOTS, ge=FEWEST_SLOTS, le=MOST_SLOTS, description="the most slots of each run")


@dataclass(frozen=True, slots=True)
class RenderedStatus:
    """A report, and its JSON, rendered once however many ask. `read_at` is on the monotonic clock."""

    report: StatusReport
    json: bytes
    read_at: float


class RenderedRuns:
    """A grid, and its JSON by limit, state and slots: rendered once however many ask for the same."""

    def __init__(self, report: RunsReport) -> None:
        self.report = report
        self.json = lru_cache(MOST_FORMS)(partial(runs_report_json, report))


class StatusReports:
    """Reports for any number of callers: one reading at a time for each window and for the grid, reused a while."""

    def __init__(self, pulse: Pulse, settings: Settings) -> None:
        self._pulse = pulse
        seconds = settings.report_cache_ms / 1000
        self._statuses = {window: SharedRead(self._read(window), reuse_seconds=seconds) for window in Window}
        self._runs = SharedRead(self._read_runs, reuse_seconds=seconds)

    async def status(self, window: Window, deadline: float) -> Shared[RenderedStatus]:
        return await read_by(deadline, self._statuses[window])

    async def runs(self, deadline: float) -> Shared[RenderedRuns]:
        return await read_by(deadline, self._runs)

    async def text(self, status: StatusReport, deadline: float) -> bytes:
        """What the command line prints, which shows the worst runs, too."""
        runs = (await self.runs(deadline)).value.report if status.as_of is not None else None
        return status_text(status, runs, error_streak=self._pulse.thresholds.error_streak).plain.encode()

    def unreachable(self, error: DatabaseUnavailableError, window: Window) -> StatusReport:
        return self._pulse.unreachable(str(error), window)

    def _read(self, window: Window) -> Callable[[], Coroutine[Any, Any, RenderedStatus]]:
        async def read() -> RenderedStatus:
            report = await self._pulse.status(window)
            return RenderedStatus(report, status_report_json(report), time.monotonic())

        return read

    async def _read_runs(self) -> RenderedRuns:
        return RenderedRuns(await self._pulse.runs())


def status_routes(
    router: APIRouter, reports: StatusReports, require_admin_or_probe: RequireAdmin, require_admin: RequireAdmin
) -> None:
    @router.get(
        "/api/runner/status",
        tags=["runner"],
        summary="Whether the runner is healthy",
        responses=report_responses(WireStatusResponse),
        openapi_extra=documented(StatusQuery),
    )
    async def status(request: Request, caller: Annotated[Caller, Depends(require_admin_or_probe)]) -> Response:
        query = read_query(StatusQuery, request)
        try:
            shared = await reports.status(query.window, caller.deadline)
            report = shared.value.report
            if prefers_text(request):
                text = await reports.text(report, caller.deadline)
                return Response(text, _status_code(report, query), media_type=TEXT, headers={"Vary": "Accept"})
        except DatabaseUnavailableError as error:
            return await _unreachable(request, reports, query.window, error)
        body = enveloped(shared.value.json, request_id=correlation_id.get(), cached=shared.cached)
        return Response(body, _status_code(report, query), media_type=JSON, headers={"Vary": "Accept"})

    @router.get(
        "/api/runner/runs",
        tags=["runner"],
        summary="Every active strategy, the worst first, with its recent slots",
        responses={200: {"model": WireRunsResponse}, **responses(401, 403, 422, 503)},
        openapi_extra=documented(RunsQuery),
    )
    async def runs(request: Request, caller: Annotated[Caller, Depends(require_admin)]) -> Response:
        query = read_query(RunsQuery, request)
        shared = await reports.runs(caller.deadline)
        body = shared.value.json(limit=query.limit, state=query.state, slots=query.slots)
        return Response(enveloped(body, request_id=correlation_id.get(), cached=shared.cached), media_type=JSON)


async def _unreachable(
    request: Request, reports: StatusReports, window: Window, error: DatabaseUnavailableError
) -> Response:
    """Who came so far may know how it is: down, in the shape of every other report."""
    kind, report = noted(error), reports.unreachable(error, window)
    headers = {"Retry-After": str(RETRY_SECONDS), "Vary": "Accept"}
    if prefers_text(request):
        return Response(await reports.text(report, 0), 503, media_type=TEXT, headers=headers)
    body = unreachable_json(
        status_report_json(report), request_id=correlation_id.get(), code=kind.code, title=kind.title
    )
    return Response(body, 503, media_type=JSON, headers=headers)


def _status_code(report: StatusReport, query: StatusQuery) -> int:
    if query.fail_on is None:
        return 200
    failed = report.verdict is Verdict.UNKNOWN or at_least(report.verdict, Verdict(query.fail_on))
    return 503 if failed else 200
