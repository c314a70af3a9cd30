"""`GET /metrics`: what the reports say, and which requests were answered, for Prometheus."""

import asyncio
import os
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.answers import TEXT
from app.api.auth import Caller, RequireAdmin
from app.api.problems import noted, responses
from app.api.schema import SchemaReports
from app.api.status import RenderedStatus, StatusReports
from app.errors import DatabaseError, DatabaseUnavailableError
from app.render.metrics import PREFIX, Findings, metrics
from app.runner.figures import Window
from app.runner.report import StatusReport
from app.shared_read import Shared

WINDOW = Window.HOUR
OPEN_METRICS = "application/openmetrics-text"
METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OTHER = "other"
# Where prometheus-client's processes share their counts; `serve --workers` sets it.
SHARED_COUNTS = "PROMETHEUS_MULTIPROC_DIR"

T = TypeVar("T")


class RequestCounts(Collector):
    """Requests by method, path and status: of this process, or of all workers where they share their counts."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._counter = Counter(
            PREFIX + "http_requests_total",
            "Requests that were answered. Paths are those of the routes; what matches none is 'other'.",
            ("method", "path", "status"),
            registry=registry,
        )
        self._source: Collector = registry
        if SHARED_COUNTS in os.environ:
            self._source = MultiProcessCollector(CollectorRegistry())  # type: ignore[no-untyped-call] # The library's.

    def count(self, scope: Scope, status: int) -> None:
        method = scope["method"] if scope["method"] in METHODS else OTHER
        self._counter.labels(method, getattr(scope.get("route"), "path", OTHER), str(status)).inc()

    def collect(self) -> Iterator[Metric]:
        yield from self._source.collect()


class CountRequests:
    """Counts each request when its answer begins: a stream may have no end."""

    def __init__(self, app: ASGIApp, counts: RequestCounts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._counts.count(scope, message["status"])
            await send(message)

        await self._app(scope, receive, send_counting if scope["type"] == "http" else send)


class Scrapes:
    """What each scrape finds, from the reports that everyone else gets, too."""

    def __init__(self, schema: SchemaReports, status: StatusReports) -> None:
        self._schema = schema
        self._status = status
        self._schema_read_at = self._status_read_at = time.monotonic()

    async def find(self, deadline: float) -> Findings:
        """Never raises a DatabaseError: that there is no report is a finding."""
        schema, status = await asyncio.gather(
            _result(self._schema.get(fresh=False, deadline=deadline)), _result(self._status.status(WINDOW, deadline))
        )
        if isinstance(schema, Shared):
            self._schema_read_at = schema.value.read_at
        if isinstance(status, Shared):
            self._status_read_at = status.value.read_at
        now = time.monotonic()
        return Findings(
            database_up=not all(isinstance(found, DatabaseUnavailableError) for found in (schema, status)),
            schema=schema.value.report if isinstance(schema, Shared) else None,
            status=self._status_report(status),
            schema_age=now - self._schema_read_at,
            status_age=now - self._status_read_at,
        )

    def _status_report(self, status: Shared[RenderedStatus] | DatabaseError) -> StatusReport | None:
        if isinstance(status, Shared):
            return status.value.report
        return self._status.unreachable(status, WINDOW) if isinstance(status, DatabaseUnavailableError) else None


async def _result(reading: Coroutine[Any, Any, T]) -> T | DatabaseError:
    try:
        return await reading
    except DatabaseError as error:
        noted(error)
        return error


@dataclass(frozen=True, slots=True)
class Exposition(Collector):
    """All metrics of one scrape."""

    findings: Findings
    counts: RequestCounts

    def collect(self) -> Iterator[Metric]:
        yield from metrics(self.findings)
        yield from self.counts.collect()


def metrics_routes(
    router: APIRouter, scrapes: Scrapes, counts: RequestCounts, require_admin_or_probe: RequireAdmin
) -> None:
    @router.get(
        "/metrics",
        tags=["health"],
        summary="The reports as Prometheus metrics; a database out of reach is one of them",
        response_class=Response,
        responses={200: {"content": {TEXT: {}, OPEN_METRICS: {}}}, **responses(401, 403, 503)},
    )
    async def scrape(request: Request, caller: Annotated[Caller, Depends(require_admin_or_probe)]) -> Response:
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        exposition = Exposition(await scrapes.find(caller.deadline), counts)
        return Response(encode(exposition), headers={"Content-Type": media_type, "Vary": "Accept"})
