"""Reading ticks: pages newest first, what came lately, and what came after a position."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg

from app.errors import DatabaseError, DatabaseTimeoutError, SchemaDriftError
from app.postgres.faults import IN_THE_WAY
from app.postgres.pool import Connection, Database
from app.postgres.statements import statement
from app.postgres.tick_filter import LONGEST_SCAN, Position, Tick, TickFilter
from app.settings import Settings

TABLE = "strategy_tick_runs"
# The document's columns, meta last: it is large, and given only when it is asked for.
COLUMNS = (
    *("id", "strategy_run_id", "user_id", "scheduled_at", "started_at", "finished_at", "status", "reason", "signal"),
    *("latency_ms", "meta"),
)
# Without these there is no order to page through.
NEEDED = ("id", "scheduled_at")

# Filters without an index look at about so many ticks for a page, so that one which matches nothing costs about what
# one costs that matches now and then.
ENOUGH_TICKS = 20_000
# A run or user with so many among them is looked for in up to MOST_TIMES as many: its ticks lie all over the table, and
# to fetch them by its index takes longer the more there are (seconds for 10,000 that are not cached).
OFTEN = 2
MOST_TIMES = 10
# A row between two objects of JSON, which never contain a line break: a page can be spliced, and split again.
SEPARATOR = ",\n"
SEE_SCHEMA = "GET /api/runner/schema says what else is missing, and what to do."
OTHER_TYPES = f"{TABLE} has columns of other types than documented. {SEE_SCHEMA}"


@dataclass(frozen=True, slots=True)
class TickPage:
    """`lines` is the text of JSON objects between SEPARATORs. Every match down to `scanned_to` has been given, on this
    page or before it; None: every match there is. `next` is None when there is nothing older to look at. `missing`
    columns read as null.
    """

    lines: str
    number: int
    scanned_to: datetime | None
    next: Position | None
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """Ticks below a position and down to a time that is part of it, but no more than so many."""

    start: Position
    lowest: datetime
    most: int


class Ticks:
    """The ticks of one database. Every method raises DatabaseError; SchemaDriftError when the table, or a column that a
    filter needs, is missing or may not be read.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._schema = settings.database_schema
        self._role = settings.reading_role
        self._window, self._page, self._page_by_key, self._recent, self._by_id, self._after = (
            statement(name, {"schema": settings.database_schema})
            for name in ("tick_window", "tick_page", "tick_page_by_key", "tick_recent", "ticks_by_id", "ticks_after")
        )
        self._columns = statement("tick_columns")

    async def page(self, wanted: TickFilter, start: Position, *, limit: int, meta: bool = False) -> TickPage:
        """At most `limit` ticks below a position.

        Without a condition on rows, the first so many. With one, whole times are looked at until there are enough ticks
        or a day is through. Where runs or users are named and that was not a day yet, the page goes on: in as many more
        ticks as it should take where they tick often, by their index where they do not.
        """
        async with self._reading() as connection:
            read = partial(self._fetch, connection, wanted, meta=meta)
            if not wanted.columns:
                return await read(self._page, Span(start, wanted.floor, limit))
            near, day = await self._limits(connection, wanted, start, ENOUGH_TICKS)
            page = await read(self._page, Span(start, near, limit))
            left = limit - page.number
            if not wanted.by_key or left == 0 or near == day or page.next is None:
                return page
            if page.number >= OFTEN:
                times = min(MOST_TIMES, 1 + left // page.number)
                near, _ = await self._limits(connection, wanted, page.next, times * ENOUGH_TICKS)
                return _joined(page, await read(self._page, Span(page.next, max(near, day), left)))
            try:
                return _joined(page, await read(self._page_by_key, Span(page.next, day, left)))
            except asyncpg.QueryCanceledError:
                # A short page is an answer, too, and the next one finds more of them cached.
                return page

    async def _limits(
        self, connection: Connection, wanted: TickFilter, start: Position, ticks: int
    ) -> tuple[datetime, datetime]:
        """The time by which there are so many ticks, but no more than a day back; and that of the day."""
        floor = wanted.floor
        newest, enough = _one(await connection.fetchrow(self._window, *_place(start), floor, ticks))
        day = floor if newest is None else max(floor, _a_day_before(time_of(newest)))
        return day if enough is None else max(day, enough), day

    async def recent(self, since: datetime | None, limit: int) -> tuple[datetime, list[bytes]]:
        """The database's time, and the ids of ticks since then (None: ten minutes ago) in their order."""
        async with self._reading() as connection:
            as_of, ids = _one(await connection.fetchrow(self._recent, since, limit))
        return as_of, [ids[place : place + 16] for place in range(0, len(ids), 16)]

    async def by_ids(self, ids: Sequence[bytes], since: datetime) -> list[Tick]:
        """The ticks with these ids that are still there, in their order; none is scheduled before that time."""
        async with self._reading() as connection:
            rows = await connection.fetch(self._by_id, [UUID(bytes=id_) for id_ in ids], since)
        return [_tick(row) for row in rows]

    async def after(self, position: Position, limit: int) -> list[Tick]:
        """The next ticks above a position, oldest first."""
        async with self._reading() as connection:
            return [_tick(row) for row in await connection.fetch(self._after, *_place(position), limit)]

    async def require_columns(self, wanted: TickFilter) -> None:
        """Raises SchemaDriftError when the table lacks a column that a filter compares."""
        async with self._reading() as connection:
            rows = await connection.fetch(self._columns, self._schema)
        missing_columns(wanted, [row["name"] for row in rows])

    async def _fetch(
        self, connection: Connection, wanted: TickFilter, query: str, span: Span, *, meta: bool
    ) -> TickPage:
        place = (*_place(span.start), span.lowest, span.most)
        arguments = (*place, *conditions(wanted), meta, wanted.floor, self._schema)
        row = _one(await connection.fetchrow(query, *arguments))
        full = row["number"] == span.most
        stop_at = time_of(row["stop_at"])
        stop = Position(stop_at, row["stop_id"]) if full else Position.before_all_at(stop_at)
        return TickPage(
            lines=row["lines"] or "",
            number=row["number"],
            scanned_to=stop_at if row["more"] else wanted.since,
            next=stop if row["more"] else None,
            missing=missing_columns(wanted, row["columns"]),
        )

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Connection]:
        async with self._database.connection() as connection:
            with faults_of_ticks():
                async with self._database.transaction(connection, self._role):
                    yield connection


def conditions(wanted: TickFilter) -> tuple[Any, ...]:
    """The conditions of a filter on rows, in the order in which the statements take them; null where there is none."""
    return (
        wanted.strategy_run_ids or None,
        wanted.user_ids or None,
        wanted.statuses or None,
        wanted.signals or None,
        wanted.reasons or None,
        wanted.min_latency_ms,
    )


def missing_columns(wanted: TickFilter, existing: Sequence[str]) -> tuple[str, ...]:
    """The document's columns that the table lacks. Raises SchemaDriftError when a filter compares one of them: no tick
    would match, and that would look like an answer.
    """
    missing = tuple(name for name in COLUMNS if name not in existing)
    for name in missing:
        if name in wanted.columns:
            raise SchemaDriftError(f"{TABLE} has no column {name} to select by. {SEE_SCHEMA}")
    return missing


@contextmanager
def faults_of_ticks() -> Iterator[None]:
    """Faults that say something about this table, in words for whoever is on call."""
    try:
        yield
    except asyncpg.UndefinedTableError as error:
        raise SchemaDriftError(f"There is no table {TABLE}. {SEE_SCHEMA}") from error
    except asyncpg.UndefinedColumnError as error:
        raise SchemaDriftError(f"{TABLE} lacks {' or '.join(NEEDED)}. {SEE_SCHEMA}") from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise SchemaDriftError(f"{TABLE} may not be read. {SEE_SCHEMA}") from error
    except (asyncpg.SyntaxOrAccessError, asyncpg.DataError) as error:
        raise SchemaDriftError(OTHER_TYPES) from error
    except IN_THE_WAY as error:
        raise DatabaseTimeoutError(f"{TABLE} is locked, or reading it takes too long.") from error


def time_of(value: object) -> datetime:
    """Raises SchemaDriftError for a day, which a `scheduled_at` of type date gives."""
    if not isinstance(value, datetime):
        raise SchemaDriftError(OTHER_TYPES)
    return value


def _one(row: asyncpg.Record | None) -> asyncpg.Record:
    """The row of a statement that always has one."""
    if row is None:
        raise DatabaseError("The database gave no answer to a query of this service.")
    return row


def _place(position: Position) -> tuple[Any, ...]:
    return position.scheduled_at, position.id


def _a_day_before(time: datetime) -> datetime:
    try:
        return time - LONGEST_SCAN
    except OverflowError:
        return time


def _joined(first: TickPage, rest: TickPage) -> TickPage:
    return TickPage(
        lines=SEPARATOR.join(lines for lines in (first.lines, rest.lines) if lines),
        number=first.number + rest.number,
        scanned_to=rest.scanned_to,
        next=rest.next,
        missing=rest.missing,
    )


def _tick(row: asyncpg.Record) -> Tick:
    return Tick(**{**dict(row), "scheduled_at": time_of(row["scheduled_at"])})
