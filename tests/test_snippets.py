"""Every block of code in the documents is run as it stands, or read by whoever it is written for.

`ELSEWHERE` is all that is not run here, with the reason: a new line in a document runs, or is added there.
"""

import asyncio
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.api.service import PROBE, claimed, serving_project
from tests.databases import Project
from tests.promtool import promtool
from tests.test_cli import BARE, PROGRAM

ROOT = Path(__file__).parent.parent
NO_DAEMON = (
    "Docker's daemon is not to be had in a test; tests/test_documents.py reads the Dockerfile and the compose file"
)
ELSEWHERE = {
    "make demo": "tests/demo/test_demo.py runs it and every line that it prints",
    "make test": "it runs this",
    "supabase db push": "tests/postgres/test_fix_tools.py, with the Supabase CLI",
    "runner-diagnostics ticks --follow": "it goes on until Ctrl-C: tests/test_cli_ticks.py",
    "runner-diagnostics serve": "it goes on until it is stopped: tests/test_cli.py",
    'runner-diagnostics serve --host 0.0.0.0 --port "$PORT"': "the same, and a test listens on loopback alone",
    "haproxy -f deploy/haproxy.cfg": "the same: tests/api/test_proxied.py",
    "runner-diagnostics demo": "it is what make demo runs",
    "docker compose up --build --wait": NO_DAEMON,
    "docker build --tag runner-diagnostics .": NO_DAEMON,
    "docker run --rm --env-file .env --publish 8000:8000 runner-diagnostics": NO_DAEMON,
}
# How others are read: tests/test_documents.py applies the SQL of a login and reads two of the YAML blocks, the third is
# below; tests/partitioned.py applies the SQL that partitions.
READ = {
    ("README.md", "sql"): 1,
    ("docs/deployment.md", "sql"): 3,
    ("docs/deployment.md", "yaml"): 2,
    ("docs/ci.md", "yaml"): 1,
}


class Block(NamedTuple):
    document: str
    language: str
    text: str


def blocks() -> list[Block]:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return [
        Block(str(document.relative_to(ROOT)), language, text)
        for document in sorted(documents)
        for language, text in re.findall(r"^```(\w+)\n(.*?)^```$", document.read_text(), re.DOTALL | re.MULTILINE)
    ]


def lines() -> list[str]:
    """The commands of all documents, once each and without the remark behind them."""
    shown = [line for block in blocks() if block.language == "sh" for line in block.text.splitlines()]
    return list(dict.fromkeys(re.sub(r"\s+# .*", "", line) for line in shown if line.strip()))


def test_every_block_is_run_or_read_and_no_exception_is_left_over() -> None:
    others = [(block.document, block.language) for block in blocks() if block.language != "sh"]
    assert {key: others.count(key) for key in others} == READ
    assert set(ELSEWHERE) <= set(lines())


async def in_shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """As a reader runs it, with the programs of this environment found."""
    given = {**BARE, "PATH": f"{PROGRAM.parent}:{BARE['PATH']}", **environment}
    return await asyncio.to_thread(
        lambda: subprocess.run(
            ["sh", "-c", line], check=False, capture_output=True, text=True, timeout=60, cwd=folder, env=given
        )
    )


@pytest.mark.usefixtures("ticking")
@pytest.mark.parametrize("line", [line for line in lines() if not line.startswith("curl") and line not in ELSEWHERE])
async def test_a_command_in_a_document_runs(project: Project, tmp_path: Path, line: str) -> None:
    finished = await in_shell(line, tmp_path, DATABASE_URL=project.url())
    assert finished.returncode == 0, finished.stderr


@pytest.mark.usefixtures("ticking")
@pytest.mark.parametrize("line", [line for line in lines() if line.startswith("curl")])
async def test_a_call_in_a_document_is_answered(project: Project, tmp_path: Path, line: str) -> None:
    endless = "/stream" in line
    with serving_project(project, probe_token=PROBE) as service:
        given = {"BASE": service.url, "TOKEN": claimed(), "PROBE_TOKEN": PROBE}
        finished = await in_shell(f"{line} -fsS --max-time {2 if endless else 20}", tmp_path, **given)
    # 28 is the end of curl's patience.
    assert finished.returncode == (28 if endless else 0), finished.stdout + finished.stderr
    assert finished.stdout or "/fix" in line


def test_prometheus_reads_the_settings_that_are_shown(tmp_path: Path) -> None:
    (shown,) = (block.text for block in blocks() if block.language == "yaml" and "scrape_configs" in block.text)
    (tmp_path / "prometheus.yml").write_text(shown)
    (tmp_path / "alerts.yml").write_text((ROOT / "deploy/alerts.yml").read_text())
    # The credentials' file is on the reader's machine.
    finished = promtool("check", "config", "--syntax-only", tmp_path / "prometheus.yml")
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_make_knows_the_targets_that_are_shown() -> None:
    shown = sorted({line.split()[1] for line in lines() if line.startswith("make ")})
    finished = subprocess.run(["make", "--dry-run", *shown], check=False, capture_output=True, text=True, cwd=ROOT)
    assert finished.returncode == 0, finished.stderr
