"""A second opinion on the pulse: what section 5 of the design says about rows, in plain Python, over all of them.

It shares nothing with the service and is as simple as it can be, not fast. Every moment is a whole number of
microseconds since the epoch, so that no clock, calendar or time zone has a part in it.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
LEAD = 5 * SECOND
"""The runner ticks in the five seconds before a boundary."""
UNIT = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
WINDOWS = {"15m": 15 * MINUTE, "1h": HOUR, "6h": 6 * HOUR, "24h": DAY, "7d": 7 * DAY}
STATUSES = ("ok", "skipped", "blocked", "error")
EVER = -(10**18)


@dataclass(frozen=True)
class Run:
    id: UUID
    user_id: UUID
    symbol: str
    timeframe: str
    status: str
    last_run_at: int | None
    created_at: int | None
    updated_at: int | None


@dataclass(frozen=True)
class Tick:
    id: UUID
    run_id: UUID | None
    user_id: UUID
    at: int
    finished_at: int | None
    status: str
    reason: str | None
    signal: str | None
    latency_ms: int | None


@dataclass(frozen=True)
class Lock:
    run_id: UUID
    owner: str
    until: int
    updated_at: int


@dataclass(frozen=True)
class Risk:
    """A user's row of one UTC day, counted from the epoch."""

    user_id: UUID
    day: int
    paused: bool
    reason: str | None
    until: int | None


@dataclass(frozen=True)
class Rows:
    runs: tuple[Run, ...]
    ticks: tuple[Tick, ...]
    locks: tuple[Lock, ...]
    risks: tuple[Risk, ...]


def period_of(timeframe: str) -> int | None:
    """None where it is no number of seconds, minutes, hours, days or weeks."""
    found = re.fullmatch("([0-9]+)([smhdw])", timeframe)
    return (int(found[1]) * UNIT[found[2]] or None) if found else None


def grace_of(period: int) -> int:
    return max(MINUTE, min(period // 4, 15 * MINUTE))


def slot_of(at: int, period: int) -> int:
    """The boundary, in microseconds, of the slot that a tick of this `scheduled_at` serves."""
    return (at + LEAD) // period * period


def boundaries(after: int, until: int, period: int) -> range:
    """All that lie after the one moment and not after the other."""
    return range(after // period * period + period, until + 1, period)


@dataclass
class Judged:
    """An active run, and the ticks that count as its own: of its user, and not ahead of the clock; oldest first."""

    run: Run
    ticks: list[Tick]
    as_of: int
    horizon: int

    @cached_property
    def parsed(self) -> int | None:
        return period_of(self.run.timeframe)

    @cached_property
    def period(self) -> int:
        return self.parsed or 5 * MINUTE

    @cached_property
    def grace(self) -> int:
        return grace_of(self.period)

    @cached_property
    def newest(self) -> Tick | None:
        return self.ticks[-1] if self.ticks else None

    @cached_property
    def recent(self) -> list[Tick]:
        """Those of the judging horizon, newest first."""
        return [tick for tick in reversed(self.ticks) if tick.at >= self.horizon]

    def reference(self, *, touched: bool = True) -> int | None:
        known = [self.run.last_run_at, self.run.created_at, self.run.updated_at if touched else None]
        return max((at for at in (*known, self.newest and self.newest.at) if at is not None), default=None)

    def expected_at(self, *, touched: bool = True) -> int | None:
        """The first slot after the reference."""
        reference = self.reference(touched=touched)
        return None if reference is None else slot_of(reference, self.period) + self.period

    def is_late(self) -> bool:
        expected = self.expected_at()
        return expected is not None and self.as_of > expected

    def is_overdue(self, *, touched: bool = True) -> bool:
        expected = self.expected_at(touched=touched)
        return expected is not None and self.as_of > expected + self.grace

    @property
    def state(self) -> str:
        return "overdue" if self.is_overdue() else "late" if self.is_late() else "onTime"

    @property
    def late_by(self) -> int:
        expected = self.expected_at()
        return self.as_of - expected if expected is not None and self.is_late() else 0

    @cached_property
    def served(self) -> dict[int, Tick]:
        """By boundary, the tick that serves it; of several the newest."""
        return {slot_of(tick.at, self.period): tick for tick in self.ticks}

    @cached_property
    def owes_from(self) -> int:
        """No slot before this moment is expected of the run."""
        run = self.run
        changed = run.updated_at if run.updated_at is not None else EVER
        resumed = changed if changed > (run.last_run_at if run.last_run_at is not None else EVER) else EVER
        return max(resumed, run.created_at if run.created_at is not None else EVER)

    def due(self, since: int) -> list[int]:
        """The slots after a moment whose grace has passed."""
        start = max(since, self.owes_from)
        return [at for at in boundaries(start, self.as_of, self.period) if at + self.grace < self.as_of]

    def missed(self, since: int) -> list[int]:
        return [at for at in self.due(since) if at not in self.served]

    @cached_property
    def streak(self) -> list[Tick]:
        """The errors since the last ok, newest first; skips and blocks break none."""
        errors: list[Tick] = []
        for tick in self.recent:
            if tick.status == "ok":
                break
            errors += [tick] if tick.status == "error" else []
        return errors

    @cached_property
    def last_ok_at(self) -> int | None:
        return next((tick.at for tick in self.recent if tick.status == "ok"), None)


class Sight:
    """All rows, as of one moment."""

    def __init__(self, rows: Rows, as_of: int, *, enabled: bool | None = None) -> None:
        self.rows, self.as_of, self.enabled = rows, as_of, enabled
        self.by_id = {run.id: run for run in rows.runs}
        self.ahead = [tick for tick in rows.ticks if tick.at > as_of + LEAD]
        self.foreign = [tick for tick in rows.ticks if self.is_foreign(tick)]
        self.honest = [tick for tick in rows.ticks if tick.at <= as_of + LEAD and not self.is_foreign(tick)]
        self.active = [run for run in rows.runs if run.status == "active"]
        periods = [period_of(run.timeframe) or 5 * MINUTE for run in self.active]
        self.shortest = min(periods, default=5 * MINUTE)
        longest = max(periods, default=0)
        self.horizon = as_of - max(HOUR, min(3 * longest + grace_of(longest), DAY))
        own = self.own_ticks()
        self.judged = [Judged(run, own[run.id], as_of, self.horizon) for run in self.active]

    def is_foreign(self, tick: Tick) -> bool:
        run = self.by_id.get(tick.run_id) if tick.run_id else None
        return run is not None and tick.user_id != run.user_id

    def own_ticks(self) -> dict[UUID | None, list[Tick]]:
        own: dict[UUID | None, list[Tick]] = defaultdict(list)
        for tick in sorted(self.honest, key=lambda tick: (tick.at, tick.id.int)):
            own[tick.run_id].append(tick)
        return own

    @cached_property
    def paused(self) -> list[Risk]:
        """Today's rows of users who are paused."""
        today = self.as_of // DAY
        rows = (risk for risk in self.rows.risks if risk.paused and risk.day == today)
        return [risk for risk in rows if risk.until is None or risk.until > self.as_of]

    @cached_property
    def paused_users(self) -> set[UUID]:
        return {risk.user_id for risk in self.paused}

    @cached_property
    def silent(self) -> list[Judged]:
        """The runs that make the scheduler silent: overdue, though no touch of their row counts as a sign of life."""
        quiet_for = 3 * self.shortest + grace_of(self.shortest)
        if any(tick.at >= self.as_of - quiet_for for tick in self.honest):
            return []
        return [judged for judged in self.judged if judged.is_overdue(touched=False) and self._unserved(judged)]

    def _unserved(self, judged: Judged) -> bool:
        """No slot that was due since then was served by anyone."""
        since = judged.expected_at(touched=False)
        assert since is not None
        return not any(max(other.served, default=EVER) >= since for other in self.judged)


def percentile(values: Iterable[int], share: int) -> int | None:
    """That of nearest rank: the smallest value that at least `share` percent of all do not exceed."""
    ranked = sorted(values)
    return ranked[-(-share * len(ranked) // 100) - 1] if ranked else None


def distribution(values: list[int]) -> dict[str, int | None]:
    shares = {f"p{share}": percentile(values, share) for share in (50, 95, 99)}
    return {"count": len(values), **shares, "max": max(values, default=None)}
