"""The schema report as JUnit XML, which every CI system shows: a suite for each table, a case for each check."""

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from app.contract.check import Check, Outcome, Severity
from app.contract.identifiers import printable
from app.diagnostics import SchemaReport
from app.render.text import by_table

NOT_DECISIVE = "skipped"


def junit_xml(report: SchemaReport) -> str:
    """It is red exactly when `check` does not exit with 0. JUnit knows no warnings: they are skipped, with a reason."""
    root = ET.Element("testsuites", {"name": "runner-diagnostics", **_counts(report.checks)})
    for name, checks in by_table(report.checks).items():
        about = {
            "name": printable(name),
            "skipped": str(sum(_element(check) == NOT_DECISIVE for check in checks)),
            "timestamp": f"{report.checked_at:%Y-%m-%dT%H:%M:%S}",
        }
        suite = ET.SubElement(root, "testsuite", {**about, **_counts(checks)})
        for check in checks:
            _case(suite, check)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
    return document.decode() + "\n"


def _case(suite: ET.Element, check: Check) -> None:
    case = ET.SubElement(suite, "testcase", classname=printable(check.table or "database"), name=printable(check.key))
    name = _element(check)
    if name is None:
        return
    kind = check.severity.value if check.outcome is Outcome.FAIL else check.outcome.value
    found = ET.SubElement(case, name, message=f"{kind}: {printable(check.message)}")
    if check.outcome is not Outcome.SKIPPED:
        words = {"expected": check.expected, "actual": check.actual, "next": check.hint}
        found.text = "\n".join(f"{word}: {printable(said)}" for word, said in words.items() if said is not None)


def _element(check: Check) -> str | None:
    """A failure, or an error where it could not be found out; None for what passed."""
    if check.outcome is Outcome.PASS:
        return None
    if check.outcome is Outcome.SKIPPED or check.severity is Severity.WARNING:
        return NOT_DECISIVE
    return "failure" if check.outcome is Outcome.FAIL else "error"


def _counts(checks: Iterable[Check]) -> dict[str, str]:
    elements = [_element(check) for check in checks]
    return {
        "tests": str(len(elements)),
        "failures": str(elements.count("failure")),
        "errors": str(elements.count("error")),
    }
