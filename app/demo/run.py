"""`runner-diagnostics demo`: the embedded database, the service on it, and what to try first."""

import asyncio
import secrets
import signal
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import jwt
import uvicorn

from app.demo.database import (
    ADMIN_ID,
    API_LOGIN,
    DATABASE,
    DRIFTS,
    LOGIN,
    NO_DRIFT,
    OWNER,
    Drift,
    create_project,
    create_roles,
)
from app.demo.server import HOST, EmbeddedPostgres, free_port
from app.demo.ticker import Ticker
from app.errors import ConfigurationError
from app.main import configure_logging, create_app
from app.settings import Environment, LogFormat, LogLevel, Settings, load_settings

TOKEN_SECONDS = 12 * 60 * 60
NOTHING_TO_MEND = (
    "Nothing is wrong with this database. One that is: runner-diagnostics demo --drift two-migrations --port 8001"
)


def run_demo(*, port: int, drift: str | None) -> None:
    """Serve until interrupted. Raises ConfigurationError for an unknown drift, a taken port, or a failed start."""
    if drift is not None and drift not in DRIFTS:
        raise ConfigurationError(f"There is no drift of that name; there are: {', '.join(DRIFTS)}.")
    chosen = DRIFTS[drift] if drift is not None else NO_DRIFT
    _require_free(port)
    # Until uvicorn takes the signal over, it must not leave a database behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print("Starting a Postgres of its own ...", file=sys.stderr, flush=True)
    with EmbeddedPostgres() as server:
        now = datetime.now(UTC)
        asyncio.run(_prepare(server, chosen, now))
        settings = demo_settings(server)
        configure_logging(settings)
        service = DemoServer(
            uvicorn.Config(
                create_app(settings), host=HOST, port=port, http="h11", log_config=None, server_header=False
            ),
            _first_steps(settings, port, chosen, server),
            Ticker(server.url(API_LOGIN), since=now),
        )
        try:
            service.run()
        except KeyboardInterrupt:
            # uvicorn raises the signal again once it has shut down; for the demo, Ctrl-C is the normal end.
            print("Stopped.", file=sys.stderr)


def demo_settings(server: EmbeddedPostgres, database: str = DATABASE) -> Settings:
    """Settings for a demo database, with secrets made for this one start. No `.env` file is read."""
    return load_settings(
        env_file=None,
        database_url=server.url(LOGIN, database),
        supabase_jwt_secret=secrets.token_urlsafe(48),
        environment=Environment.DEVELOPMENT,
        log_format=LogFormat.CONSOLE,
        log_level=LogLevel.WARNING,
    )


def admin_token(settings: Settings, *, now: float) -> str:
    """A token as Supabase issues it, for the demo's admin: by the profile, without a claim. `now` is Unix time."""
    secret = settings.supabase_jwt_secret
    if secret is None:
        raise ConfigurationError("There is no secret to sign a token with.")
    claims = {
        "sub": ADMIN_ID,
        "aud": settings.jwt_audience,
        "role": "authenticated",
        "iat": int(now),
        "exp": int(now) + TOKEN_SECONDS,
        "app_metadata": {"provider": "email"},
        "user_metadata": {},
    }
    return jwt.encode(claims, secret.get_secret_value(), algorithm="HS256")


class DemoServer(uvicorn.Server):
    """A server that says what to try once it listens, and a runner beside it for as long as it runs."""

    def __init__(self, config: uvicorn.Config, announcement: str, ticker: Ticker) -> None:
        super().__init__(config)
        self._announcement = announcement
        self._ticker = ticker

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ticking = asyncio.create_task(self._ticker.run())
        print(self._announcement, flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ticking.cancel()
        await super().shutdown(sockets)


async def _prepare(server: EmbeddedPostgres, drift: Drift, now: datetime) -> None:
    await create_roles(server)
    await create_project(server, drift=drift, active_until=now)


def _first_steps(settings: Settings, port: int, drift: Drift, server: EmbeddedPostgres) -> str:
    """What to paste. Each line that asks over HTTP works by itself, in any shell and with nothing set."""
    address = f"http://{HOST}:{port}"
    token = admin_token(settings, now=time.time())
    asking = f"curl -H 'Authorization: Bearer {token}'"
    folders = f"{Path(sys.executable).parent}:{server.program('psql').parent}"
    return f"""
Runner diagnostics is serving on {address}: {drift.about}.

Open {address} and sign in with this admin's token, good for twelve hours:
{token}

For the command line, set once in another terminal:
export PATH="$PATH:{folders}"
export DATABASE_URL='{settings.database_url.get_secret_value()}'

Is the schema right, does the runner tick, and what did it last do?
runner-diagnostics check
runner-diagnostics status
runner-diagnostics ticks --limit 20

{_mending(server) if drift is not NO_DRIFT else NOTHING_TO_MEND}

The same over HTTP. The database answers:
curl -i {address}/healthz
The report on the schema, as text; then as JSON, read anew:
{asking} -H 'Accept: text/plain' {address}/api/runner/schema
{asking} '{address}/api/runner/schema?refresh=true'
The fix as SQL; 204 where there is nothing to mend:
{asking} -i {address}/api/runner/schema/fix
Whether the runner ticks, as text:
{asking} -H 'Accept: text/plain' {address}/api/runner/status
The newest ticks:
{asking} '{address}/api/runner/tick-runs?limit=20'
What the page copies, and what docs/api.md shows, takes these two:
export BASE={address} TOKEN={token}

Ctrl-C stops it and removes the database."""


def _mending(server: EmbeddedPostgres) -> str:
    return f"""To mend what check finds: write the fix, read it, apply it, and check again. Where a
person must decide, fix writes no file but prints why, with SQL to start from for psql.
The owner of the tables applies it, whose login only a demo hands out:
export OWNER_URL='{server.url(OWNER)}'
runner-diagnostics fix --output fix
for file in fix/*.sql; do psql "$OWNER_URL" -q -v ON_ERROR_STOP=1 -f "$file"; done
runner-diagnostics check"""


def _require_free(port: int) -> None:
    """Found out before the database is made, not after."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigurationError(
                f"Port {port} is in use; choose another: make demo ARGS='--port {free_port()}', or --port by itself."
            ) from error
