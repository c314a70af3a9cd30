"""The OpenAPI document is exact: schemathesis finds no answer that differs from it, whoever calls and whatever is wrong
with the database. What it looks for is in `schemathesis.toml` and `openapi_hooks.py`.
"""

from pathlib import Path

import pytest
from click.testing import CliRunner
from schemathesis.cli import schemathesis

from app.demo.server import HOST, free_port
from tests.api.process import ServiceProcess, serving_process
from tests.databases import Project

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
# Without the many cases that are made for each parameter one by one.
BRIEF = "--phases=fuzzing"


def service_of(database_url: str, folder: Path) -> ServiceProcess:
    return ServiceProcess(folder, database_url, ENVIRONMENT="development", REPORT_CACHE_MS="2000")


def assert_exact(service: ServiceProcess, *options: str, caller: str = "admin") -> None:
    document = f"http://{HOST}:{service.port}/openapi.json"
    found = CliRunner(env={"CALLER": caller}).invoke(
        schemathesis, [f"--config-file={CONFIGURATION}", "run", document, *options]
    )
    assert found.exit_code == 0, found.output
    assert "No issues found" in found.output


def test_every_answer_is_as_documented(project: Project, tmp_path: Path) -> None:
    with serving_process(service_of(project.url(), tmp_path)) as service:
        assert_exact(service)
        # That most are refused is what schemathesis would warn of.
        assert_exact(service, BRIEF, "--warnings=off", caller="others")


@pytest.mark.parametrize("template", ["two_migrations", "nothing"])
def test_every_answer_is_as_documented_where_the_database_lacks_tables(project: Project, tmp_path: Path) -> None:
    with serving_process(service_of(project.url(), tmp_path)) as service:
        assert_exact(service, BRIEF)


def test_every_answer_is_as_documented_without_a_database(tmp_path: Path) -> None:
    with serving_process(service_of(f"postgresql://{HOST}:{free_port()}/x", tmp_path)) as service:
        assert_exact(service, BRIEF)
