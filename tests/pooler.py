"""A real PgBouncer in front of a cluster, as strict as it comes: it refuses start-up parameters it does not know."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from app.demo.database import LOGINS
from app.demo.server import HOST, SUPERUSER, EmbeddedPostgres, free_port
from app.settings import Settings
from tests.databases import Project

PROGRAM = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
# How many sessions it has at the server for each database: enough for two services where each client keeps one for
# itself, and too few for one service where clients take turns.
MODES = {"session": 20, "transaction": 3}

# It passes the start-up parameters it tracks and no other. How long it holds a failed login against the server is the
# one thing that is shorter than by default (15 s), for the sake of the tests' time.
CONFIGURATION = """
[databases]
* = host={host} port={there}
[pgbouncer]
listen_addr = {host}
listen_port = {here}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {directory}/users
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 200
server_login_retry = 1
"""


class PgBouncer:
    """A context manager; leaving it stops the pooler. The port stays the same when it is stopped and started."""

    def __init__(self, cluster: EmbeddedPostgres, mode: str) -> None:
        self.port = free_port()
        self._directory = Path(tempfile.mkdtemp(prefix="runner-diagnostics-pooler-"))
        configuration = CONFIGURATION.format(
            host=HOST, there=cluster.port, here=self.port, mode=mode, size=MODES[mode], directory=self._directory
        )
        (self._directory / "configuration").write_text(configuration)
        users = [f'"{user}" "{cluster.password}"\n' for user in (SUPERUSER, *LOGINS)]
        (self._directory / "users").write_text("".join(users))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()
        shutil.rmtree(self._directory)

    def start(self) -> None:
        assert PROGRAM is not None
        # Like Postgres it refuses to run as root. Any user does that may read the two files.
        user = None
        if os.geteuid() == 0:
            user = "nobody"
            for path in (self._directory, *self._directory.iterdir()):
                shutil.chown(path, user)
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "--quiet", self._directory / "configuration"], user=user, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 10
        while not self._listens():
            assert self._process.poll() is None, (self._directory / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def stop(self) -> None:
        """At once: every client's connection ends."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)
            self._process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0


@contextmanager
def running_pooler(cluster: EmbeddedPostgres, mode: str) -> Iterator[PgBouncer]:
    if PROGRAM is None:
        reason = "PgBouncer (Debian's pgbouncer) is not installed"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)  # Only outside CI: .ci/run installs it.
    with ExitStack() as stack:
        yield stack.enter_context(PgBouncer(cluster, mode))


@dataclass(frozen=True)
class PooledProject(Project):
    """A database that the service reaches through a pooler, and the tests directly."""

    pooler: PgBouncer
    mode: str

    def pooled_url(self) -> str:
        return self.url().replace(f":{self.cluster.port}/", f":{self.pooler.port}/")

    def settings(self, **overrides: object) -> Settings:
        return super().settings(**{"database_url": self.pooled_url(), **overrides})
