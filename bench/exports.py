"""What the largest export costs in memory, by the kernel's account of the process that serves it."""

import os
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import httpx

from app.demo.server import HOST
from bench.kept import LARGEST, KeptTicks
from bench.stage import admin_token, service

MEGABYTE = 1_000_000
AIM = 20
PATH = "/api/runner/tick-runs"
LONGEST_SECONDS = 90


def measure_export(ticks: KeptTicks) -> str:
    """A sentence: how much the peak of resident memory grows from an export of a few ticks to one of 100,000."""
    settings = ticks.settings(LARGEST)
    secret = settings.supabase_jwt_secret
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "SUPABASE_JWT_SECRET": secret.get_secret_value() if secret is not None else "",
    }
    with (
        tempfile.TemporaryDirectory() as directory,
        patch.dict(os.environ, environment, clear=True),
        service("app.main:app", Path(directory)) as (port, process),
        httpx.Client(
            base_url=f"http://{HOST}:{port}",
            headers={"Authorization": f"Bearer {admin_token(settings)}", "Accept": "text/csv"},
            timeout=LONGEST_SECONDS,
            trust_env=False,
        ) as client,
    ):
        newest = client.get(PATH, headers={"Accept": "application/json"}, params={"limit": 1}).json()["tickRuns"][0]
        client.get(PATH, params={"since": newest["scheduled_at"]}).raise_for_status()
        before, began, lines = _peak(process), time.perf_counter(), 0
        with client.stream("GET", PATH) as answer:
            for part in answer.raise_for_status().iter_bytes():
                lines += part.count(b"\n")
        seconds, grown = time.perf_counter() - began, (_peak(process) - before) / MEGABYTE
    verdict = "met" if grown < AIM else "MISSED"
    # Beside the ticks there are a head and, where more would follow, the cap.
    return f"{lines - 2:,} ticks as CSV in {seconds:.1f} s grew memory by {grown:.1f} MB (aim: < {AIM} MB, {verdict})."


def _peak(process: int) -> int:
    """The most bytes of memory that a process has had at once."""
    (line,) = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024
