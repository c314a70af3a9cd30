"""Where the parts meet."""

import logging
import logging.config
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from pythonjsonlogger.core import RESERVED_ATTRS
from starlette.types import Lifespan

from app.api import document, headers, problems
from app.api.auth import Authentication, RequireAdmin
from app.api.fix import fix_routes
from app.api.health import health_routes
from app.api.keys import SigningKeys
from app.api.metrics import CountRequests, RequestCounts, Scrapes, metrics_routes
from app.api.schema import SchemaReports, schema_routes
from app.api.shutdown import told_of_shutdown
from app.api.status import StatusReports, status_routes
from app.api.tick_runs import tick_routes
from app.api.tick_stream import tick_stream_routes
from app.contract.load import load_contract
from app.diagnostics import Diagnostics
from app.postgres.pool import Database
from app.postgres.profiles import admin_lookup
from app.postgres.tick_export import TickExports
from app.postgres.ticks import Ticks
from app.pulse import Pulse
from app.settings import Environment, LogFormat, Settings, load_settings
from app.tick_feed import TickFeed
from app.web.routes import web_routes


def create_app(settings: Settings) -> FastAPI:
    """The service. Raises ConfigurationError when it could not do its work with these settings; opens no connection."""
    settings.require_serving()
    database = Database(settings)
    diagnostics = Diagnostics(settings, load_contract(settings.runner_contract), database)
    keys = SigningKeys(settings.signing_keys_url) if settings.signing_keys_url is not None else None
    authentication = Authentication(settings, keys, admin_lookup(database, settings))
    ticks = Ticks(database, settings)
    feed = TickFeed(ticks)

    app = _bare_app(settings, _lifespan(feed, database, keys))
    counts = RequestCounts()
    app.add_middleware(CountRequests, counts=counts)

    admin, admin_or_probe = RequireAdmin(authentication, settings), RequireAdmin(authentication, settings, probe=True)
    reports, statuses = SchemaReports(diagnostics, settings), StatusReports(Pulse(settings, database), settings)
    # All on one router: those that are included are searched twice for each request.
    router = app.router
    health_routes(router, database)
    schema_routes(router, reports, admin_or_probe)
    fix_routes(router, reports, admin)
    status_routes(router, statuses, admin_or_probe, admin)
    if _is_development(settings) or settings.probe_token is not None:
        metrics_routes(router, Scrapes(reports, statuses), counts, admin_or_probe)
    tick_routes(router, ticks, TickExports(database, settings), admin)
    tick_stream_routes(router, feed, admin)
    web_routes(router, settings)
    return app


def _is_development(settings: Settings) -> bool:
    return settings.environment is Environment.DEVELOPMENT


def _bare_app(settings: Settings, lifespan: Lifespan[FastAPI]) -> FastAPI:
    """Without routes of ours, and with what all of them have in common."""
    development = _is_development(settings)
    app = FastAPI(
        title="Runner diagnostics",
        summary="Whether a Supabase Postgres has the schema the strategy runner expects.",
        description="Any other path is 404 and any other method 405, with `Allow`; both with a Problem for a body.",
        version="0.1.0",
        lifespan=lifespan,
        openapi_url="/openapi.json" if development else None,
        docs_url="/docs" if development else None,
        redoc_url=None,
        # A redirect would repeat the Host header a caller sent.
        redirect_slashes=False,
    )
    document.install(app)
    problems.install(app)
    headers.install(app, settings)
    return app


def _lifespan(feed: TickFeed, database: Database, keys: SigningKeys | None) -> Lifespan[FastAPI]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        with told_of_shutdown(feed.shut):
            yield
        await feed.close()
        await database.close()
        if keys is not None:
            await keys.close()

    return lifespan


def app() -> FastAPI:
    """The factory that uvicorn's workers call, each in a process of its own."""
    settings = load_settings()
    configure_logging(settings)
    return create_app(settings)


def configure_logging(settings: Settings) -> None:
    """One line for each record, on standard error: JSON, or words for a person."""
    formatters = {
        LogFormat.JSON: {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s %(correlation_id)s",
            "datefmt": "%Y-%m-%dT%H:%M:%S%z",
            # uvicorn's own, with colours for a terminal.
            "reserved_attrs": [*RESERVED_ATTRS, "color_message"],
            "rename_fields": {"asctime": "time", "levelname": "level", "correlation_id": "requestId"},
        },
        LogFormat.CONSOLE: {"format": "%(asctime)s %(levelname)-7s %(name)s [%(correlation_id)s] %(message)s"},
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {
                "request_id": {"()": "asgi_correlation_id.CorrelationIdFilter", "default_value": "-"},
                "no_requests": {"()": lambda: _of_no_request},
            },
            "formatters": {"chosen": formatters[settings.log_format]},
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": "chosen", "filters": ["request_id"]}
            },
            "root": {"level": settings.log_level, "handlers": ["stderr"]},
            "loggers": {
                # They warn of every odd request id and request, which anyone may send as often as they like.
                "asgi_correlation_id": {"level": "ERROR"},
                "uvicorn.error": {"filters": ["no_requests"]},
                # They tell of every request for signing keys; ours says so when one fails.
                "httpx": {"level": "WARNING"},
                "httpcore": {"level": "WARNING"},
            },
        }
    )


def _of_no_request(record: logging.LogRecord) -> bool:
    odd = ("Invalid HTTP request", "Unsupported upgrade request", "No supported WebSocket library")
    return not record.getMessage().startswith(odd)
