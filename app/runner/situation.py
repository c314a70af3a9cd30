"""A reading with what several rules need of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app.runner.locks import JudgedLock, judge_locks
from app.runner.model import History, Reading, Run, Thresholds
from app.runner.schedule import Standing, scheduler_silent, standings


@dataclass(frozen=True, slots=True)
class Situation:
    """A reading with what several rules need of it. `standings` is None where runs could not be judged."""

    reading: Reading
    thresholds: Thresholds
    enabled: bool | None
    standings: tuple[Standing, ...] | None
    locks: tuple[JudgedLock, ...] | None
    silent: bool
    locks_by_run: Mapping[UUID, JudgedLock]
    paused_users: frozenset[UUID] | None

    @classmethod
    def of(cls, reading: Reading, thresholds: Thresholds, *, enabled: bool | None) -> "Situation":
        judged = standings(reading, thresholds)
        locks = judge_locks(reading.locks, reading.as_of, thresholds) if reading.locks is not None else None
        silent = judged is not None and scheduler_silent(reading, judged, thresholds)
        return cls(
            reading,
            thresholds,
            enabled,
            judged,
            locks,
            silent,
            locks_by_run={lock.strategy_run_id: lock for lock in locks or ()},
            paused_users=(
                frozenset(paused.user_id for paused in reading.paused_users)
                if reading.paused_users is not None
                else None
            ),
        )

    @property
    def horizon(self) -> timedelta:
        return self.thresholds.horizon(self.reading.runs.active if self.reading.runs is not None else ())

    @property
    def histories(self) -> list[tuple[Standing, History]]:
        """The judged active runs that have ticks."""
        return [(one, one.history) for one in self.standings or () if one.history is not None]

    def paused_user(self, run: Run) -> bool | None:
        """Whether the user of a run is paused; None where that could not be read."""
        return run.user_id in self.paused_users if self.paused_users is not None else None

    def lock_of(self, run: Run) -> JudgedLock | None:
        """The row of strategy_locks for a run, expired or not."""
        return self.locks_by_run.get(run.id)
