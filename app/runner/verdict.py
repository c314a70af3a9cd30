"""The verdict: the worst of what every rule found."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TypeAlias

from app.runner import row_rules, run_rules
from app.runner.reasons import Reason
from app.runner.situation import Situation

Rule: TypeAlias = Callable[[Situation], Reason | None]


class Verdict(StrEnum):
    """From the best to the worst."""

    OK = "ok"
    UNKNOWN = "unknown"
    DEGRADED = "degraded"
    DOWN = "down"


RULES: tuple[Rule, ...] = (
    run_rules.scheduler_silent,
    run_rules.runner_disabled,
    run_rules.overdue,
    run_rules.error_streak,
    run_rules.not_working,
    run_rules.paused_after_errors,
    run_rules.audit_missing,
    row_rules.error_rate,
    row_rules.lock_overlong,
    row_rules.lock_orphaned,
    run_rules.unparsable_timeframe,
    row_rules.clock_ahead,
    row_rules.foreign_ticks,
    row_rules.section_unreadable,
)


def reasons_for(situation: Situation) -> tuple[Reason, ...]:
    """What every rule found: the worst first, otherwise in the order of RULES."""
    found = [reason for rule in RULES if (reason := rule(situation)) is not None]
    return tuple(sorted(found, key=lambda reason: -_rank(Verdict(reason.severity))))


def verdict_of(reasons: Iterable[Reason]) -> Verdict:
    """Ok < unknown < degraded < down."""
    return max((Verdict(reason.severity) for reason in reasons), key=_rank, default=Verdict.OK)


def at_least(verdict: Verdict, limit: Verdict) -> bool:
    """Whether a verdict is as bad as another, or worse."""
    return _rank(verdict) >= _rank(limit)


def _rank(verdict: Verdict) -> int:
    return tuple(Verdict).index(verdict)
