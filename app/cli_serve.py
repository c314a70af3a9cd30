"""`runner-diagnostics serve`: what is looked at once before the workers start, and how uvicorn runs them."""

import atexit
import os
import resource
import signal
import sys
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import NoReturn

import uvicorn

from app.contract.load import load_contract
from app.main import configure_logging
from app.settings import load_settings

# Every connection is an open file, and many systems let a program have 1024 unless it asks for more.
OPEN_FILES = 10_240
# Longer than pollers pause, and than proxies keep what is idle: whoever ends a connection first must not be us, or a
# request that is on its way just then is lost.
KEEP_ALIVE_SECONDS = 75


def run_service(*, host: str, port: int, workers: int) -> None:
    """Until a signal ends it. Raises ConfigurationError for settings that it could not do its work with."""
    # Looked at here once, so that a mistake is one line and exit code 2 instead of workers that die again and again.
    settings = load_settings()
    settings.require_serving()
    load_contract(settings.runner_contract)
    configure_logging(settings)
    # When it has shut down, uvicorn raises the signal once more for whoever had handled it before.
    signal.signal(signal.SIGTERM, _leave)
    _allow_connections()
    if workers > 1:
        _share_counts()
    # There is no limit_concurrency: it counts idle connections, too, and answers 503 to whoever comes next, probes
    # included. uvicorn waits for a request's head for ever, which only a proxy can mend (docs/deployment.md).
    uvicorn.run(
        "app.main:app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        # Unlike httptools, it bounds what it reads of a request's head: 64 KB.
        http="h11",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=8,
    )


def _leave(_signal: int, _frame: object) -> NoReturn:
    """To be asked to stop is no failure."""
    sys.exit(0)


def _allow_connections() -> None:
    """As far as the system lets it: out of files, no one is accepted any more, and the database is out of reach."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _share_counts() -> None:
    """Workers count requests in files of one folder, so that a scrape of any of them tells of all."""
    folder = TemporaryDirectory(prefix="runner-diagnostics-")
    atexit.register(folder.cleanup)
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", folder.name)
