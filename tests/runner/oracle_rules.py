"""The second opinion on the rules of the verdict: which are broken, by whom, and by how much."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from tests.runner.oracle import (
    LEAD,
    MINUTE,
    SECOND,
    Judged,
    Lock,
    Run,
    Sight,
    grace_of,
    is_newly_paused,
    period_of,
)

MOST_AHEAD = 1000
"""More ticks of the future are not counted."""


@dataclass(frozen=True)
class Broken:
    """A rule that is: by how many, the worst observed against the threshold, and the ids of examples."""

    count: int
    observed: float | None
    threshold: float | None
    ids: frozenset[str]


def rules(sight: Sight) -> dict[str, Broken]:
    """The rules that are broken."""
    found = {
        "error_streak": worst(3, [(len(one.streak), one.run.id) for one in sight.judged if len(one.streak) >= 3]),
        "not_working": worst(3, [(len(one.unwell), one.run.id) for one in sight.judged if not_working(one, sight)]),
        "paused_after_errors": each(run.id for run in paused_after_errors(sight)),
        "audit_missing": audit_missing(sight),
        "error_rate": error_rate(sight),
        "lock_overlong": overlong(sight),
        "lock_orphaned": each(lock.run_id for lock in sight.rows.locks if is_orphaned(sight, lock)),
        "unparsable_timeframe": each(one.run.id for one in sight.judged if one.parsed is None),
        "clock_ahead": each([tick.id for tick in sight.ahead], most=MOST_AHEAD),
        "foreign_ticks": foreign_ticks(sight),
    }
    if sight.enabled is False:
        found["runner_disabled"] = Broken(len(sight.active), None, None, ids(run.id for run in sight.active))
    elif sight.silent:
        found["scheduler_silent"] = silence(sight)
    else:
        found["overdue"] = worst(0, [(one.late_by / SECOND, one.run.id) for one in sight.judged if one.is_overdue()])
    return {rule: broken for rule, broken in found.items() if broken is not None}


def verdict(broken: Iterable[str]) -> str:
    return "down" if "scheduler_silent" in broken else "degraded" if broken else "ok"


def ids(some: Iterable[UUID | None]) -> frozenset[str]:
    return frozenset(str(one) for one in some)


def each(some: Iterable[UUID], most: int = 10**9) -> Broken | None:
    """One is already too many."""
    offenders = list(some)
    number = min(len(offenders), most)
    return Broken(number, number, 0, ids(offenders)) if offenders else None


def worst(threshold: float, some: list[tuple[float, UUID]]) -> Broken | None:
    return Broken(len(some), max(some)[0], threshold, ids(run_id for _, run_id in some)) if some else None


def not_working(one: Judged, sight: Sight) -> bool:
    """Of the last three ticks none was ok, and nobody wants it so."""
    return len(one.unwell) >= 3 and one.run.user_id not in sight.paused_users


def paused_after_errors(sight: Sight) -> list[Run]:
    """The newly paused runs whose newest tick is an error."""
    newest = {run: sight.own[run.id][-1] for run in sight.rows.runs if sight.own[run.id]}
    return [run for run, tick in newest.items() if is_newly_paused(run, sight.as_of) and tick.status == "error"]


def audit_missing(sight: Sight) -> Broken | None:
    """Of a time whose ticks may have been deleted nothing is claimed, nor of a last_run_at that is not yet."""
    found = []
    for one in sight.judged:
        ran_at = one.run.last_run_at
        if ran_at is not None and sight.horizon <= ran_at <= sight.as_of + LEAD:
            behind = ran_at - (one.newest.at if one.newest else sight.horizon)
            found += [(behind / SECOND, one)] if behind > one.grace else []
    if not found:
        return None
    longest, most = max(found, key=lambda pair: pair[0])
    return Broken(len(found), longest, most.grace / SECOND, ids(one.run.id for _, one in found))


def error_rate(sight: Sight) -> Broken | None:
    counts = Counter(tick.status for tick in sight.rows.ticks if sight.horizon < tick.at <= sight.as_of)
    errors, answered = counts["error"], counts["ok"] + counts["error"]
    if answered < 20 or errors * 10 <= answered:
        return None
    return Broken(errors, errors / answered, 0.1, frozenset())


def is_orphaned(sight: Sight, lock: Lock) -> bool:
    run = sight.by_id.get(lock.run_id)
    return lock.until > sight.as_of and (run is None or run.status != "active")


def is_overlong(sight: Sight, lock: Lock) -> bool:
    return lock.until > sight.as_of and sight.as_of - lock.updated_at > longest_lock(sight, lock)


def longest_lock(sight: Sight, lock: Lock) -> int:
    run = sight.by_id.get(lock.run_id)
    return max(2 * (period_of(run.timeframe) or 5 * MINUTE) if run else 0, 10 * MINUTE)


def overlong(sight: Sight) -> Broken | None:
    found = [lock for lock in sight.rows.locks if is_overlong(sight, lock)]
    if not found:
        return None
    first = min(found, key=lambda lock: (lock.updated_at, lock.run_id.int))
    held = (sight.as_of - first.updated_at) / SECOND
    return Broken(len(found), held, longest_lock(sight, first) / SECOND, ids(lock.run_id for lock in found))


def foreign_ticks(sight: Sight) -> Broken | None:
    """Those of the judging horizon; their runs are the examples."""
    found = [tick for tick in sight.foreign if sight.horizon < tick.at <= sight.as_of + LEAD]
    return Broken(len(found), len(found), 0, ids(tick.run_id for tick in found)) if found else None


def silence(sight: Sight) -> Broken:
    """The newest tick is looked for in the judging horizon, and of runs that are watched at any time."""
    known = [tick.at for tick in sight.honest if tick.at > sight.horizon or tick.run_id in sight.watched_ids]
    quiet = (sight.as_of - max(known)) / SECOND if known else None
    limit = 3 * sight.shortest + grace_of(sight.shortest)
    return Broken(len(sight.active), quiet, limit / SECOND, ids(run.id for run in sight.active))
