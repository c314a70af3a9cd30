"""Prometheus' own tool, from Debian's `prometheus`."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def promtool(*arguments: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run it, with a text as its standard input."""
    program = shutil.which("promtool")
    if program is None:
        reason = "promtool (Debian's prometheus) is not installed"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)  # Only outside CI: .ci/run installs it.
    return subprocess.run([program, *arguments], check=False, capture_output=True, text=True, input=given)
