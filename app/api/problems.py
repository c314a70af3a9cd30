"""Errors as RFC 9457 problem bodies: the only place that maps the tree of errors to status codes."""

import logging
from dataclasses import dataclass
from typing import Any, Literal

from asgi_correlation_id import correlation_id
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import (
    AdminLookupError,
    BusyError,
    DatabaseError,
    DatabaseTimeoutError,
    DatabaseUnavailableError,
    DiagnosticsError,
    ForbiddenError,
    NoSuchPartError,
    SchemaDriftError,
    SigningKeysUnavailableError,
    UnauthenticatedError,
)

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
LONGEST_NAME = 64
SERVICE_UNAVAILABLE = 503
UNFORESEEN = "Something went wrong in this service; its log has more under the request id."


@dataclass(frozen=True, slots=True)
class Kind:
    status: int
    code: str
    title: str


# The most particular first: the first that an error is an instance of is taken.
KINDS: dict[type[DiagnosticsError], Kind] = {
    UnauthenticatedError: Kind(401, "unauthenticated", "Not signed in"),
    ForbiddenError: Kind(403, "forbidden", "Access denied"),
    NoSuchPartError: Kind(404, "no_such_part", "No such part"),
    SigningKeysUnavailableError: Kind(503, "signing_keys_unavailable", "Signing keys out of reach"),
    AdminLookupError: Kind(503, "admin_lookup_failed", "Admin right could not be checked"),
    SchemaDriftError: Kind(503, "schema_drift", "Database lacks what this needs"),
    # Not 429: what is used up is the service's, whoever asks.
    BusyError: Kind(503, "busy", "As many as may run are running"),
    DatabaseTimeoutError: Kind(503, "database_timeout", "Database did not answer in time"),
    DatabaseUnavailableError: Kind(503, "database_unavailable", "Database out of reach"),
    DatabaseError: Kind(503, "database_error", "Database refused a query"),
}
STATUSES = {
    404: Kind(404, "not_found", "No such path"),
    405: Kind(405, "method_not_allowed", "Method not allowed"),
}
INVALID = Kind(422, "invalid_parameter", "Invalid parameter")
INTERNAL = Kind(500, "internal_error", "Internal error")


class Problem(BaseModel):
    """The body of every error, for the OpenAPI document."""

    type: str
    title: str
    status: int
    detail: str
    ok: Literal[False]
    error: str = Field(description="the title again, where the dashboard looks for it")
    code: str
    requestId: str  # noqa: N815 - the name in the JSON


def problem(kind: Kind, detail: str, headers: dict[str, str] | None = None) -> Response:
    body: dict[str, Any] = {
        "type": f"urn:runner-diagnostics:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "ok": False,
        "error": kind.title,
        "code": kind.code,
        "requestId": correlation_id.get(),
    }
    return Response(to_json(body), kind.status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of this app with a problem body."""
    app.add_exception_handler(DiagnosticsError, _diagnostics_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)


MEANINGS = {
    401: "No token, or not a good one",
    403: "No admin",
    404: "The fix has no such part",
    422: "A parameter that is unknown, or has a bad value; `detail` names it",
    503: "The database or the signing keys are out of reach, or something needed is missing there or used up",
}
STATED_IN = {401: "WWW-Authenticate", 403: "WWW-Authenticate", 503: "Retry-After"}


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a path, for the OpenAPI document; `app.api.document` has the schema they refer to."""
    return {
        status: {
            "description": MEANINGS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            "headers": {
                name: {"required": True, "schema": {"type": "string"}} for name in [STATED_IN.get(status)] if name
            },
        }
        for status in statuses
    }


def noted(error: Exception) -> Kind:
    """The kind of an error; one that an operator should know of is in the log then."""
    kind = next((kind for known, kind in KINDS.items() if isinstance(error, known)), INTERNAL)
    if kind is INTERNAL:
        logger.error("unforeseen error", exc_info=error)
    elif kind.status == SERVICE_UNAVAILABLE and not isinstance(error, SigningKeysUnavailableError):
        # Where keys are out of reach anyone's token ends so: whoever fetches them says it, and less often.
        logger.warning("%s: %s", kind.code, _cause(error))
    return kind


async def _diagnostics_error(_request: Request, error: Exception) -> Response:
    kind = noted(error)
    if kind is INTERNAL:
        return problem(INTERNAL, UNFORESEEN)
    return problem(kind, str(error), _headers(kind, error))


def _cause(error: Exception) -> str:
    """What is behind an error, without its words, which may repeat a name, a value or a part of a URL."""
    cause = error.__cause__
    return f"{type(cause or error).__name__} {getattr(cause, 'sqlstate', None) or ''}".strip()


def _headers(kind: Kind, error: Exception) -> dict[str, str]:
    """A challenge for 401 and 403 (RFC 6750, section 3), and when to come again for 503."""
    challenge = 'Bearer realm="runner-diagnostics"'
    if isinstance(error, UnauthenticatedError):
        return {"WWW-Authenticate": challenge + (', error="invalid_token"' if error.presented else "")}
    if isinstance(error, ForbiddenError):
        return {"WWW-Authenticate": challenge + ', error="insufficient_scope"'}
    return {"Retry-After": str(RETRY_SECONDS)} if kind.status == SERVICE_UNAVAILABLE else {}


async def _invalid_request(_request: Request, error: Exception) -> Response:
    """Names what is wrong and never repeats the value, which may be anything."""
    if not isinstance(error, RequestValidationError):
        raise error
    reasons = []
    for found in error.errors():
        name = str(found["loc"][-1])[:LONGEST_NAME]
        reasons.append(f"{name}: " + ("unknown parameter" if found["type"] == "extra_forbidden" else found["msg"]))
    return problem(INVALID, "; ".join(reasons))


async def _http_error(_request: Request, error: Exception) -> Response:
    """What the router answers by itself: no such path, or not with this method."""
    if not isinstance(error, HTTPException):
        raise error
    kind = STATUSES.get(error.status_code, Kind(error.status_code, "http_error", str(error.detail)))
    return problem(kind, f"{kind.title}.", dict(error.headers or {}))


class CatchAll:
    """The outermost edge: whatever was not foreseen is logged with its request id and answered with a problem body.

    Inside CORS and request ids, so that this answer carries their headers, too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_noticing(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_noticing)
        except Exception:
            if scope["type"] != "http" or started:
                raise
            logger.exception("unforeseen error")
            answer = problem(INTERNAL, UNFORESEEN)
            await answer(scope, receive, send)
