"""Where the answers of `/status` and `/runs` differ from the second opinion on the same rows."""

import itertools
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tests.api.service import Service, claimed
from tests.runner import oracle_rules, oracle_status
from tests.runner.oracle import STATUSES, WINDOWS, Rows, Sight
from tests.stored_rows import microseconds

SERIES_ACCURACY = 0.05


def instant(text: str | None) -> int | None:
    return None if text is None else microseconds(datetime.fromisoformat(text))


def disagreements(service: Service, rows: Rows, *, enabled: bool | None = None, slots: int = 60) -> list[str]:
    """Of every window and the grid."""
    found: list[str] = []
    for window in WINDOWS:
        answer = service.get(f"/api/runner/status?window={window}", claimed()).json()
        sight = Sight(rows, as_of(answer), enabled=enabled)
        found += (f"{window} {difference}" for difference in in_status(answer, sight, window))
    answer = service.get(f"/api/runner/runs?limit=500&slots={slots}", claimed()).json()
    return [*found, *in_runs(answer, Sight(rows, as_of(answer), enabled=enabled), slots)]


def as_of(answer: dict[str, Any]) -> int:
    found = instant(answer["asOf"])
    assert found is not None
    return found


def differences(seen: object, meant: object, path: str = "") -> Iterator[str]:
    """All that an answer has otherwise than meant; what only the answer has is not looked at."""
    if isinstance(meant, dict) and isinstance(seen, dict):
        for key, value in meant.items():
            yield from differences(seen.get(key), value, f"{path}.{key}")
        return
    if isinstance(meant, int) and isinstance(seen, str):
        seen = instant(seen)
    if seen != meant:
        yield f"{path}: {seen!r}, meant {meant!r}"


def in_status(answer: dict[str, Any], sight: Sight, window: str) -> Iterator[str]:
    meant = oracle_status.status(sight, window)
    yield from in_reasons(answer, sight)
    yield from in_blocked_reasons(answer, meant.pop("blockedReasons"))
    yield from in_top(answer["ticks"]["reasons"], meant["ticks"].pop("reasons"), 10, "ticks.reasons")
    yield from in_top(answer["risk"]["reasons"], meant["risk"].pop("reasons"), 10**6, "risk.reasons")
    streaks = {streak["strategy_run_id"]: streak for streak in answer["streaks"]}
    yield from differences(streaks, streaks_of := meant.pop("streaks"), "streaks")
    yield from (f"streaks.{run}: not meant" for run in streaks.keys() - streaks_of.keys())
    yield from in_locks(answer["locks"]["items"], meant["locks"].pop("items"))
    yield from differences(answer, meant)
    yield from in_series(answer, sight, window)
    yield from (f"sections.{name}: {one}" for name, one in answer["sections"].items() if not one["ok"])


def in_reasons(answer: dict[str, Any], sight: Sight) -> Iterator[str]:
    """The verdict, and what speaks against the runner."""
    meant = oracle_rules.rules(sight)
    if answer["verdict"] != oracle_rules.verdict(meant):
        yield f"verdict: {answer['verdict']}, meant {oracle_rules.verdict(meant)}"
    seen = {reason["rule"]: reason for reason in answer["reasons"]}
    yield from (f"reasons.{rule}: {seen.get(rule)}, meant {meant.get(rule)}" for rule in seen.keys() ^ meant.keys())
    for rule in seen.keys() & meant.keys():
        given, broken = seen[rule], meant[rule]
        examples = set(given["examples"])
        # How late is too late depends on the strategy that is the worst, which two may be.
        threshold = broken.threshold if rule != "overdue" else given["threshold"]
        if (given["count"], given["observed"], given["threshold"]) != (broken.count, broken.observed, threshold):
            yield f"reasons.{rule}: {given}, meant {broken}"
        if not examples <= broken.ids or len(given["examples"]) != min(5, len(broken.ids)):
            yield f"reasons.{rule}: examples {examples}, meant of {broken.ids}"
        if given["severity"] != ("down" if rule == "scheduler_silent" else "degraded"):
            yield f"reasons.{rule}: {given['severity']}"


def in_blocked_reasons(answer: dict[str, Any], reasons: set[str]) -> Iterator[str]:
    """At most five, each once."""
    seen = answer["lastBlockedReasons"]
    if len(seen) != len(set(seen)) or not set(seen) <= reasons or len(seen) != min(5, len(reasons)):
        yield f"lastBlockedReasons: {seen}, meant of {reasons}"


def in_top(seen: list[dict[str, Any]], meant: Counter[str], most: int, path: str) -> Iterator[str]:
    """The most frequent first; which of equals are left out is not said."""
    counts = [one["count"] for one in seen]
    if counts != [count for _, count in meant.most_common(most)]:
        yield f"{path}: {seen}, meant {meant}"
    yield from differences(
        {one["reason"]: one["count"] for one in seen}, {one["reason"]: meant[one["reason"]] for one in seen}, path
    )


def in_locks(seen: list[dict[str, Any]], meant: dict[str, Any]) -> Iterator[str]:
    items = {item["strategy_run_id"]: item for item in seen}
    if len(seen) != len(items) or len(items) != min(50, len(meant)):
        yield f"locks.items: {len(seen)}, meant {len(meant)}"
    yield from differences(items, {run_id: meant.get(run_id) for run_id in items}, "locks.items")


def in_series(answer: dict[str, Any], sight: Sight, window: str) -> Iterator[str]:
    """The bars tile the window without gap or overlap, and each shows its ticks."""
    starts = [start for bar in answer["series"] if (start := instant(bar["at"])) is not None]
    widths = {later - earlier for earlier, later in itertools.pairwise(starts)}
    if len(widths) != 1 or len(starts) > 120:
        yield f"series: {len(starts)} bars of {widths}"
        return
    width = widths.pop()
    since = sight.as_of - WINDOWS[window]
    if not starts[0] <= since < starts[0] + width or not starts[-1] <= sight.as_of < starts[-1] + width:
        yield f"series: from {starts[0]} to {starts[-1]} + {width}, meant {since} to {sight.as_of}"
    bars = oracle_status.bars(sight, window, width)
    yield from (f"series: no bar at {start}" for start in bars.keys() - set(starts))
    for bar, start in zip(answer["series"], starts, strict=True):
        meant = bars.get(start) or oracle_status.bar([])
        p95 = meant.pop("p95")
        yield from differences(bar, meant, f"series.{bar['at']}")
        if (bar["p95"] is None) != (p95 is None) or abs((bar["p95"] or 0) - (p95 or 0)) > SERIES_ACCURACY * (p95 or 0):
            yield f"series.{bar['at']}.p95: {bar['p95']}, meant {p95}"
    for status in STATUSES:
        drawn, counted = sum(bar[status] for bar in answer["series"]), answer["ticks"]["byStatus"][status]
        if drawn != counted:
            yield f"series: {drawn} {status}, while ticks.byStatus has {counted}"


def in_runs(answer: dict[str, Any], sight: Sight, slots: int) -> Iterator[str]:
    meant = oracle_status.grid(sight, slots)
    verdict = oracle_rules.verdict(oracle_rules.rules(sight))
    if answer["verdict"] != verdict:
        yield f"runs.verdict: {answer['verdict']}, meant {verdict}"
    runs = {run["strategy_run_id"]: run for run in answer["runs"]}
    yield from differences(runs, meant, "runs")
    if len(answer["runs"]) != len(meant) or answer["total"] != len(meant):
        yield f"runs: {len(answer['runs'])} of {answer['total']}, meant {len(meant)}"
    order = [worst_first(run) for run in answer["runs"]]
    if order != sorted(order):
        yield f"runs: not the worst first: {order}"


def worst_first(run: dict[str, Any]) -> tuple[object, ...]:
    """Overdue ones by how late they are, then those that fail, then late ones."""
    overdue = run["state"] == "overdue"
    streak = run["streak"] if run["streak"] >= 3 else 0
    return not overdue, -run["lateBySeconds"] if overdue else 0, -streak, run["state"] != "late", run["strategy_run_id"]
