"""A load generator: keep-alive connections that each send the same request again and again."""

import asyncio
import time
from typing import cast

from httptools import HttpResponseParser

from app.demo.server import HOST

LONGEST_SECONDS = 120


class LoadGenerator:
    """Sends batches of requests, and notes the largest share of one core that it took itself.

    Own code, because the client must cost far less than what it measures: httpx spends longer on a request than the
    service does. HTTP is still parsed by a library. `busiest` shows that the client was no bottleneck.
    """

    def __init__(self) -> None:
        self.busiest = 0.0

    async def batch(self, port: int, request: bytes, *, requests: int, callers: int) -> float:
        """Seconds from the first request to the last answer; `callers` connections are open before that.

        Raises ConnectionError for any answer but 200 and for a lost connection, TimeoutError for a silent one.
        """
        loop = asyncio.get_running_loop()
        batch = _Batch(request, requests)
        async with asyncio.timeout(LONGEST_SECONDS):
            pairs = [await loop.create_connection(lambda: _Caller(batch), HOST, port) for _ in range(callers)]
            try:
                began, cpu_began = time.perf_counter(), time.process_time()
                for _, caller in pairs:
                    caller.send_next()
                await batch.finished
                seconds = time.perf_counter() - began
                self.busiest = max(self.busiest, (time.process_time() - cpu_began) / seconds)
            finally:
                for transport, _ in pairs:
                    transport.abort()
        return seconds


class _Batch:
    """What the callers share: how many requests are still to be sent, and to be answered."""

    def __init__(self, request: bytes, requests: int) -> None:
        self.request = request
        self.unsent = requests
        self.unanswered = requests
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def answered(self, status: int) -> None:
        self.unanswered -= 1
        if status != 200:
            self.fail(f"a request was answered with {status}")
        elif self.unanswered == 0 and not self.finished.done():
            self.finished.set_result(None)

    def fail(self, reason: str) -> None:
        if not self.finished.done():
            self.finished.set_exception(ConnectionError(reason))


class _Caller(asyncio.Protocol):
    """One connection, which sends a request when the answer to the one before is complete."""

    def __init__(self, batch: _Batch) -> None:
        self._batch = batch
        self._parser = HttpResponseParser(self)
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A socket's transport writes, though uvloop's does not say so by its class.
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._batch.fail(f"a connection was lost: {exc or 'the server closed it'}")

    def on_message_complete(self) -> None:
        """What the parser calls at the end of an answer."""
        self._batch.answered(self._parser.get_status_code())
        self.send_next()

    def send_next(self) -> None:
        if self._batch.unsent > 0:
            self._batch.unsent -= 1
            self._transport.write(self._batch.request)
