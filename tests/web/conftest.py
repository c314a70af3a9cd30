"""One browser for all tests here, and the demo as `make demo` serves it."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from app.demo.server import free_port
from tests.api.service import Service
from tests.web.reader import chromium

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Demo:
    """It runs, with a runner that ticks; `token` is the admin's that it prints."""

    service: Service
    token: str


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def demo(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    log = tmp_path_factory.mktemp("demo") / "log"
    port = free_port()
    with log.open("wb") as output:
        command = [sys.executable, "-m", "app.cli", "demo", "--port", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while "Ctrl-C" not in (said := log.read_text()):
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.1)
        token = re.search(r"^eyJ\S+$", said, re.MULTILINE)
        assert token is not None
        yield Demo(Service(f"http://127.0.0.1:{port}"), token.group())
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
