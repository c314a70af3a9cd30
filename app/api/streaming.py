"""Answers that take longer than a request may, from generators that hold something."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress

from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from app.errors import DatabaseError

logger = logging.getLogger(__name__)

# How long a reader may take to make room for more.
STALL_SECONDS = 30.0


class ClosingStream(StreamingResponse):
    """Closes its generators whatever ends the answer: its end, a reader that goes away, one that stalls, a shutdown.

    StreamingResponse leaves a generator that waits at a `yield` to the garbage collector. `source` is what `content`
    draws from: content that was never begun cannot close it. For a reader that stalls, uvicorn would wait for ever; it
    finds its connection closed in the middle of the answer.
    """

    def __init__(
        self,
        content: AsyncGenerator[bytes],
        source: AsyncGenerator[object],
        *,
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(content, media_type=media_type, headers=headers)
        self._generators = (content, source)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(STALL_SECONDS):
                await send(message)

        try:
            await super().__call__(scope, receive, send_in_time)
        except TimeoutError:
            logger.warning("a reader stalled, and was cut off")
        except asyncio.CancelledError:
            # By the server, whose patience at a shutdown is over. Nothing is left to be cancelled: this is the answer.
            logger.warning("a reader was too slow for the shutdown, and was cut off")
        finally:
            for generator in self._generators:
                # A connection that is lost meanwhile needs no closing, and nobody is left to be told.
                with suppress(DatabaseError):
                    await generator.aclose()
