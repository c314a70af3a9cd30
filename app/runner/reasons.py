"""What a rule says when it finds something."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from app.runner.model import Run

MOST_EXAMPLES = 5
RUNS_HREF, TICKS_HREF, SCHEMA_HREF = "/api/runner/runs", "/api/runner/tick-runs", "/api/runner/schema"


class Severity(StrEnum):
    """What a reason makes of the verdict."""

    UNKNOWN = "unknown"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Reason:
    """What a rule found."""

    rule: str
    severity: Severity
    summary: str
    """One sentence for a person. It may quote text of the database."""
    observed: float | None
    """The worst value found, in the unit of the threshold; None where there is nothing to measure."""
    threshold: float | None
    """What it must not exceed, or must not reach where the rule says 'at least'; times are in seconds."""
    count: int
    """How many runs, ticks, locks or sections the rule found."""
    examples: tuple[str, ...]
    """Up to five of their ids, the worst first."""
    href: str
    """Where to look next."""


def database_unreachable(detail: str) -> Reason:
    """The one reason where nothing could be read at all."""
    return Reason("database_unreachable", Severity.DOWN, detail, None, None, 1, (), "/healthz")


def in_words(length: timedelta) -> str:
    """A length of time in at most two units: 4s, 16m 07s, 2h 05m, 3d 04h."""
    seconds = int(length.total_seconds())
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if days:
        return f"{days}d {hours % 24:02}h"
    if hours:
        return f"{hours}h {minutes % 60:02}m"
    return f"{minutes}m {seconds % 60:02}s" if minutes else f"{seconds}s"


def ids_of(runs: Iterable[Run]) -> tuple[str, ...]:
    return tuple(str(run.id) for run, _ in zip(runs, range(MOST_EXAMPLES), strict=False))


def ticks_of(run: Run, more: str = "") -> str:
    return f"{TICKS_HREF}?strategy_run_id={run.id}{more}"


def counted(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
