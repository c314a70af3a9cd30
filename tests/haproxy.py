"""A real HAProxy with the configuration that `deploy/` offers."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.demo.server import HOST, free_port

PROGRAM = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")
CONFIGURATION = Path(__file__).parent.parent / "deploy/haproxy.cfg"


@dataclass(frozen=True, slots=True)
class HAProxy:
    """Ports of loopback: for clients, and for the host's own probes."""

    port: int
    probes_port: int


@contextmanager
def running_haproxy(
    service_port: int, folder: Path, *, listen: str = "", configuration: Path = CONFIGURATION
) -> Iterator[HAProxy]:
    """With what else `bind` is told, in front of a port of loopback."""
    if PROGRAM is None:
        reason = "HAProxy (Debian's haproxy) is not installed"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)  # Only outside CI: .ci/run installs it.
    proxy, log = HAProxy(free_port(), free_port()), folder / "haproxy.log"
    environment = {
        "LISTEN": f"{HOST}:{proxy.port} {listen}".strip(),
        "SERVICE": f"{HOST}:{service_port}",
        "PROBES": f"{HOST}:{proxy.probes_port}",
    }
    with log.open("wb") as written:
        process = subprocess.Popen(
            [PROGRAM, "-db", "-f", configuration], stdout=written, stderr=written, env=environment
        )
    try:
        _await_listening(process, proxy.port, log)
        yield proxy
    finally:
        process.terminate()
        process.wait(10)


def _await_listening(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + 10
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.02)
