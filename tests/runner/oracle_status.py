"""The second opinion on `/status` and `/runs`, in the shape of their answers. Times stay microseconds."""

from collections import Counter, defaultdict
from typing import Any

from tests.runner.oracle import (
    DAY,
    LEAD,
    LOUDEST_LAST,
    SECOND,
    STATUSES,
    WINDOWS,
    Judged,
    Lock,
    Sight,
    Tick,
    distribution,
    percentile,
    slot_of,
)
from tests.runner.oracle_rules import is_orphaned, is_overlong


def status(sight: Sight, window: str) -> dict[str, Any]:
    since = sight.as_of - WINDOWS[window]
    ticks = [tick for tick in sight.rows.ticks if since < tick.at <= sight.as_of]
    present = (tick for tick in sight.rows.ticks if tick.at <= sight.as_of + LEAD)
    newest = max(present, key=lambda tick: (tick.at, tick.id.int), default=None)
    states = Counter(one.state for one in sight.judged)
    return {
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
            str(one.run.id): {"errors": len(one.streak), "since": one.streak[0].at, "lastOkAt": one.last_ok_at}
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
            [max(0, tick.finished_at - tick.at) // 1000 for tick in ticks if tick.finished_at is not None]
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


def bars(sight: Sight, window: str, width: int) -> dict[int, dict[str, Any]]:
    """The bars of a series that are not empty, by the moment at which they begin."""
    since = sight.as_of - WINDOWS[window]
    by_bar: dict[int, list[Tick]] = defaultdict(list)
    for tick in sight.rows.ticks:
        if since < tick.at <= sight.as_of:
            by_bar[tick.at // width * width].append(tick)
    return {start: bar(ticks) for start, ticks in by_bar.items()}


def bar(ticks: list[Tick]) -> dict[str, Any]:
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
            "lastTickAt": one.newest_at,
            "nextExpectedAt": one.expected_at(),
            "lateBySeconds": one.late_by / SECOND,
            "missed": strip.count("missed"),
            "streak": len(one.streak),
            "lock": lock_item(sight, locks[one.run.id]) if one.run.id in locks else None,
            "cause": cause(sight, one, locks.get(one.run.id)),
            "slots": strip,
        }
        for one in sight.judged
        for strip in [cells(one, slots)]
    }


def cause(sight: Sight, one: Judged, lock: Lock | None) -> dict[str, Any] | None:
    """Why a run is overdue."""
    if not one.is_overdue():
        return None
    if sight.silent:
        return {"kind": "scheduler_silent"}
    if lock is not None and lock.until > sight.as_of:
        return {"kind": "locked", "by": lock.owner, "since": lock.updated_at}
    kind = {"blocked": "blocked", "error": "erroring"}.get(one.newest.status) if one.newest else None
    if one.newest is None or kind is None:
        return {"kind": "unknown"}
    return {"kind": kind, "since": one.newest.at, "reason": one.newest.reason}


def cells(one: Judged, slots: int) -> list[str]:
    """The newest slots, oldest first, up to the one that a tick of now would serve, at most a day back.

    They end where the run owed nothing and did nothing, before it became active.
    """
    newest = slot_of(one.as_of, one.period)
    strip: list[str] = []
    for at in range(newest, max(newest - slots * one.period, one.as_of - DAY), -one.period):
        if at not in one.served and at <= one.active_from:
            break
        strip.insert(0, cell(one, at))
    return strip


def cell(one: Judged, at: int) -> str:
    """What became of a slot; of several ticks in it the loudest is shown."""
    statuses = one.served.get(at)
    if statuses:
        return max(statuses, key=LOUDEST_LAST.index)
    return "missed" if at + one.grace < one.as_of else "pending"
