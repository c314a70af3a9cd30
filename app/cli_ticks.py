"""`runner-diagnostics ticks`: recent ticks, and new ones as they are written."""

import asyncio
import math
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import typer

from app.cli_options import DatabaseUrl
from app.cli_output import EXIT_UNUSABLE, note, progress, takes_utf8, write, write_text
from app.postgres.tick_filter import TickFilter, TickSignal, TickStatus

if TYPE_CHECKING:
    from app.postgres.ticks import Ticks
    from app.settings import Settings
    from app.tick_feed import Events

# Times as people type them; without an offset they are UTC.
TIMES = [
    *("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f"),
    *("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"),
]
LARGEST_INTEGER = 2**31 - 1
MOST_TICKS = 100_000
A_PAGE, A_PAGE_WITH_META = 500, 50


def ticks(  # noqa: PLR0913 - each is an option
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new ticks until Ctrl-C.")] = False,
    limit: Annotated[int, typer.Option(help="The newest so many.", min=0, max=MOST_TICKS)] = 50,
    everything: Annotated[bool, typer.Option("--all", help="All that match, however many.")] = False,
    strategy_run_id: Annotated[list[UUID] | None, typer.Option(help="Of this strategy run. Repeatable.")] = None,
    user_id: Annotated[list[UUID] | None, typer.Option(help="Of this user. Repeatable.")] = None,
    status: Annotated[list[TickStatus] | None, typer.Option(help="With this status. Repeatable.")] = None,
    signal: Annotated[list[TickSignal] | None, typer.Option(help="With this signal. Repeatable.")] = None,
    reason: Annotated[list[str] | None, typer.Option(help="With a reason that starts so. Repeatable.")] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Scheduled then or later (UTC).", formats=TIMES, metavar="TIME")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(help="Scheduled before then (UTC).", formats=TIMES, metavar="TIME")
    ] = None,
    min_latency_ms: Annotated[
        int | None, typer.Option(help="That took at least so long.", min=0, max=LARGEST_INTEGER)
    ] = None,
    meta: Annotated[bool, typer.Option("--meta", help="With meta; needs --format json.")] = False,
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

    if follow and (everything or meta):
        raise typer.BadParameter(f"--follow goes without {'--all' if everything else '--meta'}.")
    if meta and output_format != "json":
        raise typer.BadParameter("--meta needs --format json.")
    wanted = TickFilter(
        strategy_run_ids=tuple(strategy_run_id or ()),
        user_ids=tuple(user_id or ()),
        statuses=tuple(status or ()),
        signals=tuple(signal or ()),
        reasons=_text(reason or ()),
        since=_utc(since),
        until=_utc(until),
        min_latency_ms=min_latency_ms,
    )
    settings = load_settings(database_url=database_url)
    printer = _Printer(json=output_format == "json")
    if not follow:
        asyncio.run(_show(settings, wanted, None if everything else limit, printer, meta=meta))
        return
    try:
        read_to_the_end = asyncio.run(_follow(settings, wanted, limit, printer))
    except KeyboardInterrupt:
        # The usual end, and none to report.
        return
    raise typer.Exit(EXIT_UNUSABLE if read_to_the_end else 0)


class _Printer:
    """Writes ticks as lines, below the head of a table where they are text."""

    def __init__(self, *, json: bool) -> None:
        self._json = json
        self._full = not sys.stdout.isatty()
        self._begun = False

    def write(self, lines: Sequence[str]) -> bool:
        """Whether anyone still reads."""
        from rich.text import Text

        from app.render.tick_table import table_head, table_row
        from app.render.ticks import shown_json

        if self._json:
            ascii_only = not takes_utf8()
            return write("".join(shown_json(line, ascii_only=ascii_only) + "\n" for line in lines))
        head = [] if self._begun else [table_head(full=self._full)]
        self._begun = True
        return write_text(Text().join([*head, *(table_row(line, full=self._full) for line in lines)]))


async def _show(settings: "Settings", wanted: TickFilter, limit: int | None, printer: _Printer, *, meta: bool) -> None:
    found = False
    async with _reading(settings) as ticks_, aclosing(_newest(ticks_, wanted, limit, meta=meta)) as pages:
        async for lines in pages:
            found = found or bool(lines)
            if not printer.write(lines):
                return
    if not found:
        note("No tick matches.")


async def _follow(settings: "Settings", wanted: TickFilter, limit: int, printer: _Printer) -> bool:
    """Until the feed ends, or (False) the reader goes away.

    Listening begins before the newest are read, so that none is missed in between; those of both are shown once.
    """
    import json

    from app.postgres.tick_filter import Tick

    async with _reading(settings) as ticks_, _listening(ticks_, wanted) as events:
        await anext(events)
        shown = [line async for lines in _newest(ticks_, wanted, limit, meta=False) for line in lines]
        given = {json.loads(line)["id"] for line in shown}
        going_on = printer.write(shown[::-1])
        while going_on:
            batch = await anext(events, None)
            if batch is None:
                return True
            for event in batch:
                if not isinstance(event, Tick):
                    note(event.detail)
                elif going_on and str(event.id) not in given:
                    going_on = printer.write([event.line])
    return False


async def _newest(ticks_: "Ticks", wanted: TickFilter, limit: int | None, *, meta: bool) -> AsyncGenerator[list[str]]:
    """The newest that match, over as many pages as it takes: a page may be short, or empty, and not the last."""
    from app.render.ticks import missing_hint, page_lines

    start, missing = wanted.start, False
    left = math.inf if limit is None else limit
    while left > 0:
        number = int(min(left, A_PAGE_WITH_META if meta else A_PAGE))
        page = await progress("Reading ticks", ticks_.page(wanted, start, limit=number, meta=meta))
        if page.missing and not missing:
            note(missing_hint(page.missing))
            missing = True
        yield page_lines(page)
        if page.next is None:
            return
        start, left = page.next, left - page.number


@asynccontextmanager
async def _reading(settings: "Settings") -> "AsyncIterator[Ticks]":
    from app.postgres.pool import Database
    from app.postgres.ticks import Ticks

    database = Database(settings)
    try:
        yield Ticks(database, settings)
    finally:
        await database.close()


@asynccontextmanager
async def _listening(ticks_: "Ticks", wanted: TickFilter) -> "AsyncIterator[AsyncGenerator[Events | None]]":
    import logging

    from app.tick_feed import TickFeed

    # What it would log comes as a notice, too.
    logging.getLogger("app").addHandler(logging.NullHandler())
    feed = TickFeed(ticks_)
    try:
        async with aclosing(feed.listen(wanted)) as events:
            yield events
    finally:
        await feed.close()


def _utc(given: datetime | None) -> datetime | None:
    if given is None or given.tzinfo is None:
        return given and given.replace(tzinfo=UTC)
    try:
        return given.astimezone(UTC)
    except OverflowError as error:
        raise typer.BadParameter(f"{given.isoformat()} is no time in UTC.") from error


def _text(given: Sequence[str]) -> tuple[str, ...]:
    """Arguments that are text: bytes that are none come as lone surrogates."""
    try:
        "".join(given).encode()
    except UnicodeEncodeError as error:
        raise typer.BadParameter("--reason must be UTF-8.") from error
    return tuple(given)
