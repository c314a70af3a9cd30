"""Learning of a shutdown while answers are still being given."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def told_of_shutdown(callback: Callable[[], None]) -> Iterator[None]:
    """Call back on the event loop when the process is told to end, before its server does what it does then.

    A server waits for answers under way, and tells the app only after them: a stream without end would keep it waiting.
    In other threads than the main one there are no signals, and nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    previous = {number: signal.getsignal(number) for number in SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(callback)
        following = previous[signal.Signals(number)]
        if callable(following):
            following(number, frame)

    for number in SIGNALS:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
