"""What is read of the runner's activity, as plain values: facts, no judgement. Times are UTC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from app.runner.served import ServedSlots
from app.runner.timeframes import parse_timeframe, period_of

ACTIVE, PAUSED = "active", "paused"
OK, SKIPPED, BLOCKED, ERROR = "ok", "skipped", "blocked", "error"
TICK_STATUSES = (OK, SKIPPED, BLOCKED, ERROR)
_QUIET_TO_LOUD = (SKIPPED, BLOCKED, OK, ERROR)
RUN_STATUSES = ("draft", ACTIVE, PAUSED, "stopped")
SIGNALS = ("buy", "sell", "hold")


class Section(StrEnum):
    """The parts a report is read in. Each may fail alone."""

    RUNS = "runs"
    LOCKS = "locks"
    RISK = "risk"
    NEWEST = "newest"
    AHEAD = "ahead"
    ACTIVITY = "activity"
    STORED = "stored"
    SLOTS = "slots"
    TICKS = "ticks"
    SERIES = "series"


@dataclass(frozen=True, slots=True)
class Run:
    """A row of strategy_runs that is judged. A time that the row lacks, or that no calendar has, is None."""

    id: UUID
    user_id: UUID | None
    symbol: str | None
    timeframe: str | None
    status: str
    created_at: datetime | None
    updated_at: datetime | None
    last_run_at: datetime | None

    @property
    def period(self) -> int:
        """Seconds, as the runner treats the timeframe."""
        return period_of(self.timeframe)

    @property
    def parsable(self) -> bool:
        return parse_timeframe(self.timeframe) is not None

    @property
    def label(self) -> str:
        return f"{self.symbol or '?'} {self.timeframe or '?'}"


@dataclass(frozen=True, slots=True)
class Runs:
    """All runs counted by status, and those that are judged: the active ones, and the paused ones that were changed or
    run within the last day. `complete` is False where the table has no last_run_at.
    """

    by_status: Mapping[str, int]
    judged: tuple[Run, ...]
    complete: bool = True

    @property
    def active(self) -> tuple[Run, ...]:
        return tuple(run for run in self.judged if run.status == ACTIVE)

    @property
    def paused(self) -> tuple[Run, ...]:
        return tuple(run for run in self.judged if run.status == PAUSED)


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick of a run, as far as its history is told from it."""

    scheduled_at: datetime
    status: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """What the own ticks of one run say: those of its user, up to asOf + 5 s, as far back as they were read.

    `tail` numbers the ticks later than the newest `ok`, all of them where none is. Of ticks of one and the same time
    the loudest counts as the latest.
    """

    newest_at: datetime
    newest_status: str
    newest_reason: str | None = None
    newest_ok_at: datetime | None = None
    tail: int = 0
    tail_errors: int = 0
    tail_blocked: int = 0
    first_error_at: datetime | None = None
    """The first error of the tail."""


def loudness(status: str) -> int:
    """Of several ticks in one place an error is told of first, then an ok, then a block, then a skip."""
    return _QUIET_TO_LOUD.index(status) if status in _QUIET_TO_LOUD else -1


def _place(tick: Tick) -> tuple[datetime, int]:
    return tick.scheduled_at, loudness(tick.status)


def history_of(ticks: Sequence[Tick]) -> History | None:
    """The history that some ticks of one run tell, in any order; None for no ticks."""
    if not ticks:
        return None
    newest = max(ticks, key=_place)
    newest_ok_at = max((tick.scheduled_at for tick in ticks if tick.status == OK), default=None)
    tail = [tick for tick in ticks if newest_ok_at is None or _place(tick) > (newest_ok_at, loudness(OK))]
    return History(
        newest_at=newest.scheduled_at,
        newest_status=newest.status,
        newest_reason=newest.reason,
        newest_ok_at=newest_ok_at,
        tail=len(tail),
        tail_errors=sum(tick.status == ERROR for tick in tail),
        tail_blocked=sum(tick.status == BLOCKED for tick in tail),
        first_error_at=min((tick.scheduled_at for tick in tail if tick.status == ERROR), default=None),
    )


@dataclass(frozen=True, slots=True)
class Activity:
    """The ticks within the judging horizon. A judged run without one of its own has no history here.

    `others_newest_at` is the newest tick of any run that is not judged. `by_status` counts every tick of the horizon.
    `foreign` numbers the ticks whose user differs from their run's, by run, whatever its status.
    """

    histories: Mapping[UUID, History]
    by_status: Mapping[str, int]
    foreign: Mapping[UUID, int] = field(default_factory=dict)
    others_newest_at: datetime | None = None


Slots: TypeAlias = Mapping[UUID, ServedSlots]


@dataclass(frozen=True, slots=True)
class Lock:
    """A row of strategy_locks, and the run it is for: `run_status` is None where that is missing."""

    strategy_run_id: UUID
    lock_owner: str
    locked_until: datetime
    updated_at: datetime
    run_status: str | None
    symbol: str | None
    timeframe: str | None


@dataclass(frozen=True, slots=True)
class PausedUser:
    """A user whose risk state of today (UTC) is paused, and not until a time that has passed."""

    user_id: UUID
    reason: str | None


@dataclass(frozen=True, slots=True)
class NewestTick:
    scheduled_at: datetime
    status: str


@dataclass(frozen=True, slots=True)
class Ahead:
    """Ticks scheduled later than asOf + 5 s: how many, counted to 1,000 at most, and the ids of up to five."""

    count: int
    examples: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """The ticks of the window, grouped; latencies and delays in ms, none below 0. At most ten reasons."""

    by_status: Mapping[str, int]
    by_signal: Mapping[str, int]
    by_latency: Mapping[int, int]
    by_delay: Mapping[int, int]
    reasons: tuple[tuple[str, int], ...]


InBucket: TypeAlias = tuple[datetime, str, int | None]
"""The start of a bucket of the series, a status, and a band of latencies."""
BucketCounts: TypeAlias = Mapping[InBucket, int]
"""Ticks by the bucket of the series, the status, and the band of latencies that they are in.

Band n is of latencies from 1.05 ** n ms on, so that those in it are within 5 % of each other, and -1 of those of 0 ms.
It is None where there is no latency.
"""


@dataclass(frozen=True, slots=True)
class SectionResult:
    """How the reading of one section went. `error` is one sentence, None where it could be read.

    `remembered` where only what is new was read, and added to what was read before.
    """

    duration_ms: int
    error: str | None = None
    remembered: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything read in one transaction, of one snapshot. What could not be read, or was not asked for, is None."""

    as_of: datetime
    sections: Mapping[Section, SectionResult]
    runs: Runs | None = None
    locks: tuple[Lock, ...] | None = None
    paused_users: tuple[PausedUser, ...] | None = None
    newest: NewestTick | None = None
    ahead: Ahead | None = None
    activity: Activity | None = None
    stored: Mapping[UUID, History] | None = None
    """The history of judged runs that the horizon cannot tell it of, from the rows stored last."""
    slots: Slots | None = None
    ticks: WindowCounts | None = None
    series: BucketCounts | None = None

    def history(self, run: Run) -> History | None:
        """Of a run: from the horizon or, where that is newer or knows more, from the rows stored last."""
        near = self.activity.histories.get(run.id) if self.activity is not None else None
        stored = self.stored.get(run.id) if self.stored is not None else None
        if near is None or stored is None:
            return near or stored
        return stored if stored.newest_at >= near.newest_at else near


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Every number of a verdict that can be set. The defaults are those of the settings."""

    grace_min: timedelta = timedelta(seconds=60)
    grace_share: float = 0.25
    grace_max: timedelta = timedelta(minutes=15)
    horizon_periods: int = 3
    horizon_min: timedelta = timedelta(hours=1)
    horizon_max: timedelta = timedelta(hours=24)
    silence_periods: int = 3
    error_streak: int = 3
    not_working_ticks: int = 3
    error_rate: float = 0.1
    error_rate_ticks: int = 20
    lock_periods: int = 2
    lock_min: timedelta = timedelta(minutes=10)

    def grace(self, period: int) -> timedelta:
        """How long after its slot a tick may still come: max(60 s, min(period / 4, 15 min))."""
        return max(self.grace_min, min(timedelta(seconds=period) * self.grace_share, self.grace_max))

    def horizon(self, runs: Sequence[Run]) -> timedelta:
        """How far back verdicts look: 3 x the longest active period and its grace, from 1 h to 24 h."""
        longest = max((run.period for run in runs), default=0)
        wanted = timedelta(seconds=longest * self.horizon_periods) + self.grace(longest)
        return min(max(wanted, self.horizon_min), self.horizon_max)

    def longest_lock(self, period: int) -> timedelta:
        """How long a lock may be held: max(2 x period, 10 min)."""
        return max(timedelta(seconds=period * self.lock_periods), self.lock_min)
