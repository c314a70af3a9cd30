"""What is measured, set up once: a database, our service on it, and the bare one beside it."""

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import asyncpg
import httpx
import jwt
import uvloop

from app.demo.database import ADMIN_ID, LOGIN, create_project, create_roles
from app.demo.server import HOST, EmbeddedPostgres, free_port
from app.settings import Settings, load_settings
from bench.bare import REPORT_VARIABLE

START_SECONDS = 20
STOP_SECONDS = 10
TOKEN_SECONDS = 60 * 60
CACHE_MS = 600_000  # Longer than all of this takes.

# The same for both services, and as `serve` has it; of the loops, uvicorn chooses this one.
UVICORN = ("--factory", "--host", HOST, "--loop", "uvloop", "--http", "h11")
# The code beside this, not what is installed: of a checkout, another may be.
ROOT = Path(__file__).parents[1]
HERE = ("--app-dir", str(ROOT))
QUIET = ("--no-access-log", "--no-server-header", "--log-level", "warning")


@dataclass(frozen=True, slots=True)
class Stage:
    """`directory` is an empty one, for programs to start in, so that none reads somebody's `.env` file."""

    settings: Settings
    directory: Path
    service_id: int
    service_port: int
    bare_port: int
    starlette_port: int
    asgi_port: int
    token: str
    report: bytes


@contextmanager
def set_stage() -> Iterator[Stage]:
    """Everything runs while inside, on loopback only, and is gone afterwards.

    So is all that the environment says otherwise: the same few settings go to every process, this one included.
    """
    with (
        tempfile.TemporaryDirectory() as files,
        tempfile.TemporaryDirectory() as empty,
        EmbeddedPostgres() as cluster,
        patch.dict(os.environ, _environment(cluster), clear=True),
    ):
        uvloop.run(_fill(cluster))
        settings, directory = load_settings(env_file=None), Path(empty)
        token = admin_token(settings)
        with run_service("app.main:app", directory) as service:
            report = _cached_report(service.port, token)
            file = Path(files) / "report.json"
            file.write_bytes(report)
            os.environ[REPORT_VARIABLE] = str(file)
            with (
                run_service("bench.bare:app", directory) as bare,
                run_service("bench.bare:starlette_app", directory) as starlette,
                run_service("bench.bare:asgi_app", directory, lifespan=False) as asgi,
            ):
                ports = (service.port, bare.port, starlette.port, asgi.port)
                yield Stage(settings, directory, service.process_id, *ports, token, report)


def _environment(cluster: EmbeddedPostgres) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "DATABASE_URL": cluster.url(LOGIN),
        "SUPABASE_JWT_SECRET": secrets.token_urlsafe(48),
        "REPORT_CACHE_MS": str(CACHE_MS),
    }


async def _fill(cluster: EmbeddedPostgres) -> None:
    await create_roles(cluster)
    await create_project(cluster)
    connection = await asyncpg.connect(cluster.url())
    try:
        # Otherwise the autovacuum that a new database gets would run in the middle of the measurements.
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()


def admin_token(settings: Settings) -> str:
    """An admin by the token's claim, so that no request asks the database who is calling."""
    if settings.supabase_jwt_secret is None:
        raise ValueError("these settings have no secret to sign a token with")
    now = int(time.time())
    claims = {
        "sub": ADMIN_ID,
        "aud": settings.jwt_audience,
        "role": "authenticated",
        "iat": now,
        "exp": now + TOKEN_SECONDS,
        "app_metadata": {"role": settings.admin_values[0]},
    }
    return jwt.encode(claims, settings.supabase_jwt_secret.get_secret_value(), algorithm="HS256")


@dataclass(frozen=True, slots=True)
class Service:
    port: int
    process_id: int


@contextmanager
def run_service(
    factory: str, directory: Path, environment: Mapping[str, str] | None = None, *, lifespan: bool = True
) -> Iterator[Service]:
    """One uvicorn process, with this process's environment if it is given no other, answering when this yields."""
    port = free_port()
    more = () if lifespan else ("--lifespan", "off")
    command = (sys.executable, "-m", "uvicorn", factory, *HERE, *UVICORN, *QUIET, *more, "--port", str(port))
    with _running(command, port, directory, environment) as service:
        yield service


@contextmanager
def run_serve(directory: Path, environment: Mapping[str, str]) -> Iterator[Service]:
    """The service as production has it, with its log of warnings on standard error."""
    port = free_port()
    command = (sys.executable, "-m", "app.cli", "serve", "--port", str(port))
    given = {"PYTHONPATH": str(ROOT), "LOG_LEVEL": "WARNING", **environment}
    with _running(command, port, directory, given) as service:
        yield service


@contextmanager
def _running(
    command: Sequence[str], port: int, directory: Path, environment: Mapping[str, str] | None
) -> Iterator[Service]:
    process = subprocess.Popen(command, cwd=directory, env=environment)
    try:
        _await_answer(process, port)
        yield Service(port, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_answer(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"A service ended with exit code {process.returncode} before it answered.")
        try:
            _get(port, "/livez")
        except httpx.TransportError:
            time.sleep(0.01)
        else:
            return
    raise RuntimeError(f"A service did not answer within {START_SECONDS} seconds.")


def _cached_report(port: int, token: str) -> bytes:
    """The report as the cache answers it, once a first request has filled it."""
    authorization = {"Authorization": f"Bearer {token}"}
    _get(port, "/api/runner/schema", authorization)
    return _get(port, "/api/runner/schema", authorization)


def _get(port: int, path: str, headers: Mapping[str, str] | None = None) -> bytes:
    # A proxy of the environment is no way to loopback.
    answer = httpx.get(f"http://{HOST}:{port}{path}", headers=headers, timeout=START_SECONDS, trust_env=False)
    return answer.raise_for_status().content


def megabytes(process_id: int, name: str) -> float:
    """What the kernel's account of a process has under a name: VmRSS what it holds, VmHWM the most that it held."""
    status = Path(f"/proc/{process_id}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024
