"""Reports as text of at most 79 columns, for the terminal and for `Accept: text/plain`."""

import textwrap
from collections import Counter
from collections.abc import Iterable

from rich.text import Text

from app.contract.check import Check, Outcome, Severity
from app.contract.identifiers import printable
from app.diagnostics import SchemaReport

WIDTH = 79
MOST_LEFT = 5
LABEL = 11  # Columns of the glyph and the severity, and of the indent below them.

# Glyphs for a stdout that cannot show ours.
ASCII = str.maketrans({"✓": "+", "✗": "x", "·": "-", "…": "~", "■": "#", "▪": "=", "▨": "%", "□": "_"})

VERDICTS = {
    True: ("✓ CONFORMANT", "bold green"),
    False: ("✗ DRIFT", "bold red"),
    None: ("? UNKNOWN", "bold yellow"),
}
STYLES = {"error": "red", "warning": "yellow", "unknown": "yellow", "skipped": "dim"}
GLYPHS = {"error": "✗", "warning": "!", "unknown": "?", "skipped": "-"}


def exit_code(conformant: bool | None) -> int:
    """0 true, 1 false, 2 null."""
    return {True: 0, False: 1, None: 2}[conformant]


def schema_report_text(report: SchemaReport) -> Text:
    """The report as `check` prints it. `.plain` is the same without style."""
    text = Text()
    _head(text, report)
    found = findings(report.checks)
    for check in found:
        _finding(text, check)
    _skipped(text, report.checks)
    if found:
        text.append("\n")
    _table(text, report.checks)
    text.append(f"{summary_line(report)} Exit code {exit_code(report.conformant)}.\n")
    _fix(text, report)
    return text


def summary_line(report: SchemaReport) -> str:
    summary = report.summary
    return (
        f"{_count(summary.fail, 'error')}, {_count(summary.warning, 'warning')}, {summary.unknown} unknown,"
        f" {summary.passed} passed, {summary.skipped} skipped."
    )


def _fix(text: Text, report: SchemaReport) -> None:
    """How many of what failed the files of the fix mend, and by name what they leave to a person."""
    failed = [check.key for check in report.checks if check.outcome is Outcome.FAIL]
    left = [key for key in failed if key not in report.fix.mends]
    if len(left) < len(failed):
        text.append(f"A fix is ready that mends {_share(len(failed) - len(left), len(failed))}:\n")
        text.append("  runner-diagnostics fix --output supabase/migrations\n")
        if left:
            text.append(f"{_waiting(len(left))} for your decision, which the fix explains:\n")
    elif failed:
        text.append("What failed waits for your decision. To read why, and what to start from:\n")
        text.append("  runner-diagnostics fix\n")
        return
    for key in left[:MOST_LEFT]:
        text.append(f"  {printable(key)}\n")
    if len(left) > MOST_LEFT:
        text.append(f"  and {len(left) - MOST_LEFT} more\n")


def _share(mended: int, failed: int) -> str:
    if mended < failed:
        return f"{mended} of the {failed} failed checks"
    return "the failed check" if failed == 1 else f"all {failed} failed checks"


def _waiting(left: int) -> str:
    return "The other one waits" if left == 1 else f"The other {left} wait"


def _head(text: Text, report: SchemaReport) -> None:
    verdict, style = VERDICTS[report.conformant]
    database = report.database
    where = f"{database.schema} on {database.host} as {database.role or 'the login'}"
    # Distributors add words of their own: "15.18 (Debian 15.18-0+deb12u1)".
    version = (database.server_version or "?").split()[0]
    line = printable(" · ".join([f"{verdict}  {where}", f"PG {version}", f"{report.duration_ms} ms"]))
    text.append(textwrap.fill(line, WIDTH, subsequent_indent="  ", break_long_words=False) + "\n\n")
    text.stylize(style, 0, len(verdict))


def findings(checks: Iterable[Check]) -> list[Check]:
    """Errors, then warnings, then unknowns, each in the order of the contract."""
    order = ("error", "warning", "unknown")
    return sorted((check for check in checks if label(check) in order), key=lambda check: order.index(label(check)))


def label(check: Check) -> str:
    """What a finding is called: error, warning, unknown or skipped."""
    return check.severity.value if check.outcome is Outcome.FAIL else check.outcome.value


def _finding(text: Text, check: Check) -> None:
    name = label(check)
    text.append(f"{GLYPHS[name]} {name:<9}", STYLES[name])
    text.append(printable(check.key) + "\n", "bold")
    lines = {"expected": check.expected, "actual": check.actual, "why": check.message, "next": check.hint}
    if check.outcome is Outcome.UNKNOWN:
        del lines["expected"]
    for name, value in lines.items():
        if value is not None:
            text.append(_wrapped(f"{name:<10}{printable(value)}"))


def _wrapped(line: str) -> str:
    return (
        textwrap.fill(
            line,
            WIDTH,
            initial_indent=" " * LABEL,
            subsequent_indent=" " * (LABEL + 10),
            break_long_words=False,
            break_on_hyphens=False,
        )
        + "\n"
    )


def _skipped(text: Text, checks: Iterable[Check]) -> None:
    """A line for each failed check that kept others from being made."""
    roots = Counter(check.because for check in checks if check.outcome is Outcome.SKIPPED)
    for because, number in roots.items():
        text.append(f"{GLYPHS['skipped']} {'skipped':<9}", STYLES["skipped"])
        text.append(f"{_count(number, 'check')} behind {printable(str(because))}\n")


def by_table(checks: Iterable[Check]) -> dict[str, list[Check]]:
    """The checks of each table, in their order; those on roles and migrations stand for themselves."""
    tables: dict[str, list[Check]] = {}
    for check in checks:
        tables.setdefault(check.table or check.key.split(".", maxsplit=1)[0], []).append(check)
    return tables


def _table(text: Text, checks: Iterable[Check]) -> None:
    """How many checks of each table had which outcome; roles and migrations stand for themselves."""
    rows = {name: Counter(map(_column, group)) for name, group in by_table(checks).items()}
    columns = ("PASS", "FAIL", "WARN", "UNKNOWN", "SKIPPED")
    width = max((len(printable(name)) for name in rows), default=0)
    width = max(width, len("TABLE"))
    text.append(f"{'TABLE':<{width}}  " + "  ".join(columns) + "\n", "dim")
    for name, counts in rows.items():
        numbers = "  ".join(f"{counts[column]:>{len(column)}}" for column in columns)
        text.append(f"{printable(name):<{width}}  {numbers}\n")
    text.append("\n")


def _column(check: Check) -> str:
    if check.outcome is Outcome.FAIL:
        return "FAIL" if check.severity is Severity.ERROR else "WARN"
    return check.outcome.value.upper()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
