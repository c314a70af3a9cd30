"""The floor for HTTP: FastAPI with two routes and nothing else, which answer with the bytes of our service."""

import os
from pathlib import Path

from fastapi import FastAPI, Response

from app.api import health

REPORT_VARIABLE = "BENCH_REPORT"
"""The environment variable that names the file with the report to answer with."""


def app() -> FastAPI:
    """The factory for uvicorn. Without the routes of the documentation, which production does not have either."""
    report = Path(os.environ[REPORT_VARIABLE]).read_bytes()
    bare = FastAPI(openapi_url=None)

    @bare.get("/livez")
    async def livez() -> Response:
        return Response(health.PASS, media_type=health.MEDIA_TYPE)

    @bare.get("/api/runner/schema")
    async def schema() -> Response:
        return Response(report, media_type="application/json")

    return bare
