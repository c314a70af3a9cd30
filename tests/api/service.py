"""The service as its callers have it: uvicorn on a port of loopback, in a thread of its own."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import uvicorn

from app.demo.database import ADMIN_ID
from app.demo.server import HOST, free_port
from app.main import create_app
from app.settings import Settings
from tests.databases import SECRET, Project

USER_ID = "00000000-0000-4000-8000-000000000002"
# httpx reads all of its certificates for every request that brings none, even where nothing is encrypted.
UNUSED = ssl.create_default_context()
PROBE = "a-probe-token-only-for-tests-0123456789"


def token(secret: str = SECRET, algorithm: str = "HS256", **claims: object) -> str:
    """A token like Supabase's, for the demo's admin; a claim that is None is left out."""
    now = int(time.time())
    given: dict[str, Any] = {
        "sub": ADMIN_ID,
        "aud": "authenticated",
        "role": "authenticated",
        "iat": now,
        "exp": now + 3600,
        "app_metadata": {"provider": "email"},
        **claims,
    }
    payload = {name: value for name, value in given.items() if value is not None}
    return jwt.encode(payload, secret, algorithm=algorithm)


def claimed(**claims: Any) -> str:  # noqa: ANN401 - claims of any type, and the arguments of `token`
    """An admin by claim, so that no profile is read."""
    return token(app_metadata={"role": "admin"}, **claims)


def ended() -> str:
    """An admin by claim whose token ended a moment ago: it is taken for some seconds longer, and a stream for which it
    is taken ends at once, too.
    """
    return claimed(exp=int(time.time()) - 2)


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


@dataclass(frozen=True)
class Service:
    url: str

    def get(self, path: str, credential: str | None = None, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's
        headers = {**(bearer(credential) if credential else {}), **options.pop("headers", {})}
        method = options.pop("method", "GET")
        return httpx.request(method, self.url + path, headers=headers, timeout=20, verify=UNUSED, **options)


@contextmanager
def serving(settings: Settings) -> Iterator[Service]:
    port = free_port()
    config = uvicorn.Config(create_app(settings), host=HOST, port=port, http="h11", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive(), "the service did not start"
            assert time.monotonic() < deadline, "the service did not start in time"
            time.sleep(0.01)
        yield Service(f"http://{HOST}:{port}")
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the service did not stop"


@contextmanager
def serving_project(project: Project, **overrides: object) -> Iterator[Service]:
    with serving(project.settings(**{"report_cache_ms": 0, **overrides})) as service:
        yield service
