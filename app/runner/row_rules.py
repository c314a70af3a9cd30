"""The rules about locks, ticks and what could not be read: each explains itself, or has nothing to say."""

from datetime import timedelta
from urllib.parse import quote

from app.runner.figures import error_rate as rate_of_errors
from app.runner.model import ERROR, OK, Section
from app.runner.reasons import MOST_EXAMPLES, RUNS_HREF, SCHEMA_HREF, TICKS_HREF, Reason, Severity, counted, in_words
from app.runner.situation import Situation
from app.runner.timeframes import LEAD

# The sections without which there is no verdict. The others only fill figures.
DECIDING = (Section.RUNS, Section.LOCKS, Section.RISK, Section.AHEAD, Section.ACTIVITY, Section.STORED)


def error_rate(situation: Situation) -> Reason | None:
    activity, thresholds = situation.reading.activity, situation.thresholds
    if activity is None:
        return None
    errors = activity.by_status.get(ERROR, 0)
    tried = errors + activity.by_status.get(OK, 0)
    rate = rate_of_errors(activity.by_status)
    if rate is None or tried < thresholds.error_rate_ticks or rate <= thresholds.error_rate:
        return None
    return Reason(
        "error_rate",
        Severity.DEGRADED,
        f"{errors} of {tried} ticks failed within {in_words(situation.horizon)}.",
        rate,
        thresholds.error_rate,
        errors,
        (),
        f"{TICKS_HREF}?status=error",
    )


def lock_overlong(situation: Situation) -> Reason | None:
    found = [lock for lock in situation.locks or () if lock.overlong]
    if not found:
        return None
    worst = max(found, key=lambda lock: lock.held_seconds)
    return Reason(
        "lock_overlong",
        Severity.DEGRADED,
        f"{counted(len(found), 'lock')} held for too long; {worst.symbol or '?'} {worst.timeframe or '?'}"
        f" by {worst.lock_owner} for {in_words(timedelta(seconds=worst.held_seconds))}.",
        worst.held_seconds,
        worst.longest_seconds,
        len(found),
        tuple(str(lock.strategy_run_id) for lock in found[:MOST_EXAMPLES]),
        RUNS_HREF,
    )


def lock_orphaned(situation: Situation) -> Reason | None:
    found = [lock for lock in situation.locks or () if lock.orphaned]
    if not found:
        return None
    return Reason(
        "lock_orphaned",
        Severity.DEGRADED,
        f"{counted(len(found), 'unexpired lock')} for a run that is missing or not active.",
        len(found),
        0,
        len(found),
        tuple(str(lock.strategy_run_id) for lock in found[:MOST_EXAMPLES]),
        RUNS_HREF,
    )


def clock_ahead(situation: Situation) -> Reason | None:
    ahead = situation.reading.ahead
    if ahead is None or not ahead.count:
        return None
    return Reason(
        "clock_ahead",
        Severity.DEGRADED,
        f"{counted(ahead.count, 'tick')} scheduled in the future; they serve no slot.",
        ahead.count,
        0,
        ahead.count,
        tuple(str(tick) for tick in ahead.examples[:MOST_EXAMPLES]),
        f"{TICKS_HREF}?since={_time(situation)}",
    )


def foreign_ticks(situation: Situation) -> Reason | None:
    activity = situation.reading.activity
    if activity is None or not activity.foreign:
        return None
    runs = sorted(activity.foreign, key=lambda run: (-activity.foreign[run], run))
    number = sum(activity.foreign.values())
    return Reason(
        "foreign_ticks",
        Severity.DEGRADED,
        f"{counted(number, 'tick')} of another user than their run's; they serve no slot.",
        number,
        0,
        number,
        tuple(str(run) for run in runs[:MOST_EXAMPLES]),
        f"{TICKS_HREF}?strategy_run_id={runs[0]}",
    )


def section_unreadable(situation: Situation) -> Reason | None:
    sections = situation.reading.sections
    unread = [(name, sections[name].error) for name in DECIDING if name in sections and sections[name].error]
    if not unread:
        return None
    name, error = unread[0]
    return Reason(
        "section_unreadable",
        Severity.UNKNOWN,
        f"{counted(len(unread), 'section')} could not be read; {name}: {error}",
        len(unread),
        0,
        len(unread),
        tuple(name.value for name, _ in unread[:MOST_EXAMPLES]),
        SCHEMA_HREF,
    )


def _time(situation: Situation) -> str:
    return quote((situation.reading.as_of + LEAD).isoformat().replace("+00:00", "Z"), safe=":")
