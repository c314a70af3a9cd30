"""`GET /api/runner/schema`: the conformance report."""

import time
from dataclasses import dataclass
from typing import Annotated, Literal

from asgi_correlation_id import correlation_id
from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from app.api.answers import JSON, TEXT, prefers_text, read_by, report_responses
from app.api.auth import Caller, RequireAdmin
from app.api.query import QueryModel, documented, read_query
from app.diagnostics import Diagnostics, SchemaReport
from app.render.json import WireSchemaResponse, enveloped, schema_report_json
from app.render.text import schema_report_text
from app.settings import Settings
from app.shared_read import Shared, SharedRead


class SchemaQuery(QueryModel):
    refresh: bool = Field(default=False, description="wait for a reading that starts after this request")
    fail_on: Literal["drift"] | None = Field(
        default=None, description="answer 503, with the same body, unless the database conforms"
    )


@dataclass(frozen=True, slots=True)
class RenderedReport:
    """A report in the forms it is asked for, rendered once however many ask. `read_at` is on the monotonic clock."""

    report: SchemaReport
    json: bytes
    text: bytes
    read_at: float


class SchemaReports:
    """Reports for any number of callers: one reading at a time, reused for REPORT_CACHE_MS."""

    def __init__(self, diagnostics: Diagnostics, settings: Settings) -> None:
        self._diagnostics = diagnostics
        self._shared = SharedRead(self._render, reuse_seconds=settings.report_cache_ms / 1000)

    async def get(self, *, fresh: bool, deadline: float) -> Shared[RenderedReport]:
        """Raises DatabaseTimeoutError at the deadline, a time on the event loop's clock, and what reading raises."""
        return await read_by(deadline, self._shared, fresh=fresh)

    async def _render(self) -> RenderedReport:
        report = await self._diagnostics.check_schema()
        return RenderedReport(
            report=report,
            json=schema_report_json(report),
            text=schema_report_text(report).plain.encode(),
            read_at=time.monotonic(),
        )


def schema_routes(router: APIRouter, reports: SchemaReports, require_admin_or_probe: RequireAdmin) -> None:
    @router.get(
        "/api/runner/schema",
        tags=["runner"],
        summary="Whether the database has the schema the runner expects",
        responses=report_responses(WireSchemaResponse),
        openapi_extra=documented(SchemaQuery),
    )
    async def schema(request: Request, caller: Annotated[Caller, Depends(require_admin_or_probe)]) -> Response:
        query = read_query(SchemaQuery, request)
        shared = await reports.get(fresh=query.refresh, deadline=caller.deadline)
        rendered = shared.value
        status = 503 if query.fail_on is not None and rendered.report.conformant is not True else 200
        if prefers_text(request):
            return Response(rendered.text, status, media_type=TEXT, headers={"Vary": "Accept"})
        body = enveloped(rendered.json, request_id=correlation_id.get(), cached=shared.cached)
        return Response(body, status, media_type=JSON, headers={"Vary": "Accept"})
