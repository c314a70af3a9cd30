"""A TCP proxy of ours between the service and its database, that stalls, slows down, cuts and refuses on command."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from app.demo.server import HOST


class Proxy:
    """A context manager with an event loop in a thread of its own. `target` may be changed: it counts for new
    connections. `delay` is in seconds, for every piece of data in either direction.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.delay = 0.0
        self.refuses = False
        self._trap: tuple[bytes, Callable[[], None]] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._flowing = asyncio.Event()
        self._server: asyncio.Server
        self._open: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._flowing.set()
        asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result(10)
        return self

    def __exit__(self, *_exception: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def connections(self) -> int:
        """Those from the service that are open."""
        return len(self._open) // 2

    def stall(self) -> None:
        """From now on connections are accepted, and not a byte goes through."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def flow(self) -> None:
        """End a stall, a delay and refusals; what was held back arrives now."""
        self.delay, self.refuses = 0.0, False
        self._loop.call_soon_threadsafe(self._flowing.set)

    def cut(self) -> None:
        """Every connection is lost."""
        self._loop.call_soon_threadsafe(self._cut)

    def when(self, words: bytes, act: Callable[[], None]) -> None:
        """Act once, the next time that these words are on their way to the database."""
        self._trap = (words, act)

    def sprung(self) -> bool:
        return self._trap is None

    def _cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        there = None
        try:
            with suppress(OSError):
                if not self.refuses:
                    there_reader, there = await asyncio.open_connection(HOST, self.target)
                    self._open.add(there)
                    await asyncio.gather(self._pipe(reader, there), self._pipe(there_reader, writer))
        finally:
            for one in (writer, there):
                if one is not None:
                    self._open.discard(one)
                    one.transport.abort()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self._trap is not None and self._trap[0] in data:
                (_, act), self._trap = self._trap, None
                act()
            await self._flowing.wait()
            await asyncio.sleep(self.delay)
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError

    async def _begin(self) -> None:
        self._server = await asyncio.start_server(self._accept, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
