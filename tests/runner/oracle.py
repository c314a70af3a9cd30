"""A second opinion on the pulse: what is promised of every figure, in plain Python over all rows.

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
LOUDEST_LAST = ("skipped", "blocked", "ok", "error")
"""Of ticks of one run and slot, or of one run and moment, the last of these is the one that counts."""
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
    """None where it is no number of seconds, minutes, hours, days or weeks up to a leap year."""
    found = re.fullmatch("([1-9][0-9]*)([smhdw])", timeframe)
    period = int(found[1]) * UNIT[found[2]] if found else 0
    return period if 0 < period <= 366 * DAY else None


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

    @property
    def newest_at(self) -> int | None:
        return self.newest.at if self.newest else None

    @cached_property
    def known(self) -> list[Tick]:
        """What the run is judged by: its ticks of the judging horizon, or, where that is too short for the last three
        or holds none, its newest 32 of any age.
        """
        recent = [tick for tick in self.ticks if tick.at > self.horizon]
        too_short = 3 * self.period + self.grace > self.as_of - self.horizon
        return recent if recent and not too_short else self.ticks[-32:]

    def expected_at(self, *, touched: bool = True) -> int:
        """The first slot after the reference. What claims to be later than now is no sign of life."""
        run = self.run
        signs = [run.last_run_at, run.created_at, run.updated_at if touched else None, self.newest_at]
        reference = max((at for at in signs if at is not None and at <= self.as_of + LEAD), default=self.as_of)
        return slot_of(reference, self.period) + self.period

    def is_overdue(self, *, touched: bool = True) -> bool:
        return self.as_of > self.expected_at(touched=touched) + self.grace

    @property
    def late_by(self) -> int:
        return max(0, self.as_of - self.expected_at())

    @property
    def state(self) -> str:
        return "overdue" if self.is_overdue() else "late" if self.late_by else "onTime"

    @property
    def is_alive(self) -> bool:
        """Whether it ticked or ran within the last day."""
        signs = (self.run.last_run_at, self.newest_at)
        return any(at is not None and self.as_of - DAY <= at for at in signs)

    @cached_property
    def served(self) -> dict[int, set[str]]:
        """The slots that its ticks serve, by boundary, and the statuses of those ticks."""
        served: dict[int, set[str]] = defaultdict(set)
        for tick in self.ticks:
            served[slot_of(tick.at, self.period)].add(tick.status)
        return served

    @cached_property
    def active_from(self) -> int:
        """The slot in which the run is known to have become active: it owes later ones only.

        That updated_at tells of an activation is not believed where the runner itself touches the row as it ticks.
        """
        run = self.run
        touched = run.updated_at
        if touched is not None and run.last_run_at is not None and 0 <= touched - run.last_run_at <= MINUTE:
            touched = None
        known = [at for at in (run.created_at, touched) if at is not None]
        return slot_of(max(known), self.period) if known else EVER

    def due(self, since: int) -> list[int]:
        """The slots after a moment that the run owes and whose grace has passed."""
        slots = boundaries(since, self.as_of, self.period)
        return [at for at in slots if at > self.active_from and at + self.grace < self.as_of]

    def missed(self, since: int) -> list[int]:
        return [at for at in self.due(since) if at not in self.served]

    @cached_property
    def unwell(self) -> list[Tick]:
        """The ticks after the last ok, oldest first."""
        oks = [place for place, tick in enumerate(self.known) if tick.status == "ok"]
        return self.known[oks[-1] + 1 :] if oks else self.known

    @property
    def last_ok_at(self) -> int | None:
        return max((tick.at for tick in self.known if tick.status == "ok"), default=None)

    @cached_property
    def streak(self) -> list[Tick]:
        """The errors without an ok after them; skips and blocks break none."""
        return [tick for tick in self.unwell if tick.status == "error"]


class Sight:
    """All rows, as of one moment."""

    def __init__(self, rows: Rows, as_of: int, *, enabled: bool | None = None) -> None:
        self.rows, self.as_of, self.enabled = rows, as_of, enabled
        self.by_id = {run.id: run for run in rows.runs}
        self.ahead = [tick for tick in rows.ticks if tick.at > as_of + LEAD]
        self.foreign = [tick for tick in rows.ticks if self.is_foreign(tick)]
        self.honest = [tick for tick in rows.ticks if tick.at <= as_of + LEAD and not self.is_foreign(tick)]
        self.active = [run for run in rows.runs if run.status == "active"]
        self.watched_ids = {run.id for run in rows.runs if run.status == "active" or is_newly_paused(run, as_of)}
        periods = [period_of(run.timeframe) or 5 * MINUTE for run in self.active]
        self.shortest = min(periods, default=5 * MINUTE)
        longest = max(periods, default=0)
        self.horizon = as_of - max(HOUR, min(3 * longest + grace_of(longest), DAY))
        self.own = self._own_ticks()
        self.judged = [Judged(run, self.own[run.id], as_of, self.horizon) for run in self.active]

    def is_foreign(self, tick: Tick) -> bool:
        run = self.by_id.get(tick.run_id) if tick.run_id else None
        return run is not None and tick.user_id != run.user_id

    def _own_ticks(self) -> dict[UUID | None, list[Tick]]:
        own: dict[UUID | None, list[Tick]] = defaultdict(list)
        for tick in sorted(self.honest, key=lambda tick: (tick.at, LOUDEST_LAST.index(tick.status), tick.id.int)):
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
    def silent(self) -> bool:
        """Whether nobody ticks: a run is overdue, no slot due since then was served, and no tick came for a while.

        A job that touches every row is no sign of life; where a run has shown none for a day, it may be an activation.
        """
        quiet_for = 3 * self.shortest + grace_of(self.shortest)
        if any(tick.at >= self.as_of - quiet_for for tick in self.honest):
            return False
        overdue = [one for one in self.judged if one.is_overdue(touched=not one.is_alive)]
        served = max(map(self._slot_served, self.honest), default=EVER)
        return any(one.expected_at(touched=not one.is_alive) > served for one in overdue)

    def _slot_served(self, tick: Tick) -> int:
        """Of a run that is neither active nor newly paused the period is not looked at."""
        if tick.run_id is None or tick.run_id not in self.watched_ids:
            return tick.at + LEAD
        return slot_of(tick.at, period_of(self.by_id[tick.run_id].timeframe) or 5 * MINUTE)


def is_newly_paused(run: Run, as_of: int) -> bool:
    """Paused, and changed or run within the last day."""
    signs = (run.updated_at, run.last_run_at)
    return run.status == "paused" and any(at is not None and at >= as_of - DAY for at in signs)


def percentile(values: Iterable[int], share: int) -> int | None:
    """That of nearest rank: the smallest value that at least `share` percent of all do not exceed."""
    ranked = sorted(values)
    return ranked[-(-share * len(ranked) // 100) - 1] if ranked else None


def distribution(values: list[int]) -> dict[str, int | None]:
    shares = {f"p{share}": percentile(values, share) for share in (50, 95, 99)}
    return {"count": len(values), **shares, "max": max(values, default=None)}
