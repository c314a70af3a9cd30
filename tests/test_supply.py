"""What the product is made of: audited, or said not to be, and listed on request."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
AUDIT = ROOT / "requirements" / "audit.py"
LOCKED = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements/runtime.lock").read_text(), re.MULTILINE))

FINE = {"name": "fine", "version": "1", "vulns": []}
SKIPPED = {"name": "skipped", "skip_reason": "Dependency not found on PyPI and could not be audited: skipped (1)"}
FLAWED = {"name": "flawed", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"], "aliases": []}]}


@pytest.mark.parametrize(
    ("packages", "wrong", "unknown"),
    [
        ([FINE], 0, 0),
        ([FINE, FLAWED], 1, 0),
        ([FINE, SKIPPED], 0, 1),
        ([FLAWED, SKIPPED], 1, 1),
        ([], 0, 1),
        (None, 0, 1),
    ],
)
def test_what_was_not_looked_up_is_never_called_fine(
    packages: list[dict[str, Any]] | None, wrong: int, unknown: int
) -> None:
    found = runpy.run_path(str(AUDIT))["judged"](packages)
    assert (len(found[0]), len(found[1])) == (wrong, unknown)


@pytest.mark.parametrize(("arguments", "code"), [([], 1), (["--lenient"], 0)])
def test_without_a_network_it_says_that_nothing_was_audited(arguments: list[str], code: int) -> None:
    nowhere = {**os.environ, "https_proxy": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1"}
    finished = subprocess.run(
        [sys.executable, AUDIT, *arguments], env=nowhere, capture_output=True, text=True, check=False
    )
    assert "NOT AUDITED" in finished.stdout
    assert "no known vulnerability" not in finished.stdout
    assert finished.returncode == code


def test_the_bill_of_materials_lists_what_is_in_the_image(tmp_path: Path) -> None:
    """The command is the Makefile's own."""
    (line,) = re.findall(r"^\t(\$\(BIN\)/cyclonedx-py .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    file = tmp_path / "sbom.json"
    command = line.replace("$(BIN)", str(Path(sys.executable).parent)).replace("sbom.json", str(file)).split()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    bill = json.loads(file.read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "runner-diagnostics"
    assert {component["name"] for component in bill["components"]} == LOCKED
    assert all(component["purl"].startswith("pkg:pypi/") for component in bill["components"])
