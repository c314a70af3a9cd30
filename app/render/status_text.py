"""The health of the runner as text of at most 79 columns, for the terminal and for `Accept: text/plain`."""

import textwrap
from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.text import Text

from app.contract.identifiers import printable
from app.render.text import WIDTH
from app.runner.causes import Cause
from app.runner.figures import Distribution
from app.runner.grid import GridRow, RunsReport, is_failing
from app.runner.locks import JudgedLock
from app.runner.reasons import Reason, Severity, counted, in_words
from app.runner.report import StatusReport
from app.runner.schedule import State
from app.runner.served import SlotOutcome
from app.runner.verdict import Verdict

SHOWN_SLOTS, SHOWN_ROWS = 12, 20
LABEL = 23  # Columns of a reason's glyph and rule, and of the indent below them.

HEADS = {
    Verdict.OK: ("✓ OK", "bold green"),
    Verdict.UNKNOWN: ("? UNKNOWN", "bold yellow"),
    Verdict.DEGRADED: ("! DEGRADED", "bold yellow"),
    Verdict.DOWN: ("✗ DOWN", "bold red"),
}
GLYPHS = {Verdict.UNKNOWN: "?", Verdict.DEGRADED: "!", Verdict.DOWN: "✗"}
SLOTS = {
    SlotOutcome.OK: "■",
    SlotOutcome.SKIPPED: "▪",
    SlotOutcome.BLOCKED: "▨",
    SlotOutcome.ERROR: "x",
    SlotOutcome.MISSED: "□",
    SlotOutcome.PENDING: "·",
}


def status_exit_code(verdict: Verdict) -> int:
    """0 ok, 1 degraded or down, 2 unknown."""
    return {Verdict.OK: 0, Verdict.UNKNOWN: 2}.get(verdict, 1)


def status_text(report: StatusReport, runs: RunsReport | None, *, error_streak: int, everything: bool = False) -> Text:
    """The report as `status` prints it, with the strategies that need a look, or with all of them."""
    text = Text()
    _head(text, report)
    for reason in report.reasons:
        _reason(text, reason)
    if report.reasons:
        text.append("\n")
    if runs is not None:
        _rows(text, runs, error_streak=error_streak, everything=everything)
    _figures(text, report)
    for name, section in report.sections.items():
        if not section.ok:
            text.append(_wrapped(f"? {'unknown':<9}", f"{name}: {printable(section.error or '')}"))
    if any(not section.ok for section in report.sections.values()):
        text.append("Next: runner-diagnostics check\n")
    text.append(f"Exit code {status_exit_code(report.verdict)}.\n")
    return text


def _head(text: Text, report: StatusReport) -> None:
    head, style = HEADS[report.verdict]
    at = f"as of {report.as_of:%H:%M:%S}Z" if report.as_of is not None else "no answer from the database"
    line = f"{head}  {_strategies(report)}   window {report.window} · {at}"
    text.append(textwrap.fill(line, WIDTH, subsequent_indent="  ") + "\n\n")
    text.stylize(style, 0, len(head))


def _strategies(report: StatusReport) -> str:
    active = report.runs.active
    if report.active_strategies is None:
        return "how many strategies there are is unknown"
    if active is None:
        return f"{_named(report.active_strategies)}, when they ticked is unknown"
    counts = {"overdue": active.overdue, "late": active.late, "failing": len(report.streaks or ())}
    said = [f"{number:,} {word}" for word, number in counts.items() if number]
    if not said:
        return f"{_named(report.active_strategies)}, none overdue"
    return f"{', '.join(said)} of {_named(report.active_strategies)}"


def _named(number: int) -> str:
    return "1 strategy" if number == 1 else f"{number:,} strategies"


def _reason(text: Text, reason: Reason) -> None:
    start = len(text)
    text.append(_wrapped(f"{GLYPHS[Verdict(reason.severity)]} {reason.rule:<{LABEL - 2}}", printable(reason.summary)))
    text.stylize("red" if reason.severity is Severity.DOWN else "yellow", start, start + LABEL)


def _wrapped(label: str, words: str) -> str:
    indent = " " * len(label)
    return textwrap.fill(label + words, WIDTH, subsequent_indent=indent, break_on_hyphens=False) + "\n"


def _rows(text: Text, runs: RunsReport, *, error_streak: int, everything: bool) -> None:
    rows = runs.runs or ()
    worth = [row for row in rows if everything or row.state is not State.ON_TIME or is_failing(row, error_streak)]
    shown = worth if everything else worth[:SHOWN_ROWS]
    if shown:
        header = ("STATE", "STRATEGY", "LAST TICK", "DUE", "LATE", "MISSED", "RECENT SLOTS")
        cells = [_cells(row, runs.as_of, error_streak) for row in shown]
        widths = [max(len(line[column]) for line in (header, *cells)) for column in range(len(header) - 1)]
        text.append(_line(header, widths) + "\n", "dim")
        for row, line in zip(shown, cells, strict=True):
            text.append(_line(line, widths) + "\n")
            if row.cause is not None:
                text.append(_wrapped("  cause: ", printable(_cause(row.cause, runs.as_of))))
    left = len(rows) - len(shown)
    if left and shown:
        text.append(f"{left:,} more (--all shows them)\n", "dim")
    if shown:
        legend = "  ".join(f"{glyph} {outcome}" for outcome, glyph in SLOTS.items())
        text.append(f"{legend}\n\n", "dim")


def _cells(row: GridRow, as_of: datetime, error_streak: int) -> tuple[str, ...]:
    state = row.state.value if row.state is not State.ON_TIME else "on time"
    if row.state is State.ON_TIME and is_failing(row, error_streak):
        state = "erroring"
    missed = row.missed(SHOWN_SLOTS)
    return (
        state,
        printable(f"{row.symbol or '?'} {row.timeframe or '?'}"),
        f"{_clock(row.last_tick_at, as_of)} ({_ago(as_of - row.last_tick_at)})" if row.last_tick_at else "-",
        _clock(row.next_expected_at, as_of),
        in_words(timedelta(seconds=row.late_by_seconds)) if row.late_by_seconds else "-",
        "?" if missed is None else str(missed),
        "".join(SLOTS[outcome] for outcome in row.recent(SHOWN_SLOTS) or ()),
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Lateness and misses are numbers and stand at the right of their columns."""
    *columns, slots = cells
    numbers = (4, 5)
    padded = [
        f"{cell:>{width}}" if column in numbers else f"{cell:<{width}}"
        for column, (cell, width) in enumerate(zip(columns, widths, strict=True))
    ]
    return "  ".join([*padded, slots]).rstrip()


def _clock(at: datetime, as_of: datetime) -> str:
    return f"{at:%H:%M}" if abs(as_of - at) < timedelta(days=1) else f"{at:%Y-%m-%d}"


def _ago(length: timedelta) -> str:
    return f"{in_words(length).split()[0]} ago" if length >= timedelta() else "ahead"


def _cause(cause: Cause, as_of: datetime) -> str:
    said = cause.kind.value
    if cause.by is not None:
        said += f" by {cause.by}"
    if cause.since is not None:
        said += f" since {_clock(cause.since, as_of)}"
    return f"{said} ({cause.reason})" if cause.reason else said


def _figures(text: Text, report: StatusReport) -> None:
    ticks, locks, risk = report.ticks, report.locks, report.risk
    if ticks.by_status is not None:
        rate = f" ({ticks.error_rate:.1%})" if ticks.error_rate is not None else ""
        parts = [f"total {ticks.total:,}", *(f"{printable(name)} {n:,}" for name, n in ticks.by_status.items())]
        text.append(_figure("TICKS", "   ".join(parts) + rate))
    if ticks.expected is not None:
        text.append(_figure("SLOTS", f"expected {ticks.expected:,}   missed {ticks.missed:,}"))
    if ticks.latency_ms is not None:
        text.append(_figure("LATENCY", _distribution(ticks.latency_ms)))
    if locks is not None:
        text.append(
            _figure(
                "LOCKS",
                f"{locks.held} held   {locks.overlong} overlong{_worst_lock(locks.items)}   {locks.orphaned} orphaned"
                f"   {locks.expired} expired",
            )
        )
    if risk is not None:
        text.append(_figure("RISK", f"{counted(risk.paused_users, 'paused user')}"))


def _figure(name: str, words: str) -> str:
    return _wrapped(f"{name:<9}", words)


def _distribution(found: Distribution) -> str:
    values = {"p50": found.p50, "p95": found.p95, "p99": found.p99, "max": found.max}
    return "   ".join(f"{name} {_milliseconds(value)}" for name, value in values.items() if value is not None) or "none"


def _milliseconds(value: int) -> str:
    return f"{value}ms" if value < 1000 else f"{value / 1000:.1f}s"  # noqa: PLR2004 - a second


def _worst_lock(items: Sequence[JudgedLock]) -> str:
    lock = next((lock for lock in items if lock.overlong), None)
    if lock is None:
        return ""
    held = in_words(timedelta(seconds=lock.held_seconds))
    return printable(f" ({lock.symbol or '?'} {lock.timeframe or '?'}, {lock.lock_owner}, {held})")
