"""The service as production runs it, on the demo's database, with a runner that ticks beside it."""

import asyncio
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from app.demo.activity import floor_to_minute
from app.demo.database import API_LOGIN, LOGIN, create_project, create_roles
from app.demo.server import EmbeddedPostgres
from app.demo.ticker import Ticker
from app.settings import Settings, load_settings
from bench.stage import Service, run_serve


@contextmanager
def production_stage() -> Iterator[tuple[EmbeddedPostgres, Settings, Service]]:
    """The demo's day of activity, and `serve` with the settings that production must have and no other."""
    with tempfile.TemporaryDirectory() as empty, EmbeddedPostgres() as cluster:
        uvloop.run(_fill(cluster))
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "DATABASE_URL": cluster.url(LOGIN),
            "SUPABASE_JWT_SECRET": secrets.token_urlsafe(48),
            "PROBE_TOKEN": secrets.token_urlsafe(48),
        }
        given = {name.lower(): value for name, value in environment.items() if name != "PATH"}
        settings = load_settings(env_file=None, **given)
        with run_serve(Path(empty), environment) as service:
            yield cluster, settings, service


async def _fill(cluster: EmbeddedPostgres) -> None:
    await create_roles(cluster)
    await create_project(cluster, active_until=datetime.now(UTC))


async def keep_ticking(cluster: EmbeddedPostgres) -> None:
    """The demo's runner, over and over: its rows of one `scheduled_at` come one after another, as the real one's do."""
    ticker = Ticker(cluster.url(API_LOGIN), since=datetime.now(UTC))
    while True:
        await ticker.cycle(floor_to_minute(datetime.now(UTC)))
        await asyncio.sleep(1)
