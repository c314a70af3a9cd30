"""The run grid: every active run with its recent slots, the worst first."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.runner.causes import Cause, cause_of
from app.runner.locks import JudgedLock
from app.runner.reasons import Reason
from app.runner.report import SectionReport
from app.runner.schedule import Standing, State
from app.runner.served import NONE_SERVED, SlotOutcome
from app.runner.situation import Situation
from app.runner.slots import strip
from app.runner.status import section_reports
from app.runner.verdict import Verdict, reasons_for, verdict_of

FEWEST_SLOTS, USUAL_SLOTS, MOST_SLOTS = 12, 60, 120

# Slots are never looked for further back: a strategy of a long timeframe shows fewer.
LONGEST_LOOKBACK = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class GridRow:
    """An active run at asOf."""

    strategy_run_id: UUID
    user_id: UUID | None
    symbol: str | None
    timeframe: str | None
    state: State
    last_tick_at: datetime | None
    """The newest own tick, as far back as the run's history was read."""
    next_expected_at: datetime
    """The first slot after the run's reference: the one its next tick should serve, past or to come."""
    late_by_seconds: float
    """asOf - nextExpectedAt; 0 on time."""
    streak: int
    """Own error ticks later than the newest own ok one."""
    last_error_since: datetime | None
    """The first error of the streak."""
    lock: JudgedLock | None
    """The row of strategy_locks for this run, expired or not."""
    cause: Cause | None
    """Of an overdue run."""
    slots: tuple[SlotOutcome, ...] | None
    """The last slots up to the one due at asOf, the oldest first, from at most 24 h; None where they could not be read.
    Missed: its grace has passed and no own tick serves it. Pending: not yet. Otherwise what its ticks were, of several
    the first of error, ok, blocked, skipped (or a status that is not documented)."""

    def recent(self, number: int) -> tuple[SlotOutcome, ...] | None:
        """The last `number` of the slots."""
        return self.slots[-number:] if self.slots is not None else None

    def missed(self, number: int) -> int | None:
        """How many of the last `number` slots were missed."""
        recent = self.recent(number)
        return None if recent is None else sum(outcome is SlotOutcome.MISSED for outcome in recent)


@dataclass(frozen=True, slots=True)
class RunsReport:
    """The grid. `runs` is None where runs could not be judged."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    as_of: datetime
    duration_ms: int
    runs: tuple[GridRow, ...] | None
    """Overdue by how late they are, then error streaks, then late ones, then the others; then by id."""
    sections: Mapping[str, SectionReport]


def runs_report(situation: Situation, *, duration_ms: int) -> RunsReport:
    """The grid of a reading, with as many slots as can be asked for."""
    reading = situation.reading
    found = reasons_for(situation)
    rows = None
    if situation.standings is not None:
        rows = tuple(sorted((_row(situation, one) for one in situation.standings), key=_worst_first(situation)))
    return RunsReport(
        verdict=verdict_of(found),
        reasons=found,
        as_of=reading.as_of,
        duration_ms=duration_ms,
        runs=rows,
        sections=section_reports(reading),
    )


def is_failing(row: GridRow, least: int) -> bool:
    """Whether a row's streak is one to report."""
    return row.streak >= least


def _worst_first(situation: Situation) -> Callable[[GridRow], tuple[bool, float, int, bool, UUID]]:
    least = situation.thresholds.error_streak

    def key(row: GridRow) -> tuple[bool, float, int, bool, UUID]:
        overdue = row.state is State.OVERDUE
        return (
            not overdue,
            -row.late_by_seconds if overdue else 0.0,
            -row.streak if is_failing(row, least) else 0,
            row.state is not State.LATE,
            row.strategy_run_id,
        )

    return key


def _row(situation: Situation, one: Standing) -> GridRow:
    reading, run, history = situation.reading, one.run, one.history
    lock = situation.lock_of(run)
    slots = None
    if reading.slots is not None:
        since = reading.as_of - LONGEST_LOOKBACK
        served = reading.slots.get(run.id, NONE_SERVED)
        slots = strip(run, served, since, reading.as_of, situation.thresholds, number=MOST_SLOTS)
    return GridRow(
        strategy_run_id=run.id,
        user_id=run.user_id,
        symbol=run.symbol,
        timeframe=run.timeframe,
        state=one.state,
        last_tick_at=history.newest_at if history is not None else None,
        next_expected_at=one.due,
        late_by_seconds=one.late_by.total_seconds(),
        streak=history.tail_errors if history is not None else 0,
        last_error_since=history.first_error_at if history is not None else None,
        lock=lock,
        cause=cause_of(one, lock, silent=situation.silent),
        slots=slots,
    )
