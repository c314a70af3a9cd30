"""Standard output as commands write to it, and how they fail."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    from rich.text import Text

EXIT_UNUSABLE = 2
PATIENCE_SECONDS = 1

T = TypeVar("T")


def encoding() -> str:
    return sys.stdout.encoding or "ascii"


def takes_utf8() -> bool:
    return encoding().lower().replace("-", "") == "utf8"


def write_text(text: "Text") -> bool:
    """In colour on a terminal, and with plain glyphs where standard output cannot show ours; otherwise as `write`."""
    from rich.console import Console

    from app.render.text import ASCII

    if takes_utf8():
        if sys.stdout.isatty():
            console = Console(highlight=False, markup=False, soft_wrap=True)
            with console.capture() as styled:
                console.print(text, end="")
            return write(styled.get())
        return write(text.plain)
    return write(text.plain.translate(ASCII).encode(encoding(), "backslashreplace").decode(encoding()))


def write(text: str) -> bool:
    """Whether anyone still reads. That the reader goes away, as `| head` does, is no error and changes no exit code."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # Python flushes standard output once more at exit: to nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            fail("Standard output cannot be written.")
        return False
    return True


async def progress(doing: str, work: Coroutine[Any, Any, T]) -> T:
    """The result of some work. Where it takes more than a second, somebody at a terminal sees that it goes on."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait([task], timeout=PATIENCE_SECONDS)
        if not task.done() and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
            with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
                shown.add_task(doing, total=None)
                await asyncio.wait([task])
        return await task
    finally:
        # Ctrl-C ends the work, too, before anything it uses is closed.
        task.cancel()
        await asyncio.wait([task])


def note(sentence: str) -> None:
    """Beside the output, which a program may read."""
    print(f"runner-diagnostics: {sentence}", file=sys.stderr, flush=True)


def examples(*lines: str) -> str:
    """The end of a command's help: one example a line, not wrapped."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def fail(message: str) -> NoReturn:
    note(message)
    sys.exit(EXIT_UNUSABLE)
