"""Why a run is overdue, as far as its rows tell."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.runner.locks import JudgedLock
from app.runner.model import BLOCKED, ERROR
from app.runner.schedule import Standing, State


class CauseKind(StrEnum):
    SCHEDULER_SILENT = "scheduler_silent"
    LOCKED = "locked"
    BLOCKED = "blocked"
    ERRORING = "erroring"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Cause:
    """The cause of an overdue run."""

    kind: CauseKind
    by: str | None = None
    """`locked`: the lock's owner."""
    since: datetime | None = None
    """`locked`: when the lock was taken (updated_at). `blocked`, `erroring`: the newest tick."""
    reason: str | None = None
    """`blocked`, `erroring`: that of the newest tick."""


def cause_of(one: Standing, lock: JudgedLock | None, *, silent: bool) -> Cause | None:
    """None unless overdue; `lock` is the run's.

    A silent scheduler explains every run; then an unexpired lock does, then the newest tick.
    """
    if one.state is not State.OVERDUE:
        return None
    if silent:
        return Cause(CauseKind.SCHEDULER_SILENT)
    if lock is not None and not lock.expired:
        return Cause(CauseKind.LOCKED, by=lock.lock_owner, since=lock.updated_at)
    history = one.history
    kinds = {BLOCKED: CauseKind.BLOCKED, ERROR: CauseKind.ERRORING}
    if history is None or history.newest_status not in kinds:
        return Cause(CauseKind.UNKNOWN)
    return Cause(kinds[history.newest_status], since=history.newest_at, reason=history.newest_reason)
