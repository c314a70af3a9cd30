"""Reading what a window of ticks adds up to; of a long one, only what is new since the last reading."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from app.postgres.sections import SectionReader
from app.postgres.statements import statement
from app.runner.figures import Window, most_frequent
from app.runner.model import BucketCounts, InBucket, Run, Section, Slots, Thresholds, WindowCounts
from app.runner.served import WORD_BITS, ServedSlots, SlotWord
from app.runner.settled import (
    LEAST_WINDOW,
    Counts,
    ServedRuns,
    Settled,
    Span,
    Sum,
    Told,
    all_told,
    kept_slots,
    settled,
    steps,
)
from app.runner.timeframes import FALLBACK_SECONDS, LEAD

WORD_MASK = (1 << WORD_BITS) - 1
MOST_REASONS = 10
# Of a sum that is kept all reasons must be known, for any may become frequent. One with more is not kept.
MOST_REASONS_KEPT = 10_000

Said: TypeAlias = tuple[str, str | None, int | None]
"""A kind of figure, and what of that kind a tick says: a name, or a number of milliseconds."""
S = TypeVar("S", bound=Sum)


@dataclass
class WindowMemory:
    """What is kept of one window from one reading to the next. Readings replace its parts, and change none."""

    window: Window
    ticks: Settled[Counts[Said]] | None = None
    series: Settled[Counts[InBucket]] | None = None
    slots: Settled[ServedRuns] | None = None
    told: Mapping[UUID, Told] = field(default_factory=dict)

    @property
    def is_kept(self) -> bool:
        return self.window.length >= LEAST_WINDOW


class WindowReader:
    """One reading of one window in a transaction. Without a state of the table nothing is kept; see tick_table.sql."""

    def __init__(
        self, reader: SectionReader, schema: str, as_of: datetime, memory: WindowMemory, table_state: str
    ) -> None:
        self._reader = reader
        self._identifiers = {"schema": schema}
        self._as_of = as_of
        self._window = memory.window
        self._memory = memory
        self._table_state = table_state

    async def slots(self, active: Sequence[Run], thresholds: Thresholds) -> Slots | None:
        """The slots of these runs that were served in the window."""
        known = known_periods(active)

        async def read(span: Span) -> ServedRuns | None:
            rows = await self._fetch(Section.SLOTS, "served_slots", span.until, span.after, *known)
            return ServedRuns(served_slots(rows)) if rows is not None else None

        kept, told = None, all_told(active)
        if self._memory.slots is not None:
            kept, told = kept_slots(self._memory.slots, self._memory.told, active, thresholds) or (None, told)
        wanted = Span(self._as_of - self._window.length - LEAD, self._as_of + LEAD)
        # A slot before the window is not looked at, so what leaves need not be taken away.
        found, self._memory.slots = await self._sum(Section.SLOTS, kept, wanted, read, takes_away=False)
        self._memory.told = told if self._reader.results[Section.SLOTS].remembered else all_told(active)
        return found.slots if found is not None else None

    async def ticks(self) -> WindowCounts | None:
        complete = True

        async def read(span: Span, most: int = MOST_REASONS_KEPT) -> Counts[Said] | None:
            nonlocal complete
            rows = await self._fetch(Section.TICKS, "window_counts", span.until, span.after, most)
            if rows is None:
                return None
            counts = Counts({(row["kind"], row["name"], row["ms"]): row["number"] for row in rows})
            complete = complete and sum(kind == "reason" for kind, _, _ in counts.numbers) < most
            return counts

        found, self._memory.ticks = await self._sum(Section.TICKS, self._memory.ticks, self._wanted, read)
        if found is not None and self._is_kept and not complete:
            # A reason that was left out of one part may be frequent in all of them.
            found, self._memory.ticks = await read(self._wanted, MOST_REASONS), None
        return window_counts(found) if found is not None else None

    async def series(self) -> BucketCounts | None:
        async def read(span: Span) -> Counts[InBucket] | None:
            rows = await self._fetch(Section.SERIES, "window_series", span.until, span.after, self._window.bucket)
            if rows is None:
                return None
            return Counts({(row["bucket"], row["status"], row["band"]): row["number"] for row in rows})

        found, self._memory.series = await self._sum(Section.SERIES, self._memory.series, self._wanted, read)
        return found.numbers if found is not None else None

    async def _fetch(self, section: Section, name: str, *arguments: object) -> Sequence[Any] | None:
        return await self._reader.fetch(section, statement(name, self._identifiers), *arguments)

    @property
    def _wanted(self) -> Span:
        return Span(self._as_of - self._window.length, self._as_of)

    @property
    def _is_kept(self) -> bool:
        return bool(self._table_state) and self._memory.is_kept

    async def _sum(
        self,
        section: Section,
        before: Settled[S] | None,
        wanted: Span,
        read: Callable[[Span], Awaitable[S | None]],
        *,
        takes_away: bool = True,
    ) -> tuple[S | None, Settled[S] | None]:
        """The sum of the wanted span, and what to keep of it. Neither where a part could not be read."""
        if not self._is_kept:
            return await read(wanted), None
        way = steps(before, wanted, self._as_of, self._table_state)
        parts = []
        for span in (way.entering, way.open, *([way.leaving] if way.leaving is not None and takes_away else [])):
            part = await read(span)
            if part is None:
                return None, None
            parts.append(part)
        entering, newest, *leaving = parts
        kept = settled(way, entering, leaving, self._as_of, self._table_state)
        if way.kept is None:
            return entering.plus(newest), kept
        if kept is None:
            return await self._sum(section, None, wanted, read, takes_away=takes_away)
        self._reader.from_memory(section)
        return kept.sum.plus(newest), kept


def known_periods(active: Sequence[Run]) -> tuple[list[str | None], list[int], int]:
    """What a query knows of timeframes: those that can be parsed, their periods, and that of all others."""
    periods = {run.timeframe: run.period for run in active if run.parsable}
    return list(periods), list(periods.values()), FALLBACK_SECONDS


def served_slots(rows: Iterable[Mapping[str, Any]]) -> dict[UUID, ServedSlots]:
    """Of rows with the words of runs: which slots were served and, where they tell, by what."""
    words = defaultdict(list)
    for row in rows:
        words[row["id"]].append(_word(row))
    return {run: ServedSlots.of(some) for run, some in words.items()}


def _word(row: Mapping[str, Any]) -> SlotWord:
    """Bits that Postgres counts as signed, and none where nothing was found."""
    served = row["served"] & WORD_MASK
    if "ok" not in row:
        return SlotWord(row["word"], served, 0, 0, 0)
    return SlotWord(row["word"], served, *((row[name] or 0) & WORD_MASK for name in ("ok", "blocked", "error")))


def window_counts(counts: Counts[Said]) -> WindowCounts:
    by_kind: dict[str, list[tuple[Any, Any, int]]] = defaultdict(list)
    for (kind, name, ms), number in counts.numbers.items():
        by_kind[kind].append((name, ms, number))
    return WindowCounts(
        by_status={name: number for name, _, number in by_kind["status"]},
        by_signal={name: number for name, _, number in by_kind["signal"]},
        by_latency={ms: number for _, ms, number in by_kind["latency"]},
        by_delay={ms: number for _, ms, number in by_kind["delay"]},
        reasons=most_frequent({name: number for name, _, number in by_kind["reason"]}, MOST_REASONS),
    )
