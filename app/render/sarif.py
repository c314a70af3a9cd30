"""The schema report as SARIF 2.1.0, which code scanning shows and follows from run to run."""

import json
from collections.abc import Iterable
from typing import Any

from app.contract.check import Check, Outcome
from app.contract.identifiers import printable
from app.diagnostics import SchemaReport
from app.render.text import exit_code, findings

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
# A finding is in a database and in no file; where none is named, code scanning refuses it. The fix will be there.
PLACE = "supabase/migrations"


def sarif_json(report: SchemaReport) -> str:
    """A result for what failed or could not be checked, the worst first; a rule for each check that was made."""
    found = findings(report.checks)
    rules = {check.key: number for number, check in enumerate(report.checks)}
    log = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "runner-diagnostics", "rules": list(_rules(report.checks))}},
                "automationDetails": {"id": f"runner-diagnostics/{printable(report.database.schema)}/"},
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "exitCode": exit_code(report.conformant),
                        "endTimeUtc": f"{report.checked_at:%Y-%m-%dT%H:%M:%SZ}",
                    }
                ],
                "columnKind": "unicodeCodePoints",
                "results": [_result(check, rules[check.key], report.database.schema) for check in found],
                "properties": {"conformant": report.conformant, "contract": report.contract.digest},
            }
        ],
    }
    return json.dumps(log, indent=2) + "\n"


def _rules(checks: Iterable[Check]) -> Iterable[dict[str, Any]]:
    for check in checks:
        yield {
            "id": check.key,
            "shortDescription": {"text": f"{check.key}: {printable(check.expected)}"},
            "defaultConfiguration": {"level": check.severity.value},
        }


def _result(check: Check, rule: int, schema: str) -> dict[str, Any]:
    """What could not be checked is `open`, which takes no level (SARIF 2.1.0, 3.27.10)."""
    failed = check.outcome is Outcome.FAIL
    words = (check.message, f"Next: {check.hint}" if check.hint is not None else None)
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": PLACE}, "region": {"startLine": 1}},
    }
    if check.table is not None:
        location["logicalLocations"] = [{"fullyQualifiedName": printable(f"{schema}.{check.table}"), "kind": "object"}]
    return {
        "ruleId": check.key,
        "ruleIndex": rule,
        "kind": "fail" if failed else "open",
        "level": check.severity.value if failed else "none",
        "message": {"text": " ".join(printable(word) for word in words if word is not None)},
        "locations": [location],
        "partialFingerprints": {"check/v1": check.key},
    }
