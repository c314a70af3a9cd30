"""Which ticks are asked for, and where among them: values alone, without a database."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID


class TickStatus(StrEnum):
    """The documented values."""

    OK = "ok"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    ERROR = "error"


class TickSignal(StrEnum):
    """The documented values."""

    BUY = "buy"
    SELL = "sell"
    HOLD = "hold"


MICROSECOND = timedelta(microseconds=1)
LAST_ID = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the order of ticks, `scheduled_at` and then `id`; exact to the microsecond, as Postgres is."""

    scheduled_at: datetime
    id: UUID

    @classmethod
    def before_all_at(cls, scheduled_at: datetime) -> "Position":
        """Above every tick that is older than a time, and below those of it."""
        return cls(scheduled_at - MICROSECOND, LAST_ID)


# Postgres knows times outside these, and Python does not. No tick of a runner is there.
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC)
NEWEST = Position(LATEST, LAST_ID)


@dataclass(frozen=True, slots=True)
class Tick:
    """What a tick can be selected by, and the whole of it as a line of JSON."""

    id: UUID
    scheduled_at: datetime
    strategy_run_id: UUID | None
    user_id: UUID | None
    status: str | None
    signal: str | None
    reason: str | None
    latency_ms: int | None
    line: str

    @property
    def position(self) -> Position:
        return Position(self.scheduled_at, self.id)


@dataclass(frozen=True, slots=True)
class TickFilter:
    """All conditions must hold; of several values of one, any. An empty one lets everything pass.

    `reasons` are prefixes; `since` is part of the time asked for, `until` is not. What a tick does not say (null)
    matches no value.
    """

    strategy_run_ids: tuple[UUID, ...] = ()
    user_ids: tuple[UUID, ...] = ()
    statuses: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    min_latency_ms: int | None = None

    @property
    def start(self) -> Position:
        """Where the newest page begins."""
        return NEWEST if self.until is None else Position.before_all_at(min(max(self.until, EARLIEST), LATEST))

    @property
    def floor(self) -> datetime:
        """The earliest time asked for."""
        return EARLIEST if self.since is None else max(self.since, EARLIEST)

    @property
    def by_key(self) -> bool:
        """Whether an index beside that on time can find the ticks."""
        return bool(self.strategy_run_ids or self.user_ids)

    @property
    def columns(self) -> frozenset[str]:
        """The columns, `scheduled_at` aside, that are compared with something."""
        compared = {
            "strategy_run_id": self.strategy_run_ids,
            "user_id": self.user_ids,
            "status": self.statuses,
            "signal": self.signals,
            "reason": self.reasons,
            "latency_ms": self.min_latency_ms is not None,
        }
        return frozenset(name for name, given in compared.items() if given)

    def matches(self, tick: Tick) -> bool:
        """The same answer as the conditions of `sql/tick_page.sql` give."""
        return (
            (not self.strategy_run_ids or tick.strategy_run_id in self.strategy_run_ids)
            and (not self.user_ids or tick.user_id in self.user_ids)
            and (not self.statuses or tick.status in self.statuses)
            and (not self.signals or tick.signal in self.signals)
            and (not self.reasons or (tick.reason is not None and tick.reason.startswith(self.reasons)))
            and (self.since is None or tick.scheduled_at >= self.since)
            and (self.until is None or tick.scheduled_at < self.until)
            and (
                self.min_latency_ms is None or (tick.latency_ms is not None and tick.latency_ms >= self.min_latency_ms)
            )
        )


LONGEST_SCAN = timedelta(hours=24)
