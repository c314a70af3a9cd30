"""One read for all who ask: while it runs they wait for the same one, and its result is reused for a while."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shared(Generic[T]):
    """A result; `cached` when it was there before it was asked for."""

    value: T
    cached: bool


class SharedRead(Generic[T]):
    """Single flight with a short memory, for one event loop.

    A read goes on when those who wait for it give up, so that the next one finds its result. Failures are told to all
    who wait, and not remembered. There is no library for `fresh`: they either share a flight or go past the memory.
    """

    def __init__(
        self,
        read: Callable[[], Coroutine[Any, Any, T]],
        *,
        reuse_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._reuse_seconds = reuse_seconds
        self._clock = clock
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None
        self._last: tuple[float, T] | None = None

    def remembered(self) -> Shared[T] | None:
        """The last result, while it may be reused."""
        if self._last is None or self._clock() - self._last[0] >= self._reuse_seconds:
            return None
        return Shared(self._last[1], cached=True)

    async def get(self, *, fresh: bool = False) -> Shared[T]:
        """The remembered result, or that of the read under way, or of a new one.

        With `fresh`, that of a read which starts after this call; all who ask so during one read share the next.
        """
        remembered = None if fresh else self.remembered()
        if remembered is not None:
            return remembered
        return Shared(await asyncio.shield(self._flight(fresh=fresh)), cached=False)

    def _flight(self, *, fresh: bool) -> "asyncio.Task[T]":
        if self._running is not None and not fresh:
            return self._running
        if self._next is not None:
            return self._next
        if self._running is not None:
            self._next = _start(self._run_after(self._running))
            return self._next
        self._running = _start(self._run())
        return self._running

    async def _run(self) -> T:
        try:
            value = await self._read()
            self._last = (self._clock(), value)
            return value
        finally:
            self._running = None

    async def _run_after(self, earlier: "asyncio.Task[T]") -> T:
        await asyncio.wait([earlier])
        self._running, self._next = self._next, None
        return await self._run()


def _start(work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    task = asyncio.create_task(work)
    # A failure that nobody waits for any more is no surprise to report when the task is collected.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task
