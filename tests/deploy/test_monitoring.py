"""What `deploy/` hands to Prometheus and Grafana: it fires as it says, and asks for metrics that exist."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.service import PROBE, serving_project
from tests.api.test_metrics import METRICS, Samples, samples
from tests.databases import Project
from tests.promtool import promtool

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
ALERTS: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
SELECTOR = re.compile(r"\brunner_diagnostics_(\w+)(?:\{([^}]*)\})?")


def test_the_rules_are_sound() -> None:
    finished = promtool("check", "rules", DEPLOY / "alerts.yml")
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_each_alert_fires_when_it_should_and_none_while_all_is_well() -> None:
    finished = promtool("test", "rules", DEPLOY / "alerts_test.yml")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    tests = yaml.safe_load((DEPLOY / "alerts_test.yml").read_text())["tests"]
    fired = {one["alertname"] for test in tests for one in test.get("alert_rule_test", ()) if one["exp_alerts"]}
    assert fired == {alert["alert"] for alert in ALERTS}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_that_is_deaf_fails_its_unit_tests(alert: dict[str, Any], tmp_path: Path) -> None:
    """And so does one that always fires: the tests look at each of them both ways."""
    for expression in ("vector(0) > 1", "vector(1)"):
        rules = [{**one, "expr": expression} if one is alert else one for one in ALERTS]
        group = {"name": "runner-diagnostics", "rules": rules}
        (tmp_path / "alerts.yml").write_text(yaml.safe_dump({"groups": [group]}))
        (tmp_path / "alerts_test.yml").write_text((DEPLOY / "alerts_test.yml").read_text())
        assert promtool("test", "rules", tmp_path / "alerts_test.yml").returncode == 1


@pytest.mark.usefixtures("ticking")
async def test_alerts_and_the_dashboard_ask_only_for_metrics_and_labels_that_a_scrape_has(project: Project) -> None:
    with serving_project(project, probe_token=PROBE) as service:
        await asyncio.to_thread(service.get, "/livez")
        found = samples((await asyncio.to_thread(service.get, METRICS, PROBE)).text)
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    for expression in (*(alert["expr"] for alert in ALERTS), *panels):
        selectors = SELECTOR.findall(expression)
        assert selectors, expression
        for name, matchers in selectors:
            wanted = frozenset(re.findall(r'(\w+)="([^"]*)"', matchers))
            assert _exists(found, name, wanted), f"{name} {matchers}"


def _exists(found: Samples, name: str, wanted: frozenset[tuple[str, str]]) -> bool:
    return any(one == name and wanted <= labels for one, labels in found)


def test_panels_have_numbers_and_places_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells
        assert panel["description"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_each_panels_query_can_be_read(tmp_path: Path) -> None:
    """By Prometheus' own parser, as rules that record them."""
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m").replace("$job", ".+")}
        for number, expression in enumerate(expressions)
    ]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    finished = promtool("check", "rules", tmp_path / "panels.yml")
    assert finished.returncode == 0, finished.stdout + finished.stderr
