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
# Of a sum; of counts, 200,000 take some 30 MB.
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

    def minus(self, _other: Self) -> Self:
        """Nothing is known of who else served a slot, nor need be."""
        return self

    def of(self, runs: AbstractSet[UUID]) -> Self:
        return type(self)({run: served for run, served in self.slots.items() if run in runs})


S = TypeVar("S", bound=Sum)


@dataclass(frozen=True, slots=True)
class Settled(Generic[S]):
    """The sum of a span of old ticks: the state that the table was in, and when all of the span was read at once."""

    sum: S
    span: Span
    whole_at: datetime
    table_state: str


@dataclass(frozen=True, slots=True)
class Steps(Generic[S]):
    """The way to the sum of a span: what is kept, less `leaving`, with `entering` kept from now on, and `open`."""

    kept: Settled[S] | None
    leaving: Span | None
    entering: Span
    open: Span


def steps(kept: Settled[S] | None, wanted: Span, as_of: datetime, table_state: str) -> Steps[S]:
    """From what is kept, where it may be used: not after DDL or a deletion, nor when a clock was set, nor for long."""
    border = as_of - SETTLES_AFTER
    if kept is not None and _usable(kept, wanted, border, as_of, table_state):
        leaving = Span(kept.span.after, wanted.after)
        return Steps(kept, leaving, Span(kept.span.until, border), Span(border, wanted.until))
    return Steps(None, None, Span(wanted.after, border), Span(border, wanted.until))


def _usable(kept: Settled[S], wanted: Span, border: datetime, as_of: datetime, table_state: str) -> bool:
    return (
        kept.table_state == table_state
        and kept.span.after <= wanted.after <= kept.span.until <= border
        and timedelta() <= as_of - kept.whole_at < READ_WHOLE_EVERY
    )


def settled(way: Steps[S], entering: S, leaving: Sequence[S], as_of: datetime, table_state: str) -> Settled[S] | None:
    """What to keep; None when what was kept cannot have been right, or is too much to keep."""
    total: S | None = entering
    whole_at, after = as_of, way.entering.after
    if way.kept is not None and way.leaving is not None:
        total = way.kept.sum.plus(entering)
        whole_at, after = way.kept.whole_at, way.leaving.until
    for part in leaving:
        total = total.minus(part) if total is not None else None
    if total is None or len(total) > MOST_KEYS:
        return None
    return Settled(total, Span(after, way.entering.until), whole_at, table_state)


RunKind: TypeAlias = tuple[str | None, UUID | None]
"""What the slots of a run depend on: its timeframe, and whose ticks are its own."""


def kind_of(run: Run) -> RunKind:
    return run.timeframe, run.user_id


@dataclass(frozen=True, slots=True)
class Told:
    """Which slots of a run a sum tells: those of a run of this kind, and of them all, or those later than `since`."""

    kind: RunKind
    since: datetime | None = None


def all_told(active: Sequence[Run]) -> dict[UUID, Told]:
    """What a reading of all of the window tells."""
    return {run.id: Told(kind_of(run)) for run in active}


def kept_slots(
    kept: Settled[ServedRuns], told: Mapping[UUID, Told], active: Sequence[Run], thresholds: Thresholds
) -> tuple[Settled[ServedRuns], dict[UUID, Told]] | None:
    """The kept slots of the runs that are active now, and which of each run they tell.

    A run that was not active, or was of another kind, is told of from the end of what is kept. None where a run must be
    told of from earlier: it became active before, by what its row says now.
    """
    now: dict[UUID, Told] = {}
    for run in active:
        before = told.get(run.id)
        now[run.id] = before if before and before.kind == kind_of(run) else Told(kind_of(run), kept.span.until)
        least, since = now[run.id].since, activated_at(run, thresholds)
        if least is not None and (since is None or since < least):
            return None
    same = {run for run, one in now.items() if told.get(run) == one}
    return replace(kept, sum=kept.sum.of(same)), now
