"""What a long window adds up to, kept from one reading to the next, so that only what is new is read again.

Ticks are only ever added, and nearly all are written within minutes of their time. So the sum of those that are older
than that is kept; from one reading to the next some leave the window at its start and some become old enough at its
end. A tick that is written later than that is counted when all is read again, at most `READ_WHOLE_EVERY` afterwards.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Generic, Protocol, Self, TypeAlias, TypeVar
from uuid import UUID

from app.runner.model import Run, Slots, Thresholds
from app.runner.served import NONE_SERVED
from app.runner.slots import activated_at

SETTLES_AFTER = timedelta(minutes=10)
READ_WHOLE_EVERY = timedelta(minutes=5)
# In a shorter one little is old, and a tick that came late would be gone from it before all is read again.
LEAST_WINDOW = timedelta(hours=6)
# Of a sum: what memory it may take.
MOST_KEYS = 200_000

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Span:
    """Ticks scheduled later than `after`, up to `until`."""

    after: datetime
    until: datetime


class Sum(Protocol):
    """What the ticks of a span add up to."""

    def __len__(self) -> int: ...
    def plus(self, other: Self) -> Self: ...
    def minus(self, other: Self) -> Self | None:
        """None when more would be taken away than there is."""
        ...


@dataclass(frozen=True, slots=True)
class Counts(Generic[K]):
    """How many ticks there are of each kind."""

    numbers: Mapping[K, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)

    def plus(self, other: Self) -> Self:
        total = Counter(self.numbers)
        total.update(other.numbers)
        return type(self)(total)

    def minus(self, other: Self) -> Self | None:
        left = dict(self.numbers)
        for key, number in other.numbers.items():
            left[key] = left.get(key, 0) - number
            if left[key] < 0:
                return None
            if left[key] == 0:
                del left[key]
        return type(self)(left)


@dataclass(frozen=True, slots=True)
class ServedRuns:
    """The slots that were served, by run."""

    slots: Slots = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.slots)

    def plus(self, other: Self) -> Self:
        total = dict(self.slots)
        for run, served in other.slots.items():
            total[run] = total.get(run, NONE_SERVED).plus(served)
        return type(self)(total)

    def minus(self, other: Self) -> Self:  # noqa: ARG002 - a slot before the window is not looked at, served or not
        return self

    def of(self, runs: AbstractSet[UUID]) -> Self:
        return type(self)({run: served for run, served in self.slots.items() if run in runs})


S = TypeVar("S", bound=Sum)


@dataclass(frozen=True, slots=True)
class Settled(Generic[S]):
    """The sum of a span of old ticks. `table` says what the table was like, `whole_at` when all of it was read."""

    sum: S
    span: Span
    whole_at: datetime
    table: str


@dataclass(frozen=True, slots=True)
class Steps(Generic[S]):
    """How to come to the sum of a span: what is kept, less `leaving`, with `entering` kept from now on, and `open`."""

    kept: Settled[S] | None
    leaving: Span | None
    entering: Span
    open: Span


def steps(kept: Settled[S] | None, wanted: Span, as_of: datetime, table: str) -> Steps[S]:
    """From what is kept, where it may be used: not after DDL or a deletion, nor when a clock was set, nor for long."""
    border = as_of - SETTLES_AFTER
    if kept is not None and _usable(kept, wanted, border, as_of, table):
        leaving = Span(kept.span.after, wanted.after)
        return Steps(kept, leaving, Span(kept.span.until, border), Span(border, wanted.until))
    return Steps(None, None, Span(wanted.after, border), Span(border, wanted.until))


def _usable(kept: Settled[S], wanted: Span, border: datetime, as_of: datetime, table: str) -> bool:
    return (
        kept.table == table
        and kept.span.after <= wanted.after <= kept.span.until <= border
        and timedelta() <= as_of - kept.whole_at < READ_WHOLE_EVERY
    )


def settled(taken: Steps[S], entering: S, leaving: S | None, as_of: datetime, table: str) -> Settled[S] | None:
    """What to keep; None when what was kept cannot have been right, or is too much to keep."""
    total: S | None = entering
    whole_at, after = as_of, taken.entering.after
    if taken.kept is not None and leaving is not None and taken.leaving is not None:
        total = taken.kept.sum.plus(entering).minus(leaving)
        whole_at, after = taken.kept.whole_at, taken.leaving.until
    if total is None or len(total) > MOST_KEYS:
        return None
    return Settled(total, Span(after, taken.entering.until), whole_at, table)


RunKind: TypeAlias = tuple[str | None, UUID | None]
"""What the slots of a run depend on: its timeframe, and whose ticks are its own."""


def kind_of(run: Run) -> RunKind:
    return run.timeframe, run.user_id


def kept_slots(
    kept: Settled[ServedRuns] | None,
    read: Mapping[UUID, RunKind],
    active: Sequence[Run],
    thresholds: Thresholds,
) -> Settled[ServedRuns] | None:
    """The kept slots of those of the runs that are active now; `read` is what the active ones were at that reading.

    None where one of them was not active then, or of another kind, unless it became active afterwards: of its slots,
    none before that is looked at.
    """
    if kept is None:
        return None
    same = {run.id for run in active if read.get(run.id) == kind_of(run)}
    for run in active:
        since = activated_at(run, thresholds)
        if run.id not in same and (since is None or since < kept.span.until):
            return None
    return replace(kept, sum=kept.sum.of(same))
