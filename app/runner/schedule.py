"""When a run should have ticked, and whether it did."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.runner.model import History, Reading, Run, Section, Thresholds
from app.runner.timeframes import EPOCH, LEAD, slot_of, slot_start


class State(StrEnum):
    ON_TIME = "onTime"
    LATE = "late"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class Standing:
    """An active run at asOf. `due` is the first slot after its reference: the one its next tick should serve."""

    run: Run
    history: History | None
    reference: datetime
    due: datetime
    state: State
    late_by: timedelta
    """asOf - due; zero on time."""


def reference(run: Run, history: History | None, as_of: datetime, *, updates: bool = True) -> datetime:
    """The latest sign of life of a run: its newest tick, last_run_at, created_at and, with `updates`, updated_at.

    A time ahead of asOf + 5 s is a clock's mistake and no sign of life. Where nothing is left, nothing is due: asOf.
    """
    signs = (
        history.newest_at if history is not None else None,
        run.last_run_at,
        run.created_at,
        run.updated_at if updates else None,
    )
    return max((sign for sign in signs if sign is not None and sign <= as_of + LEAD), default=as_of)


def standing(
    run: Run, history: History | None, as_of: datetime, thresholds: Thresholds, *, updates: bool = True
) -> Standing:
    """Late past the first slot after the reference, overdue past that slot and the grace."""
    since = reference(run, history, as_of, updates=updates)
    due = slot_start(slot_of(since, run.period) + 1, run.period)
    late_by = max(as_of - due, timedelta())
    state = State.LATE if late_by else State.ON_TIME
    if late_by > thresholds.grace(run.period):
        state = State.OVERDUE
    return Standing(run, history, since, due, state, late_by)


def beyond_horizon(run: Run, horizon: timedelta, thresholds: Thresholds) -> bool:
    """Whether the horizon is too short to hold the last ticks that this run is judged by."""
    ticks = max(thresholds.horizon_periods, thresholds.error_streak, thresholds.not_working_ticks)
    return timedelta(seconds=run.period * ticks) + thresholds.grace(run.period) > horizon


def standings(reading: Reading, thresholds: Thresholds) -> tuple[Standing, ...] | None:
    """Of every active run that can be judged; None when runs or their ticks could not be read.

    Where the rows stored last could not be read, a run without a tick in the horizon is only judged if it is on time.
    """
    if reading.runs is None or reading.activity is None:
        return None
    blind = _could_not_be_read(reading, Section.STORED)
    judged = (standing(run, reading.history(run), reading.as_of, thresholds) for run in reading.runs.active)
    return tuple(one for one in judged if not (blind and one.history is None and one.state is not State.ON_TIME))


def _could_not_be_read(reading: Reading, section: Section) -> bool:
    result = reading.sections.get(section)
    return result is not None and result.error is not None


def newest_tick_of_anyone(reading: Reading) -> datetime | None:
    """The newest tick that the horizon, or a judged run's history, holds; foreign ones and those ahead left out."""
    if reading.activity is None or reading.runs is None:
        return None
    histories = (reading.history(run) for run in reading.runs.judged)
    times = [history.newest_at for history in histories if history is not None]
    others = reading.activity.others_newest_at
    return max([*times, *([others] if others is not None else [])], default=None)


def scheduler_silent(reading: Reading, judged: tuple[Standing, ...], thresholds: Thresholds) -> bool:
    """Whether it is the scheduler, not a run: a run is overdue, nobody served a slot that came due since, and no tick
    came within 3 x the shortest active period + its grace.

    A job that touches every row would hide the silence, so updated_at counts only for a run that neither ticked nor ran
    within the longest horizon: there it is all that says when the run was activated.
    """
    if not judged:
        return False
    as_of = reading.as_of
    shortest = min(one.run.period for one in judged)
    newest = newest_tick_of_anyone(reading)
    limit = timedelta(seconds=shortest * thresholds.silence_periods) + thresholds.grace(shortest)
    if newest is not None and as_of - newest <= limit:
        return False
    served = max(_newest_slots(reading), default=EPOCH)
    return any(
        one.state is State.OVERDUE and one.due > served for one in _regardless_of_updates(judged, as_of, thresholds)
    )


def _regardless_of_updates(
    judged: tuple[Standing, ...], as_of: datetime, thresholds: Thresholds
) -> tuple[Standing, ...]:
    def was_alive(one: Standing) -> bool:
        signs = (one.history.newest_at if one.history is not None else None, one.run.last_run_at)
        return any(sign is not None and sign >= as_of - thresholds.horizon_max for sign in signs)

    return tuple(standing(one.run, one.history, as_of, thresholds, updates=not was_alive(one)) for one in judged)


def _newest_slots(reading: Reading) -> list[datetime]:
    """The newest slot that each run served. A run that is not judged has no known period: its tick stands for one."""
    slots = []
    for run in reading.runs.judged if reading.runs is not None else ():
        history = reading.history(run)
        if history is not None:
            slots.append(slot_start(slot_of(history.newest_at, run.period), run.period))
    others = reading.activity.others_newest_at if reading.activity is not None else None
    return [*slots, *([others + LEAD] if others is not None else [])]
