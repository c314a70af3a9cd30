"""The service as an operator has it: `serve` in a process of its own, with a log, ended by a signal."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from app.demo.server import HOST, free_port
from tests.api.service import PROBE, UNUSED, bearer, claimed
from tests.databases import SECRET

ROOT = Path(__file__).parent.parent.parent
PATH = "/api/runner/schema"
# How long after a fault the service may still suffer of it, on a busy machine; its probe's memory is a second.
RECOVERY_SECONDS = 8
# What a busy machine may add to a promised time.
SLACK_SECONDS = 1.0


class ServiceProcess:
    """Can be started again after it was stopped, on the same port and with the same log.

    `open_files` is how many files it may have open at its start; with None as many as this process.
    """

    def __init__(
        self,
        folder: Path,
        database_url: str,
        *,
        timeout_seconds: float = 2,
        open_files: int | None = None,
        **environment: str,
    ) -> None:
        self.port = free_port()
        self.log = folder / f"log-{self.port}"
        self._folder = folder
        self._timeout_seconds = timeout_seconds
        self._open_files = open_files
        self._process: subprocess.Popen[bytes] | None = None
        self._client: httpx.Client | None = None
        self._environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": database_url,
            "DATABASE_TIMEOUT_MS": str(round(timeout_seconds * 1000)),
            "SUPABASE_JWT_SECRET": SECRET,
            "PROBE_TOKEN": PROBE,
            "REPORT_CACHE_MS": "0",
            "LOG_LEVEL": "DEBUG",
            **environment,
        }

    @property
    def id(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, *arguments: str) -> None:
        limited = [] if self._open_files is None else ["prlimit", f"--nofile={self._open_files}:"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*limited, sys.executable, "-m", "app.cli", "serve", "--port", str(self.port), *arguments],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=self._environment,
            )
        self._client = httpx.Client(base_url=f"http://{HOST}:{self.port}", timeout=20, verify=UNUSED)
        eventually(self._answers, within=60)

    def signal(self, number: int = signal.SIGTERM) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, seconds: float = 10) -> int:
        """The exit code."""
        assert self._process is not None
        code = self._process.wait(seconds)
        if self._client is not None:
            self._client.close()
        return code

    def stop(self) -> None:
        if self._process is not None:
            self.signal()
            self.wait(15)

    def get(self, path: str, credential: str | None = None, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's
        """An answer, within the time that every request of this service is promised to take."""
        assert self._client is not None
        headers = {**(bearer(credential) if credential else {}), **options.pop("headers", {})}
        started = time.monotonic()
        answer = self._client.get(path, headers=headers, **options)
        took = time.monotonic() - started
        promised = 1.5 if path in ("/livez", "/healthz", "/readyz") else self._timeout_seconds + SLACK_SECONDS
        assert took < promised, f"{path} took {took:.2f} s"
        return answer

    @contextmanager
    def streaming(self, path: str, credential: str | None = None, **headers: str) -> Iterator[httpx.Response]:
        """An answer whose head came in time, and whose body is still to be read."""
        given = {**bearer(credential or claimed()), **headers}
        started = time.monotonic()
        with httpx.stream(
            "GET", f"http://{HOST}:{self.port}{path}", headers=given, timeout=20, verify=UNUSED
        ) as answer:
            assert time.monotonic() - started < self._timeout_seconds + SLACK_SECONDS
            yield answer

    def report(self, credential: str = PROBE, **parameters: str) -> httpx.Response:
        return self.get(PATH, credential, params={"refresh": "true", **parameters})

    def healthy(self) -> bool:
        assert self.get("/livez").status_code == 200
        answer = self.get("/healthz")
        assert (answer.status_code, answer.json()) in ((200, {"status": "pass"}), (503, {"status": "fail"}))
        return answer.status_code == 200

    def sick(self) -> bool:
        """Alive and not healthy."""
        return not self.healthy()

    def conforms(self) -> bool:
        answer = self.report()
        return answer.status_code == 200 and bool(answer.json()["conformant"])

    def whole(self) -> bool:
        return self.healthy() and self.conforms()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        assert self._client is not None
        try:
            return self._client.get("/livez").status_code == 200
        except httpx.TransportError:
            return False


def events(answer: httpx.Response) -> Iterator[tuple[str, Any]]:
    """The name and data of each event of a stream."""
    name = "message"
    for line in answer.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)
            name = "message"


def eventually(holds: Callable[[], bool], *, within: float) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold in time"
        time.sleep(0.05)


def out_of_reach(answer: httpx.Response, code: str = "database_unavailable") -> bool:
    """The problem that says so, whole: callers build on each of these."""
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"]
    assert (answer.status_code, body["status"], body["ok"]) == (503, 503, False)
    return bool(body["code"] == code)


@contextmanager
def serving_process(service: ServiceProcess, *arguments: str) -> Iterator[ServiceProcess]:
    try:
        service.start(*arguments)
        yield service
    finally:
        service.stop()


def assert_tells_nothing(log: Path, *secrets: str) -> None:
    """Every line is JSON, and none holds a secret, a token, a URL with a login, or a statement of ours."""
    text = log.read_text()
    assert text
    for line in text.splitlines():
        json.loads(line)
    for secret in secrets:
        assert secret not in text
    for trace in ("postgresql://", "eyJ", "pg_catalog", "Traceback"):
        assert trace not in text, next(line for line in text.splitlines() if trace in line)
