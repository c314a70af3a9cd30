"""New ticks for any number of listeners, from one poller."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from app.errors import BusyError, DatabaseError
from app.postgres.tick_filter import EARLIEST, LONGEST_SCAN, Position, Tick, TickFilter
from app.postgres.ticks import Ticks

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
# The runner writes rows of one scheduled_at over a while, with random ids: nothing but reading again finds them all.
RE_READ = timedelta(minutes=10)
# More recent ticks than a platform has in RE_READ; 16 bytes each to read.
MOST_RECENT = 200_000
PAGE = 500
# Ticks that wait for a listener that reads slowly, before it is dropped.
LONGEST_QUEUE = 5000
MOST_LISTENERS = 2000


class NoticeKind(StrEnum):
    """What a listener is told besides ticks. After `dropped` and `closed` nothing follows."""

    GAP = "gap"
    STALLED = "stalled"
    RECOVERED = "recovered"
    DROPPED = "dropped"
    CLOSED = "closed"


LAST_NOTICES = (NoticeKind.DROPPED, NoticeKind.CLOSED)


@dataclass(frozen=True, slots=True)
class Notice:
    """`detail` is one sentence for a person."""

    kind: NoticeKind
    detail: str


Events: TypeAlias = Sequence[Tick | Notice]


class Listener:
    """One filter, and what waits for whoever listens."""

    def __init__(self, wanted: TickFilter) -> None:
        self.wanted = wanted
        self._waiting: list[Tick | Notice] = []
        self._something = asyncio.Event()
        self._ended = False

    def offer(self, ticks: Sequence[Tick]) -> None:
        """Ticks that match. Where they do not fit any more is the end: to leave some out would look as if they had not
        been.
        """
        if self._ended or not ticks:
            return
        if len(self._waiting) + len(ticks) <= LONGEST_QUEUE:
            self._put(ticks)
            return
        self._waiting.clear()
        self.tell(Notice(NoticeKind.DROPPED, f"More than {LONGEST_QUEUE} ticks waited to be read."))

    def tell(self, notice: Notice) -> None:
        if not self._ended:
            self._ended = notice.kind in LAST_NOTICES
            self._put([notice])

    async def events(self) -> AsyncIterator[Events]:
        """All that waits, again and again, until a notice that is the last."""
        while True:
            await self._something.wait()
            self._something.clear()
            batch, self._waiting = self._waiting, []
            yield batch
            if isinstance(batch[-1], Notice) and batch[-1].kind in LAST_NOTICES:
                return

    def _put(self, events: Events) -> None:
        self._waiting.extend(events)
        self._something.set()


class TickFeed:
    """Polls while anyone listens, and asks the database once however many do.

    Every poll reads the ids of the last RE_READ and passes on the ticks whose ids are new, so that a tick is found
    however late it is written and whatever its id. A tick may come twice, and out of order.
    """

    def __init__(self, ticks: Ticks, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._ticks = ticks
        self._poll_seconds = poll_seconds
        self._listeners: set[Listener] = set()
        self._starting = asyncio.Lock()
        self._poller: asyncio.Task[None] | None = None
        self._as_of = EARLIEST
        self._known: frozenset[bytes] = frozenset()
        self._closed = False

    async def listen(self, wanted: TickFilter, after: Position | None = None) -> AsyncGenerator[Events | None]:
        """Ticks that match, some at a time. None comes once, when listening has begun: what is written from then on is
        given.

        With a position, first what was written since the tick there was, as far as a day back; a longer gap is told.
        Ticks that were written more than RE_READ after their time are not found. Raises BusyError, or DatabaseError
        when a column is missing, or what was missed cannot be read; once listening has begun, faults are notices.
        """
        await self._ticks.require_columns(wanted)
        position: Position | None = None
        if after is not None:
            as_of, _ = await self._ticks.recent(None, 0)
            settled, oldest = _earlier(as_of, RE_READ), _earlier(as_of, LONGEST_SCAN)
            start = _earlier(after.scheduled_at, RE_READ)
            if start < oldest:
                yield [Notice(NoticeKind.GAP, f"Ticks scheduled before {oldest.isoformat()} are left out.")]
            position = Position.before_all_at(max(start, oldest))
            # What is settled needs no listening meanwhile, so that nothing piles up however long it takes.
            async for page in self._from(position, before=settled):
                position = page[-1].position
                if matching := list(filter(wanted.matches, page)):
                    yield matching
        async with self._listening(wanted) as listener:
            yield None
            given: set[UUID] = set()
            if position is not None:
                async for page in self._from(position):
                    if matching := list(filter(wanted.matches, page)):
                        given.update(tick.id for tick in matching)
                        yield matching
            async for batch in listener.events():
                if new := [event for event in batch if not _is_among(event, given)]:
                    yield new

    def shut(self) -> None:
        """End every listening, now and from now on."""
        self._closed = True
        for listener in self._listeners:
            listener.tell(Notice(NoticeKind.CLOSED, "The service is shutting down."))

    async def close(self) -> None:
        self.shut()
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.wait([self._poller])

    async def _from(self, position: Position, *, before: datetime | None = None) -> AsyncIterator[list[Tick]]:
        """Ticks above a position in their order, up to a time, by pages."""
        while True:
            page = await self._ticks.after(position, PAGE)
            some = [tick for tick in page if before is None or tick.scheduled_at < before]
            if some:
                yield some
            if len(some) < PAGE:
                return
            position = some[-1].position

    @asynccontextmanager
    async def _listening(self, wanted: TickFilter) -> AsyncIterator[Listener]:
        if len(self._listeners) >= MOST_LISTENERS:
            raise BusyError(f"{MOST_LISTENERS} streams are open, which is as many as may be.")
        listener = Listener(wanted)
        async with self._starting:
            if self._poller is None or self._poller.done():
                self._as_of, ids = await self._ticks.recent(None, MOST_RECENT)
                self._known = frozenset(ids)
                self._poller = asyncio.create_task(self._poll_on())
            self._listeners.add(listener)
        if self._closed:
            self.shut()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def _poll_on(self) -> None:
        stalled = False
        try:
            while self._listeners:
                await asyncio.sleep(self._poll_seconds)
                try:
                    await self._poll()
                except DatabaseError as error:
                    if not stalled:
                        logger.warning("new ticks cannot be read: %s", error)
                        self._tell(Notice(NoticeKind.STALLED, str(error)))
                    stalled = True
                else:
                    if stalled:
                        self._tell(Notice(NoticeKind.RECOVERED, "Ticks can be read again; none were missed."))
                    stalled = False
        finally:
            # Without a poller nobody may go on waiting for ticks, whatever ended it.
            self._tell(Notice(NoticeKind.CLOSED, "Ticks are not read any more."))

    async def _poll(self) -> None:
        since = _earlier(self._as_of, RE_READ)
        as_of, ids = await self._ticks.recent(since, MOST_RECENT)
        new = [id_ for id_ in ids if id_ not in self._known]
        for place in range(0, len(new), PAGE):
            ticks = await self._ticks.by_ids(new[place : place + PAGE], since)
            # Many listen with the same filter, most of them with none.
            matching: dict[TickFilter, list[Tick]] = {}
            for listener in self._listeners:
                if listener.wanted not in matching:
                    matching[listener.wanted] = list(filter(listener.wanted.matches, ticks))
                listener.offer(matching[listener.wanted])
        self._as_of, self._known = as_of, frozenset(ids)

    def _tell(self, notice: Notice) -> None:
        for listener in self._listeners:
            listener.tell(notice)


def _is_among(event: Tick | Notice, given: set[UUID]) -> bool:
    """Whether it is a tick that was given already. It comes no third time."""
    if not isinstance(event, Tick) or event.id not in given:
        return False
    given.remove(event.id)
    return True


def _earlier(time: datetime, duration: timedelta) -> datetime:
    return max(time, EARLIEST + duration) - duration
