"""`GET /api/runner/schema/fix`: what would mend the database, as SQL to review or as JSON."""

from typing import Annotated, Literal

import mimeparse
from asgi_correlation_id import correlation_id
from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from app.api.answers import FILE_NAME, JSON, TEXT
from app.api.auth import Caller, RequireAdmin
from app.api.problems import responses
from app.api.query import QueryModel, documented, read_query
from app.api.schema import SchemaReports
from app.errors import NoSuchPartError
from app.render.fix import WireFixResponse, fix_json, fix_sql
from app.render.json import enveloped

SQL = "application/sql"


class FixQuery(QueryModel):
    part: Literal["1", "2"] = Field(default="1", description="which file; the second validates what the first adds")
    refresh: bool = Field(default=False, description="plan from a reading that starts after this request")


def fix_routes(router: APIRouter, reports: SchemaReports, require_admin: RequireAdmin) -> None:
    @router.get(
        "/api/runner/schema/fix",
        tags=["runner"],
        summary="A migration that mends what failed, never run by this service",
        responses={
            200: {"model": WireFixResponse, "content": {SQL: {}, TEXT: {}}, "headers": FILE_NAME},
            204: {"description": "The database conforms, and nothing could be mended"},
            **responses(401, 403, 404, 422, 503),
        },
        openapi_extra=documented(FixQuery),
    )
    async def fix(request: Request, caller: Annotated[Caller, Depends(require_admin)]) -> Response:
        query = read_query(FixQuery, request)
        shared = await reports.get(fresh=query.refresh, deadline=caller.deadline)
        report = shared.value.report
        headers = {"Vary": "Accept"}
        if report.conformant is True and not report.fix.parts and not report.fix.decisions:
            return Response(status_code=204, headers=headers)
        media_type = _preferred(request)
        if media_type == JSON:
            body = enveloped(fix_json(report), request_id=correlation_id.get(), cached=shared.cached)
            return Response(body, media_type=JSON, headers=headers)
        number = int(query.part)
        sql, part = fix_sql(report, number), report.fix.part(number)
        if sql is None:
            raise NoSuchPartError("The fix has no such part: there is nothing to validate.")
        if part is not None:
            headers["Content-Disposition"] = f'attachment; filename="{part.file}"'
        return Response(sql, media_type=media_type, headers=headers)


def _preferred(request: Request) -> str:
    """SQL, which is what the path is for, unless another form is asked for."""
    try:
        # Of equals the last one wins, in mimeparse's order.
        return mimeparse.best_match([TEXT, JSON, SQL], request.headers.get("accept", "*/*")) or SQL
    except ValueError:
        return SQL
