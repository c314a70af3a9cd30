"""The floors for HTTP: apps that answer with the bytes of our service and do nothing else."""

import os
from pathlib import Path

from fastapi import FastAPI, Request, Response
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import health

REPORT_VARIABLE = "BENCH_REPORT"
"""The environment variable that names the file with the report to answer with."""


def app() -> FastAPI:
    """A factory for uvicorn, as are the others. Without the documentation, which production does not serve either."""
    report = Path(os.environ[REPORT_VARIABLE]).read_bytes()
    bare = FastAPI(openapi_url=None)

    @bare.get("/livez")
    async def livez() -> Response:
        return Response(health.PASS, media_type=health.MEDIA_TYPE)

    @bare.get("/api/runner/schema")
    async def schema() -> Response:
        return Response(report, media_type="application/json")

    return bare


def starlette_app() -> Starlette:
    async def livez(_request: Request) -> Response:
        return Response(health.PASS, media_type=health.MEDIA_TYPE)

    return Starlette(routes=[Route("/livez", livez)])


def asgi_app() -> ASGIApp:
    headers = [(b"content-type", health.MEDIA_TYPE.encode()), (b"content-length", str(len(health.PASS)).encode())]

    async def livez(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": health.PASS})

    return livez
