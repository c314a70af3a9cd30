"""The second opinion on `/status` and `/runs`, in the shape of their answers. Times stay microseconds."""

from collections import Counter
from typing import Any

from tests.runner.oracle import (
    LEAD,
    MINUTE,
    SECOND,
    STATUSES,
    WINDOWS,
    Judged,
    Lock,
    Sight,
    Tick,
    distribution,
    percentile,
    period_of,
    slot_of,
)

SEVERITY = {"scheduler_silent": "down"}


def rules(sight: Sight) -> dict[str, int]:
    """The rules that are broken, and how many runs, ticks or locks break each."""
    judged, as_of = sight.judged, sight.as_of
    recent = [tick for tick in sight.honest if tick.at >= sight.horizon]
    by_status = Counter(tick.status for tick in recent)
    answered = by_status["ok"] + by_status["error"]
    found = {
        "error_streak": sum(len(one.streak) >= 3 for one in judged),
        "not_working": sum(not_working(one, sight) for one in judged),
        "paused_after_errors": len(paused_after_errors(sight)),
        "audit_missing": sum(audit_missing(one) for one in judged),
        "error_rate": int(answered >= 20 and by_status["error"] * 10 > answered),
        "lock_overlong": sum(is_overlong(sight, lock) for lock in sight.rows.locks),
        "lock_orphaned": sum(is_orphaned(sight, lock) for lock in sight.rows.locks),
        "unparsable_timeframe": sum(one.parsed is None for one in judged),
        "clock_ahead": len(sight.ahead),
        "foreign_ticks": sum(sight.horizon <= tick.at <= as_of + LEAD for tick in sight.foreign),
    }
    if sight.enabled is False:
        found["runner_disabled"] = 1
    elif sight.silent:
        found["scheduler_silent"] = 1
    else:
        found["overdue"] = sum(one.is_overdue() for one in judged)
    return {rule: count for rule, count in found.items() if count}


def not_working(one: Judged, sight: Sight) -> bool:
    last = one.recent[:3]
    return len(last) == 3 and all(tick.status != "ok" for tick in last) and one.run.user_id not in sight.paused_users


def paused_after_errors(sight: Sight) -> list[Tick]:
    own = sight.own_ticks()
    newest = [own[run.id][-1] for run in sight.rows.runs if run.status == "paused" and own[run.id]]
    return [tick for tick in newest if tick.status == "error" and tick.at >= sight.horizon]


def audit_missing(one: Judged) -> bool:
    """Of a time whose ticks retention may have deleted nothing is claimed."""
    ran_at, newest = one.run.last_run_at, one.newest
    if ran_at is None or ran_at < one.horizon:
        return False
    return newest is None or ran_at - newest.at > one.grace


def verdict(broken: dict[str, int]) -> str:
    if not broken:
        return "ok"
    return "down" if any(SEVERITY.get(rule) == "down" for rule in broken) else "degraded"


def is_orphaned(sight: Sight, lock: Lock) -> bool:
    run = sight.by_id.get(lock.run_id)
    return lock.until > sight.as_of and (run is None or run.status != "active")


def is_overlong(sight: Sight, lock: Lock) -> bool:
    run = sight.by_id.get(lock.run_id)
    period = (period_of(run.timeframe) or 5 * MINUTE) if run else 0
    return lock.until > sight.as_of and sight.as_of - lock.updated_at > max(2 * period, 10 * MINUTE)


def status(sight: Sight, window: str) -> dict[str, Any]:
    since = sight.as_of - WINDOWS[window]
    ticks = [tick for tick in sight.rows.ticks if since <= tick.at <= sight.as_of + LEAD]
    broken = rules(sight)
    newest = max(sight.rows.ticks, key=lambda tick: (tick.at, tick.id.int), default=None)
    states = Counter(one.state for one in sight.judged)
    return {
        "verdict": verdict(broken),
        "rules": broken,
        "enabled": sight.enabled,
        "activeStrategies": len(sight.active),
        "lastRunAt": newest and newest.at,
        "lastRunStatus": newest and newest.status,
        "blockedUsersCount": len(sight.paused_users),
        "blockedReasons": {risk.reason for risk in sight.paused if risk.reason is not None},
        "runs": {
            "total": len(sight.rows.runs),
            "byStatus": {
                status: sum(run.status == status for run in sight.rows.runs)
                for status in ("draft", "active", "paused", "stopped")
            },
            "active": {
                **{state: states[state] for state in ("onTime", "late", "overdue")},
                "unparsable": sum(one.parsed is None for one in sight.judged),
            },
        },
        "ticks": tick_figures(sight, ticks, since),
        "streaks": {
            str(one.run.id): {"errors": len(one.streak), "since": one.streak[-1].at, "lastOkAt": one.last_ok_at}
            for one in sight.judged
            if len(one.streak) >= 3
        },
        "locks": lock_figures(sight),
        "risk": {
            "pausedUsers": len(sight.paused_users),
            "reasons": Counter(risk.reason for risk in sight.paused if risk.reason is not None),
        },
    }


def tick_figures(sight: Sight, ticks: list[Tick], since: int) -> dict[str, Any]:
    by_status = Counter(tick.status for tick in ticks)
    answered = by_status["ok"] + by_status["error"]
    return {
        "total": len(ticks),
        "byStatus": {status: by_status[status] for status in STATUSES},
        "bySignal": {signal: sum(tick.signal == signal for tick in ticks) for signal in ("buy", "sell", "hold")},
        "errorRate": by_status["error"] / answered if answered else None,
        "expected": sum(len(one.due(since)) for one in sight.judged),
        "missed": sum(len(one.missed(since)) for one in sight.judged),
        "latencyMs": distribution([tick.latency_ms for tick in ticks if tick.latency_ms is not None]),
        "finishDelayMs": distribution(
            [(tick.finished_at - tick.at) // 1000 for tick in ticks if tick.finished_at is not None]
        ),
        "reasons": Counter(tick.reason for tick in ticks if tick.reason is not None),
    }


def lock_figures(sight: Sight) -> dict[str, Any]:
    locks = sight.rows.locks
    held = sum(lock.until > sight.as_of for lock in locks)
    return {
        "held": held,
        "expired": len(locks) - held,
        "orphaned": sum(is_orphaned(sight, lock) for lock in locks),
        "overlong": sum(is_overlong(sight, lock) for lock in locks),
        "items": {str(lock.run_id): lock_item(sight, lock) for lock in locks},
    }


def lock_item(sight: Sight, lock: Lock) -> dict[str, Any]:
    run = sight.by_id.get(lock.run_id)
    return {
        "lock_owner": lock.owner,
        "locked_until": lock.until,
        "updated_at": lock.updated_at,
        "symbol": run and run.symbol,
        "timeframe": run and run.timeframe,
        "heldSeconds": max(0, sight.as_of - lock.updated_at) / SECOND,
        "expired": lock.until <= sight.as_of,
        "orphaned": is_orphaned(sight, lock),
        "overlong": is_overlong(sight, lock),
    }


def bucket(sight: Sight, window: str, start: int, end: int) -> dict[str, Any]:
    """A bar of the series: the ticks of the window that fall into it."""
    since = sight.as_of - WINDOWS[window]
    ticks = [tick for tick in sight.rows.ticks if max(start, since) <= tick.at < end and tick.at <= sight.as_of + LEAD]
    counts = Counter(tick.status for tick in ticks)
    latencies = [tick.latency_ms for tick in ticks if tick.latency_ms is not None]
    return {**{status: counts[status] for status in STATUSES}, "p95": percentile(latencies, 95)}


def grid(sight: Sight, slots: int) -> dict[str, dict[str, Any]]:
    """The active runs by id, each as in the grid."""
    locks = {lock.run_id: lock for lock in sight.rows.locks}
    return {
        str(one.run.id): {
            "user_id": str(one.run.user_id),
            "symbol": one.run.symbol,
            "timeframe": one.run.timeframe,
            "state": one.state,
            "lastTickAt": one.newest and one.newest.at,
            "nextExpectedAt": one.expected_at(),
            "lateBySeconds": one.late_by / SECOND,
            "missed": len(one.missed(sight.as_of - WINDOWS["1h"])),
            "streak": len(one.streak),
            "lock": lock_item(sight, locks[one.run.id]) if one.run.id in locks else None,
            "cause": cause(sight, one, locks.get(one.run.id)),
            "slots": cells(one, slots),
        }
        for one in sight.judged
    }


def cause(sight: Sight, one: Judged, lock: Lock | None) -> str | None:
    """Why a run is overdue."""
    if not one.is_overdue():
        return None
    if sight.silent:
        return "scheduler_silent"
    if lock is not None and lock.until > sight.as_of:
        return "locked"
    if one.newest is not None and one.newest.status == "blocked":
        return "blocked"
    return "erroring" if one.newest is not None and one.newest.status == "error" else "unknown"


def cells(one: Judged, slots: int) -> list[str]:
    """The newest slots, oldest first, ending with the one that a tick of now would serve."""
    newest = slot_of(one.as_of, one.period)
    return [cell(one, newest - back * one.period) for back in reversed(range(slots))]


def cell(one: Judged, boundary: int) -> str:
    if boundary in one.served:
        return one.served[boundary].status
    return "missed" if boundary + one.grace < one.as_of and boundary > one.owes_from else "pending"
