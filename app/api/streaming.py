"""Answers that take longer than a request may, from generators that hold something."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

logger = logging.getLogger(__name__)


class ClosingStream(StreamingResponse):
    """Closes its generators whatever ends the answer: its end, a reader that goes away, one that stalls, a shutdown.

    StreamingResponse leaves a generator that waits at a `yield` to the garbage collector. `source` is what `content`
    draws from: content that was never begun cannot close it. `seconds` are for a reader that stalls, for which uvicorn
    would wait for ever; it finds its connection closed in the middle of the answer.
    """

    def __init__(
        self,
        content: AsyncGenerator[bytes],
        source: AsyncGenerator[object],
        *,
        seconds: float,
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(content, media_type=media_type, headers=headers)
        self._generators = (content, source)
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await super().__call__(scope, receive, send)
        except TimeoutError:
            logger.warning("a reader stalled, and was cut off")
        finally:
            for generator in self._generators:
                await generator.aclose()
