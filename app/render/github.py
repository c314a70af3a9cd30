"""The schema report as workflow commands, which GitHub Actions shows as annotations of a run.

Every line is a command: GitHub obeys commands of an older form anywhere in a line of plain text, and that text may come
from the database.
"""

from app.contract.check import Check, Severity
from app.contract.identifiers import printable
from app.diagnostics import SchemaReport
from app.render.text import findings, label, summary_line

ESCAPES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
ESCAPES_IN_TITLES = {**ESCAPES, **str.maketrans({":": "%3A", ",": "%2C"})}


def github_commands(report: SchemaReport) -> str:
    """An error or a warning for each finding, the worst first (a step shows ten of a kind), and a notice of how many.

    What could not be checked is as bad as its failure would be: it keeps the database from conforming, too.
    """
    lines = [_command(check.severity.value, f"{label(check)} {check.key}", _words(check)) for check in _worst(report)]
    return "".join([*lines, _command("notice", "Runner diagnostics", summary_line(report))])


def _worst(report: SchemaReport) -> list[Check]:
    return sorted(findings(report.checks), key=lambda check: check.severity is not Severity.ERROR)


def _words(check: Check) -> str:
    expected = f"Expected: {printable(check.expected)}. Actual: {printable(check.actual)}." if check.actual else None
    hint = f"Next: {printable(check.hint)}" if check.hint is not None else None
    return "\n".join(line for line in (printable(check.message), expected, hint) if line is not None)


def _command(kind: str, title: str, message: str) -> str:
    return f"::{kind} title={printable(title).translate(ESCAPES_IN_TITLES)}::{message.translate(ESCAPES)}\n"
