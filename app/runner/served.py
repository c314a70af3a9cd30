"""Which slots of a run were served, and by what: sets of bits, which are merged and counted at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

WORD_BITS = 64


class SlotOutcome(StrEnum):
    OK = "ok"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    ERROR = "error"
    MISSED = "missed"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class SlotWord:
    """64 neighbouring slots of one run, slot `64 * word + n` in bit n: which were served, and by what.

    One slot may have several ticks, so one bit may be set in several members. `served` is by a tick of any status.
    """

    word: int
    served: int
    ok: int
    blocked: int
    error: int


@dataclass(frozen=True, slots=True)
class ServedSlots:
    """The slots of one run as sets of bits: bit n is slot `first + n`."""

    first: int
    served: int
    ok: int
    blocked: int
    error: int

    @classmethod
    def of(cls, words: Iterable[SlotWord]) -> Self:
        words = tuple(words)
        base = min((word.word for word in words), default=0)
        served = ok = blocked = error = 0
        for word in words:
            shift = (word.word - base) * WORD_BITS
            served |= word.served << shift
            ok |= word.ok << shift
            blocked |= word.blocked << shift
            error |= word.error << shift
        return cls(base * WORD_BITS, served, ok, blocked, error)

    def plus(self, other: Self) -> Self:
        """Those that either has."""
        if not self.served or not other.served:
            return self if self.served else other
        first = min(self.first, other.first)
        ours, theirs = self.first - first, other.first - first
        return type(self)(
            first,
            self.served << ours | other.served << theirs,
            self.ok << ours | other.ok << theirs,
            self.blocked << ours | other.blocked << theirs,
            self.error << ours | other.error << theirs,
        )

    def number_between(self, first: int, last: int) -> int:
        """How many of the slots from `first` to `last`, both included, were served."""
        if last < first:
            return 0
        bits = self.served >> (first - self.first) if first >= self.first else self.served << (self.first - first)
        return (bits & ((1 << (last - first + 1)) - 1)).bit_count()

    def outcome(self, slot: int) -> SlotOutcome | None:
        """Of several ticks in one slot an error counts first, then ok, then blocked. None where nobody served it."""
        if slot < self.first or not self.served >> (slot - self.first) & 1:
            return None
        for bits, outcome in (
            (self.error, SlotOutcome.ERROR),
            (self.ok, SlotOutcome.OK),
            (self.blocked, SlotOutcome.BLOCKED),
        ):
            if bits >> (slot - self.first) & 1:
                return outcome
        return SlotOutcome.SKIPPED


NONE_SERVED = ServedSlots(0, 0, 0, 0, 0)
