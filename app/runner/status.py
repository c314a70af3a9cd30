"""From a situation to the report on it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta

from app.runner.figures import Window, distribution, error_rate, most_frequent, series
from app.runner.locks import MOST_ITEMS
from app.runner.model import RUN_STATUSES, SIGNALS, TICK_STATUSES, PausedUser, Reading, Section
from app.runner.reasons import database_unreachable
from app.runner.report import (
    ActiveRuns,
    LockFigures,
    ReasonCount,
    RiskFigures,
    RunFigures,
    SectionReport,
    StatusReport,
    Streak,
    TickFigures,
)
from app.runner.schedule import State
from app.runner.served import NONE_SERVED
from app.runner.situation import Situation
from app.runner.slots import expected_and_missed
from app.runner.verdict import Verdict, reasons_for, verdict_of

MOST_RISK_REASONS, MOST_BLOCKED_REASONS = 10, 5

# Sections whose figures are within a stated bound instead of exact: 5 % for a series' p95, see `stored` for its rows.
# So are those of which a part was read before, see settled.py.
APPROXIMATE = frozenset({Section.SERIES, Section.STORED})


def status_report(situation: Situation, window: Window, *, duration_ms: int) -> StatusReport:
    """The report on a reading for a window. Of the reading, nothing is left out and nothing added."""
    reading = situation.reading
    found = reasons_for(situation)
    risk = _risk_figures(reading.paused_users)
    return StatusReport(
        verdict=verdict_of(found),
        reasons=found,
        as_of=reading.as_of,
        window=window,
        duration_ms=duration_ms,
        enabled=situation.enabled,
        active_strategies=len(reading.runs.active) if reading.runs is not None else None,
        last_run_at=reading.newest.scheduled_at if reading.newest is not None else None,
        last_run_status=reading.newest.status if reading.newest is not None else None,
        blocked_users_count=risk.paused_users if risk is not None else None,
        last_blocked_reasons=(
            tuple(one.reason for one in risk.reasons[:MOST_BLOCKED_REASONS]) if risk is not None else None
        ),
        runs=_run_figures(situation),
        ticks=_tick_figures(situation, window),
        streaks=_streaks(situation),
        locks=_lock_figures(situation),
        risk=risk,
        series=series(reading.series, window, reading.as_of) if reading.series is not None else None,
        sections=section_reports(reading),
    )


def unreachable_report(detail: str, window: Window, *, enabled: bool | None, duration_ms: int) -> StatusReport:
    """The shape of a report where the database was out of reach: down, and every figure None."""
    return StatusReport(
        verdict=Verdict.DOWN,
        reasons=(database_unreachable(detail),),
        as_of=None,
        window=window,
        duration_ms=duration_ms,
        enabled=enabled,
        active_strategies=None,
        last_run_at=None,
        last_run_status=None,
        blocked_users_count=None,
        last_blocked_reasons=None,
        runs=RunFigures(None, None, None),
        ticks=TickFigures(None, None, None, None, None, None, None, None, None),
        streaks=None,
        locks=None,
        risk=None,
        series=None,
        sections={},
    )


def section_reports(reading: Reading) -> dict[str, SectionReport]:
    return {
        name.value: SectionReport(
            ok=result.error is None,
            duration_ms=result.duration_ms,
            accuracy="approximate" if name in APPROXIMATE or result.remembered else "exact",
            error=result.error,
        )
        for name, result in reading.sections.items()
    }


def _run_figures(situation: Situation) -> RunFigures:
    runs = situation.reading.runs
    if runs is None:
        return RunFigures(None, None, None)
    active = None
    if situation.standings is not None:
        states = Counter(one.state for one in situation.standings)
        unparsable = sum(not run.parsable for run in runs.active)
        active = ActiveRuns(states[State.ON_TIME], states[State.LATE], states[State.OVERDUE], unparsable)
    return RunFigures(sum(runs.by_status.values()), _zero_filled(RUN_STATUSES, runs.by_status), active)


def _tick_figures(situation: Situation, window: Window) -> TickFigures:
    expected, missed = _expected_and_missed(situation, window.length)
    ticks = situation.reading.ticks
    if ticks is None:
        return TickFigures(None, None, None, None, expected, missed, None, None, None)
    return TickFigures(
        total=sum(ticks.by_status.values()),
        by_status=_zero_filled(TICK_STATUSES, ticks.by_status),
        by_signal=_zero_filled(SIGNALS, ticks.by_signal),
        error_rate=error_rate(ticks.by_status),
        expected=expected,
        missed=missed,
        latency_ms=distribution(ticks.by_latency.items()),
        finish_delay_ms=distribution(ticks.by_delay.items()),
        reasons=tuple(ReasonCount(reason, count) for reason, count in ticks.reasons),
    )


def _expected_and_missed(situation: Situation, window: timedelta) -> tuple[int | None, int | None]:
    reading = situation.reading
    if reading.runs is None or reading.slots is None:
        return None, None
    since = reading.as_of - window
    pairs = [
        expected_and_missed(run, reading.slots.get(run.id, NONE_SERVED), since, reading.as_of, situation.thresholds)
        for run in reading.runs.active
    ]
    return sum(expected for expected, _ in pairs), sum(missed for _, missed in pairs)


def _streaks(situation: Situation) -> tuple[Streak, ...] | None:
    if situation.standings is None:
        return None
    streaks = [
        Streak(
            one.run.id,
            one.run.symbol,
            one.run.timeframe,
            history.tail_errors,
            history.first_error_at,
            history.newest_ok_at,
        )
        for one, history in situation.histories
        if history.tail_errors >= situation.thresholds.error_streak and history.first_error_at is not None
    ]
    return tuple(sorted(streaks, key=lambda streak: (-streak.errors, streak.strategy_run_id)))


def _lock_figures(situation: Situation) -> LockFigures | None:
    locks = situation.locks
    if locks is None:
        return None
    expired = sum(lock.expired for lock in locks)
    return LockFigures(
        held=len(locks) - expired,
        expired=expired,
        orphaned=sum(lock.orphaned for lock in locks),
        overlong=sum(lock.overlong for lock in locks),
        items=locks[:MOST_ITEMS],
    )


def _risk_figures(paused: Iterable[PausedUser] | None) -> RiskFigures | None:
    if paused is None:
        return None
    paused = tuple(paused)
    counts = Counter(one.reason for one in paused if one.reason is not None)
    return RiskFigures(
        paused_users=len({one.user_id for one in paused}),
        reasons=tuple(ReasonCount(reason, count) for reason, count in most_frequent(counts, MOST_RISK_REASONS)),
    )


def _zero_filled(names: Iterable[str], counts: Mapping[str, int]) -> dict[str, int]:
    """The documented names in their order, then others in byte order."""
    return {**dict.fromkeys(names, 0), **dict(sorted(counts.items()))}
