"""The report on the runner's health: every figure, and what exactly it counts.

Definitions used throughout. *The window* is (asOf - window, asOf] by `scheduled_at`: a tick at its start is outside,
one at asOf inside. *The horizon* is (asOf - horizon, asOf], see `Thresholds.horizon`. *Own ticks* of a run have its id,
its user (or none), and a `scheduled_at` of at most asOf + 5 s; only they serve slots and tell its history.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.runner.figures import Bucket, Distribution, Window
from app.runner.locks import JudgedLock
from app.runner.reasons import Reason
from app.runner.verdict import Verdict


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """A reason, cut to 200 characters, and how often it occurs."""

    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class ActiveRuns:
    """Active runs by state at asOf. A run that could not be judged is in none of the first three."""

    on_time: int
    """asOf is not past the first slot after the run's reference; see `schedule.reference`."""
    late: int
    """asOf is past that slot, and not past it by more than the grace."""
    overdue: int
    """asOf is past that slot by more than the grace."""
    unparsable: int
    """Those whose timeframe cannot be parsed, judged as 5m; each is in one of the other three, too."""


@dataclass(frozen=True, slots=True)
class RunFigures:
    """Of strategy_runs. None where they could not be read."""

    total: int | None
    """All rows."""
    by_status: Mapping[str, int] | None
    """All rows by status; the four documented ones even if 0, others where they occur."""
    active: ActiveRuns | None
    """None, too, where the horizon's ticks could not be read."""


@dataclass(frozen=True, slots=True)
class TickFigures:
    """Of the ticks in the window, of whatever run and user. None where they could not be read."""

    total: int | None
    """All of them."""
    by_status: Mapping[str, int] | None
    """All by status; the four documented ones even if 0, others where they occur."""
    by_signal: Mapping[str, int] | None
    """Those with a signal, by it; the three documented ones even if 0."""
    error_rate: float | None
    """error / (ok + error); None where there is neither."""
    expected: int | None
    """Over active runs: slots that begin after the window's start, are later than the slot of the run's activation
    (`slots.activated_at`), and whose begin + grace is before asOf."""
    missed: int | None
    """Those of `expected` that no own tick of the run serves."""
    latency_ms: Distribution | None
    """Of latency_ms, where it is not null; of every status. A negative one counts as 0."""
    finish_delay_ms: Distribution | None
    """Of finished_at - scheduled_at in whole ms, cut off, where finished_at is not null. A negative one counts as 0."""
    reasons: tuple[ReasonCount, ...] | None
    """The ten most frequent reasons that are not null; of equally frequent ones the first in byte order."""


@dataclass(frozen=True, slots=True)
class Streak:
    """An active run whose ticks since its newest ok hold at least `STATUS_ERROR_STREAK` errors."""

    strategy_run_id: UUID
    symbol: str | None
    timeframe: str | None
    errors: int
    """Own ticks with status error, later than the newest own ok one, as far back as the run's history was read."""
    since: datetime
    """The first of those errors."""
    last_ok_at: datetime | None
    """The newest own ok tick; None where there is none so far back."""


@dataclass(frozen=True, slots=True)
class LockFigures:
    """Of strategy_locks at asOf."""

    held: int
    """locked_until > asOf."""
    expired: int
    """locked_until <= asOf."""
    orphaned: int
    """Held, and the run is missing or not active."""
    overlong: int
    """Held, and asOf - updated_at > max(2 x the run's period, 10 min); the period of a missing run is 5 minutes."""
    items: tuple[JudgedLock, ...]
    """The first 50: with something wrong, then held, then expired; each held longest first."""


@dataclass(frozen=True, slots=True)
class RiskFigures:
    """Of strategy_risk_state, on the UTC day of asOf."""

    paused_users: int
    """Distinct users whose row is paused, with paused_until null or later than asOf."""
    reasons: tuple[ReasonCount, ...]
    """The ten most frequent paused_reason of those, null left out; then in byte order."""


@dataclass(frozen=True, slots=True)
class SectionReport:
    ok: bool
    duration_ms: int
    accuracy: str
    """exact, or approximate."""
    error: str | None


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The health of the runner. What could not be read is None, never 0."""

    verdict: Verdict
    """The worst severity among the reasons; ok without any."""
    reasons: tuple[Reason, ...]
    as_of: datetime | None
    """The database's now() at the start of the one transaction that read all of it; None where it was out of reach."""
    window: Window
    duration_ms: int
    enabled: bool | None
    """ENABLE_STRATEGY_RUNNER."""
    active_strategies: int | None
    """Runs with status active."""
    last_run_at: datetime | None
    """scheduled_at of the newest tick by scheduled_at and id, of those up to asOf + 5 s, of whatever run and user."""
    last_run_status: str | None
    """The status of that tick."""
    blocked_users_count: int | None
    """risk.pausedUsers."""
    last_blocked_reasons: tuple[str, ...] | None
    """The first five of risk.reasons."""
    runs: RunFigures
    ticks: TickFigures
    streaks: tuple[Streak, ...] | None
    """Most errors first."""
    locks: LockFigures | None
    risk: RiskFigures | None
    series: tuple[Bucket, ...] | None
    """Buckets that tile the window; those of its two ends count only what lies in the window."""
    sections: Mapping[str, SectionReport]
