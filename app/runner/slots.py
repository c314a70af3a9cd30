"""Which slots of a run were served, missed or are pending."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.runner.model import Run, Thresholds
from app.runner.served import ServedSlots, SlotOutcome
from app.runner.timeframes import EPOCH, slot_of


def activated_at(run: Run, thresholds: Thresholds) -> datetime | None:
    """The latest time at which the run is known to have become active; slots before it prove nothing.

    created_at, or updated_at, which activation sets. Where updated_at follows last_run_at within the shortest grace it
    was the runner that touched the row, and it says nothing of an activation. An activation that the first run follows
    as closely is one.
    """
    touched = run.updated_at
    if touched is not None and run.last_run_at is not None:
        by_runner = timedelta() <= touched - run.last_run_at <= thresholds.grace_min
        touched = None if by_runner else touched
    return max((at for at in (run.created_at, touched) if at is not None), default=None)


def first_due_slot(run: Run, since: datetime, thresholds: Thresholds) -> int:
    """The first slot that begins after `since` and is later than the one in which the run became active."""
    first = (since - EPOCH) // timedelta(seconds=run.period) + 1
    activated = activated_at(run, thresholds)
    return first if activated is None else max(first, slot_of(activated, run.period) + 1)


def last_passed_slot(run: Run, as_of: datetime, thresholds: Thresholds) -> int:
    """The last slot that, with its grace, has passed."""
    passed = as_of - thresholds.grace(run.period) - EPOCH
    # A slot whose grace ends at this very moment has not passed yet.
    return -(-passed // timedelta(seconds=run.period)) - 1


def expected_and_missed(
    run: Run, served: ServedSlots, since: datetime, as_of: datetime, thresholds: Thresholds
) -> tuple[int, int]:
    """How many slots came due after `since`, and how many of them no tick served."""
    first, last = first_due_slot(run, since, thresholds), last_passed_slot(run, as_of, thresholds)
    expected = max(last - first + 1, 0)
    return expected, expected - served.number_between(first, last)


def strip(  # noqa: PLR0913 - the last is one by its name
    run: Run, served: ServedSlots, since: datetime, as_of: datetime, thresholds: Thresholds, *, number: int
) -> tuple[SlotOutcome, ...]:
    """The last `number` slots, the oldest first, up to the one that is due at asOf; none that begins before `since`.

    It is shorter where a slot before the run's activation was not served: that is neither missed nor pending.
    """
    last, passed = slot_of(as_of, run.period), last_passed_slot(run, as_of, thresholds)
    first_due = first_due_slot(run, since, thresholds)
    oldest = max(last - number + 1, (since - EPOCH) // timedelta(seconds=run.period) + 1)
    outcomes: list[SlotOutcome] = []
    for slot in range(last, oldest - 1, -1):
        outcome = served.outcome(slot)
        if outcome is None and slot < first_due:
            break
        outcomes.append(outcome or (SlotOutcome.MISSED if slot <= passed else SlotOutcome.PENDING))
    return tuple(reversed(outcomes))


def lookback(runs: Sequence[Run], number: int, longest: timedelta) -> timedelta:
    """How far back `number` slots of every one of these runs reach, at most `longest`."""
    reach = timedelta(seconds=max((run.period for run in runs), default=0) * number)
    return min(reach, longest)
