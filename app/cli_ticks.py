"""`runner-diagnostics ticks`: recent ticks, and new ones as they are written."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import typer

from app.cli_options import DatabaseUrl
from app.postgres.tick_filter import TickFilter, TickSignal, TickStatus

if TYPE_CHECKING:
    from rich.text import Text

    from app.postgres.ticks import Ticks
    from app.settings import Settings

# Times as people type them; without an offset they are UTC.
TIMES = [
    *("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f"),
    *("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"),
]
LARGEST_INTEGER = 2**31 - 1


def ticks(  # noqa: PLR0913 - each is an option
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new ticks until Ctrl-C.")] = False,
    limit: Annotated[int, typer.Option(help="The newest so many; 0 for all that match.", min=0)] = 50,
    strategy_run_id: Annotated[list[UUID] | None, typer.Option(help="Of this strategy run. Repeatable.")] = None,
    user_id: Annotated[list[UUID] | None, typer.Option(help="Of this user. Repeatable.")] = None,
    status: Annotated[list[TickStatus] | None, typer.Option(help="With this status. Repeatable.")] = None,
    signal: Annotated[list[TickSignal] | None, typer.Option(help="With this signal. Repeatable.")] = None,
    reason: Annotated[list[str] | None, typer.Option(help="With a reason that starts so. Repeatable.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Scheduled then or later (UTC).", formats=TIMES)] = None,
    until: Annotated[datetime | None, typer.Option(help="Scheduled before then (UTC).", formats=TIMES)] = None,
    min_latency_ms: Annotated[
        int | None, typer.Option(help="That took at least so long.", min=0, max=LARGEST_INTEGER)
    ] = None,
    meta: Annotated[bool, typer.Option("--meta", help="With meta, in JSON.")] = False,
    database_url: DatabaseUrl = None,
    output_format: Annotated[
        Literal["text", "json"], typer.Option("--format", help="json is one object a line (NDJSON).")
    ] = "text",
) -> None:
    """Show the newest ticks, the newest first; with --follow the newest last, and then new ones.

    On a terminal the table fits 79 columns; through a pipe everything is in full. Exit code 0, or 2 when the database
    was out of reach or lacks what is asked for.
    """
    from app.settings import load_settings

    wanted = TickFilter(
        strategy_run_ids=tuple(strategy_run_id or ()),
        user_ids=tuple(user_id or ()),
        statuses=tuple(status or ()),
        signals=tuple(signal or ()),
        reasons=tuple(reason or ()),
        since=_utc(since),
        until=_utc(until),
        min_latency_ms=min_latency_ms,
    )
    settings = load_settings(database_url=database_url)
    printer = _Printer(json=output_format == "json")
    show = _follow(settings, wanted, limit, printer) if follow else _show(settings, wanted, limit, printer, meta=meta)
    try:
        asyncio.run(show)
    except BrokenPipeError:
        # Python flushes standard output once more at exit: to nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        # The usual end of --follow, and none to report.
        return


class _Printer:
    """Writes ticks line by line, so that a reader has each of them at once."""

    def __init__(self, *, json: bool) -> None:
        from rich.console import Console

        from app.render.tick_table import table_head, table_row

        self._json = json
        self._row = table_row
        self._utf8 = (sys.stdout.encoding or "ascii").lower().replace("-", "") == "utf8"
        self._console = Console(highlight=False, markup=False, soft_wrap=True) if sys.stdout.isatty() else None
        if not json:
            self._text(table_head(full=self._console is None))

    def tick(self, line: str) -> None:
        if self._json:
            sys.stdout.write(f"{line}\n")
        else:
            self._text(self._row(line, full=self._console is None))

    def flush(self) -> None:
        sys.stdout.flush()

    def note(self, sentence: str) -> None:
        """Beside the ticks: they may be read by a program."""
        print(f"runner-diagnostics: {sentence}", file=sys.stderr, flush=True)

    def _text(self, text: "Text") -> None:
        if self._console is not None and self._utf8:
            self._console.print(text, end="")
            return
        from app.render.text import ASCII

        plain = text.plain
        if not self._utf8:
            encoding = sys.stdout.encoding or "ascii"
            plain = plain.translate(ASCII).encode(encoding, "backslashreplace").decode(encoding)
        sys.stdout.write(plain)


async def _show(settings: "Settings", wanted: TickFilter, limit: int, printer: _Printer, *, meta: bool) -> None:
    async with _reading(settings) as ticks_:
        async for line in _newest(ticks_, wanted, limit, printer.note, meta=meta):
            printer.tick(line)
            printer.flush()


async def _follow(settings: "Settings", wanted: TickFilter, limit: int, printer: _Printer) -> None:
    """Listening begins before the newest are read, so that none is missed in between; those of both are shown once."""
    import json

    from app.postgres.tick_filter import Tick
    from app.tick_feed import TickFeed

    async with _reading(settings) as ticks_, aclosing(TickFeed(ticks_).listen(wanted)) as events:
        await anext(events)
        shown = [line async for line in _newest(ticks_, wanted, limit, printer.note, meta=False)]
        given = {json.loads(line)["id"] for line in shown}
        for line in reversed(shown):
            printer.tick(line)
        printer.flush()
        async for event in events:
            if isinstance(event, Tick):
                if str(event.id) not in given:
                    printer.tick(event.line)
                    printer.flush()
            elif event is not None:
                printer.note(event.detail)


async def _newest(
    ticks_: "Ticks", wanted: TickFilter, limit: int, note: Callable[[str], None], *, meta: bool
) -> AsyncIterator[str]:
    """The newest that match, over as many pages as it takes: a page may be short, or empty, and not the last."""
    from app.render.ticks import missing_hint, page_lines

    start, number, noted = wanted.start, 0, False
    while True:
        a_page = 50 if meta else 500
        page = await ticks_.page(wanted, start, limit=min(limit - number, a_page) if limit else a_page, meta=meta)
        if page.missing and not noted:
            note(missing_hint(page.missing))
            noted = True
        for line in page_lines(page):
            yield line
        number += page.number
        if page.next is None or (limit and number >= limit):
            return
        start = page.next


@asynccontextmanager
async def _reading(settings: "Settings") -> "AsyncIterator[Ticks]":
    from app.postgres.pool import Database
    from app.postgres.ticks import Ticks

    database = Database(settings)
    try:
        yield Ticks(database, settings)
    finally:
        await database.close()


def _utc(given: datetime | None) -> datetime | None:
    if given is None:
        return None
    return given.astimezone(UTC) if given.tzinfo is not None else given.replace(tzinfo=UTC)
