"""What every answer carries: a request id, that nobody may keep it, and what a browser may do with it."""

import re
from uuid import uuid4

from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import CatchAll
from app.settings import Environment, Settings

REQUEST_ID = "X-Request-ID"
# Visible, and harmless in a log, a header and a URL.
SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")

# An answer is data: a browser that is led to one shows it, and runs, loads, frames and submits nothing.
POLICY = b"content-security-policy"
FIXED = {
    b"cache-control": b"no-store",
    POLICY: b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}
# Served in development alone, with scripts of another host.
DOCUMENTS = "/docs"


class FixedHeaders:
    """Adds the headers that are the same on every answer, where it has none of its own."""

    def __init__(self, app: ASGIApp, *, documents: bool) -> None:
        self._app = app
        self._documents = documents

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", []))
                present = {name.lower() for name, _ in own}
                if self._documents and scope["path"] == DOCUMENTS:
                    present.add(POLICY)
                message["headers"] = own + [header for header in FIXED.items() if header[0] not in present]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Compressed:
    """Compresses answers for callers who take gzip; the others do not pay for it being looked at.

    No secret is in a body, so that its length gives none away. Exports stay as they are: each of their pieces is sent
    when it is made.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressed = GZipMiddleware(
            app,
            minimum_size=1024,
            compresslevel=1,
            exclude_content_types=(*DEFAULT_EXCLUDED_CONTENT_TYPES, "text/csv", "application/x-ndjson"),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        accepted = any(name == b"accept-encoding" and b"gzip" in value for name, value in scope.get("headers", ()))
        await (self._compressed if accepted else self._plain)(scope, receive, send)


def install(app: FastAPI, settings: Settings) -> None:
    """Wrap an app; the last one added is the outermost."""
    app.add_middleware(CatchAll)
    app.add_middleware(Compressed)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_credentials=True,
            allow_methods=["GET"],
            allow_headers=["Authorization", "Content-Type", "Last-Event-ID", REQUEST_ID],
            expose_headers=[REQUEST_ID, "Retry-After"],
        )
    app.add_middleware(FixedHeaders, documents=settings.environment is Environment.DEVELOPMENT)
    app.add_middleware(
        CorrelationIdMiddleware,
        header_name=REQUEST_ID,
        update_request_header=False,
        generator=lambda: uuid4().hex,
        validator=lambda value: SANE_REQUEST_ID.fullmatch(value) is not None,
        transformer=None,
    )
