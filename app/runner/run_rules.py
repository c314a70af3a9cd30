"""The rules about strategies: each looks at one situation and explains itself, or has nothing to say."""

from collections.abc import Sequence
from datetime import timedelta

from app.runner.model import ERROR, History, Run
from app.runner.reasons import RUNS_HREF, SCHEMA_HREF, Reason, Severity, counted, ids_of, in_words, ticks_of
from app.runner.schedule import Standing, State, newest_tick_of_anyone
from app.runner.situation import Situation
from app.runner.timeframes import LEAD


def scheduler_silent(situation: Situation) -> Reason | None:
    judged, reading = situation.standings, situation.reading
    if not situation.silent or judged is None or situation.enabled is False:
        return None
    newest = newest_tick_of_anyone(reading)
    shortest = min(one.run.period for one in judged)
    limit = timedelta(seconds=shortest * situation.thresholds.silence_periods) + situation.thresholds.grace(shortest)
    ago = "none is known" if newest is None else f"the last one came {in_words(reading.as_of - newest)} ago"
    worst = _worst_first(judged)
    return Reason(
        "scheduler_silent",
        Severity.DOWN,
        f"The scheduler is silent: no strategy ticks, and {ago}.",
        (reading.as_of - newest).total_seconds() if newest is not None else None,
        limit.total_seconds(),
        len(judged),
        ids_of(one.run for one in worst),
        RUNS_HREF,
    )


def runner_disabled(situation: Situation) -> Reason | None:
    if situation.enabled is not False:
        return None
    runs = situation.reading.runs
    active = runs.active if runs is not None else ()
    return Reason(
        "runner_disabled",
        Severity.DEGRADED,
        "The runner is switched off (ENABLE_STRATEGY_RUNNER), so silence is not judged.",
        None,
        None,
        len(active),
        ids_of(active),
        RUNS_HREF,
    )


def overdue(situation: Situation) -> Reason | None:
    if situation.silent or situation.standings is None or situation.enabled is False:
        return None
    overdue = [one for one in _worst_first(situation.standings) if one.state is State.OVERDUE]
    if not overdue:
        return None
    worst = overdue[0]
    return Reason(
        "overdue",
        Severity.DEGRADED,
        f"{len(overdue)} of {len(situation.standings)} strategies overdue;"
        f" {worst.run.label} the longest, for {in_words(worst.late_by)}.",
        worst.late_by.total_seconds(),
        situation.thresholds.grace(worst.run.period).total_seconds(),
        len(overdue),
        ids_of(one.run for one in overdue),
        f"{RUNS_HREF}?state=overdue",
    )


def error_streak(situation: Situation) -> Reason | None:
    least = situation.thresholds.error_streak
    failing = [(one, history) for one, history in situation.histories if history.tail_errors >= least]
    if not failing:
        return None
    failing.sort(key=lambda found: (-found[1].tail_errors, found[0].run.id))
    worst, history = failing[0]
    return Reason(
        "error_streak",
        Severity.DEGRADED,
        f"{_strategies(len(failing))} failing without an ok in between;"
        f" {worst.run.label}: {counted(history.tail_errors, 'error')}.",
        history.tail_errors,
        least,
        len(failing),
        ids_of(one.run for one, _ in failing),
        ticks_of(worst.run, "&status=error"),
    )


def not_working(situation: Situation) -> Reason | None:
    least = situation.thresholds.not_working_ticks
    idle = [
        (one, history)
        for one, history in situation.histories
        if history.tail >= least and not _is_excused(situation, one.run, history)
    ]
    if not idle:
        return None
    idle.sort(key=lambda found: (-found[1].tail, found[0].run.id))
    worst, history = idle[0]
    return Reason(
        "not_working",
        Severity.DEGRADED,
        f"{_strategies(len(idle))} not working; {worst.run.label}: no ok in the last {counted(history.tail, 'tick')}"
        f" ({history.newest_reason or history.newest_status}).",
        history.tail,
        least,
        len(idle),
        ids_of(one.run for one, _ in idle),
        ticks_of(worst.run),
    )


def _is_excused(situation: Situation, run: Run, history: History) -> bool:
    """A paused user's runs are meant to be blocked. Where that cannot be read, one that is only blocked may be such."""
    paused = situation.paused_user(run)
    return history.tail_blocked == history.tail if paused is None else paused


def paused_after_errors(situation: Situation) -> Reason | None:
    reading = situation.reading
    if reading.runs is None or reading.activity is None:
        return None
    found = [
        run
        for run in reading.runs.paused
        if (history := reading.history(run)) is not None and history.newest_status == ERROR
    ]
    if not found:
        return None
    return Reason(
        "paused_after_errors",
        Severity.DEGRADED,
        f"{_strategies(len(found))} paused after an error, such as {found[0].label}.",
        len(found),
        0,
        len(found),
        ids_of(found),
        ticks_of(found[0], "&status=error"),
    )


def audit_missing(situation: Situation) -> Reason | None:
    as_of, thresholds = situation.reading.as_of, situation.thresholds
    found: list[tuple[timedelta, Run]] = []
    for one in situation.standings or ():
        ran = one.run.last_run_at
        # Older ticks than the horizon's may have been deleted, and what lies ahead is a clock's mistake.
        if ran is None or not as_of - situation.horizon <= ran <= as_of + LEAD:
            continue
        behind = ran - (one.history.newest_at if one.history is not None else as_of - situation.horizon)
        if behind > thresholds.grace(one.run.period):
            found.append((behind, one.run))
    if not found:
        return None
    found.sort(key=lambda pair: (-pair[0], pair[1].id))
    behind, worst = found[0]
    return Reason(
        "audit_missing",
        Severity.DEGRADED,
        f"{_strategies(len(found))} run without leaving ticks: their last_run_at is newer than any tick.",
        behind.total_seconds(),
        thresholds.grace(worst.period).total_seconds(),
        len(found),
        ids_of(run for _, run in found),
        SCHEMA_HREF,
    )


def unparsable_timeframe(situation: Situation) -> Reason | None:
    runs = situation.reading.runs
    found = [run for run in runs.active if not run.parsable] if runs is not None else []
    if not found:
        return None
    return Reason(
        "unparsable_timeframe",
        Severity.DEGRADED,
        f"{_strategies(len(found))} of an unreadable timeframe, such as {found[0].timeframe or 'none'};"
        " the runner takes it for 5m.",
        len(found),
        0,
        len(found),
        ids_of(found),
        RUNS_HREF,
    )


def _worst_first(judged: Sequence[Standing]) -> list[Standing]:
    return sorted(judged, key=lambda one: (-one.late_by, one.run.id))


def _strategies(number: int) -> str:
    return "1 strategy is" if number == 1 else f"{number} strategies are"
