"""Locks, and what is wrong with some."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.runner.model import ACTIVE, Lock, Thresholds
from app.runner.timeframes import period_of

MOST_ITEMS = 50


@dataclass(frozen=True, slots=True)
class JudgedLock:
    """A row of strategy_locks and what is to be said of it. `overlong` and `orphaned` are never said of an expired one.

    `symbol` and `timeframe` are the run's, None where it is missing.
    """

    strategy_run_id: UUID
    lock_owner: str
    locked_until: datetime
    updated_at: datetime
    symbol: str | None
    timeframe: str | None
    held_seconds: float
    """asOf - updated_at, at least 0: how long it is held, as far as its row tells."""
    expired: bool
    """locked_until <= asOf."""
    orphaned: bool
    """Unexpired, and its run is missing or not active."""
    overlong: bool
    """Unexpired, and held for more than max(2 x the run's period, 10 min)."""
    longest_seconds: float
    """The limit it was held against."""


def judge_locks(locks: Sequence[Lock], as_of: datetime, thresholds: Thresholds) -> tuple[JudgedLock, ...]:
    """Every lock; those that something is wrong with first, then the unexpired ones, each held longest first."""
    judged = [_judged(lock, as_of, thresholds) for lock in locks]
    return tuple(
        sorted(
            judged,
            key=lambda lock: (
                not (lock.orphaned or lock.overlong),
                lock.expired,
                -lock.held_seconds,
                lock.strategy_run_id,
            ),
        )
    )


def _judged(lock: Lock, as_of: datetime, thresholds: Thresholds) -> JudgedLock:
    held = max(as_of - lock.updated_at, timedelta())
    longest = thresholds.longest_lock(period_of(lock.timeframe))
    expired = lock.locked_until <= as_of
    return JudgedLock(
        strategy_run_id=lock.strategy_run_id,
        lock_owner=lock.lock_owner,
        locked_until=lock.locked_until,
        updated_at=lock.updated_at,
        symbol=lock.symbol,
        timeframe=lock.timeframe,
        held_seconds=held.total_seconds(),
        expired=expired,
        orphaned=not expired and lock.run_status != ACTIVE,
        overlong=not expired and held > longest,
        longest_seconds=longest.total_seconds(),
    )
