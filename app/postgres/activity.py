"""Reading what the runner does: one snapshot, one clock, and sections that fail alone."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.postgres.faults import ROLE_REFUSED
from app.postgres.pool import Connection, Database
from app.postgres.sections import SectionReader
from app.postgres.standby import Standby
from app.postgres.statements import statement
from app.postgres.stored import stored_ticks
from app.postgres.window import WindowMemory, WindowReader, known_periods, served_slots
from app.runner.figures import Window
from app.runner.model import (
    BLOCKED,
    ERROR,
    OK,
    PAUSED,
    Activity,
    Ahead,
    History,
    Lock,
    NewestTick,
    PausedUser,
    Reading,
    Run,
    Runs,
    Section,
    SectionResult,
    Slots,
    Thresholds,
    history_of,
    loudness,
)
from app.runner.schedule import beyond_horizon
from app.runner.slots import lookback
from app.runner.timeframes import LEAD
from app.settings import Settings

# Each costs up to 1,000 rows from all over the table.
MOST_SLOW_RUNS, MOST_SILENT_RUNS = 500, 100

# Of the time of a request, what one statement may take of it: a scan of a long window is worth more than a fifth.
STATEMENT_SHARE = 0.5

# For a standby to replay what it was sent, in seconds.
LONGEST_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class GridSlots:
    """The last `number` slots of every run, no further back than `longest`."""

    number: int
    longest: timedelta


class ActivityReader:
    """Reads what verdicts and figures are made of. It judges nothing."""

    def __init__(self, database: Database, settings: Settings, thresholds: Thresholds) -> None:
        self._database = database
        self._thresholds = thresholds
        self._schema = settings.database_schema
        self._role = settings.reading_role
        self._seconds = settings.timeout_seconds
        self._on_standby = False
        # Half of the grace: a tick that came in the first half of it is not overdue for that.
        self._standby = Standby(database, thresholds.grace_min / 2, min(LONGEST_WAIT, self._seconds / 5))
        self._memories = {window: WindowMemory(window) for window in Window}

    async def read(self, *, window: Window | None = None, grid: GridSlots | None = None) -> Reading:
        """What every verdict needs, and beside it the figures of a window, or the slots of a grid.

        Raises DatabaseUnavailableError, DatabaseTimeoutError, or DatabaseError for a transaction that was refused.
        """
        # The answer is worth nothing after the time is up, so it must be there a little before.
        deadline = asyncio.get_running_loop().time() + self._seconds * 0.95
        memory, table_state = self._memories[window] if window is not None else None, ""
        async with self._database.connection() as connection:
            if memory is not None and memory.is_kept:
                # Before the snapshot is taken: what changes in between is found by the next reading.
                async with self._database.transaction(connection):
                    table_state = await connection.fetchval(statement("tick_table"), self._schema) or ""
            # Twice where the first finds that this is a standby, which has to be asked before.
            while (reading := await self._read(connection, deadline, memory, table_state, grid)) is None:
                pass
            return reading

    async def _read(
        self,
        connection: Connection,
        deadline: float,
        memory: WindowMemory | None,
        table_state: str,
        grid: GridSlots | None,
    ) -> Reading | None:
        """None of a standby that was not known to be one."""
        # Before the snapshot is taken, which must hold what the standby was waited for.
        lag = await self._standby.obstacle(connection) if self._on_standby else None
        async with self._as_reader(connection) as not_reader:
            reader = SectionReader(connection, deadline, self._seconds * STATEMENT_SHARE)
            as_of, on_standby = await reader.begin()
            was_known, self._on_standby = self._on_standby, on_standby
            if on_standby and not was_known:
                return None
            obstacle = not_reader or (lag if on_standby else None)
            if obstacle is not None:
                return Reading(as_of, dict.fromkeys(Section, SectionResult(0, obstacle)))
            reading = _Transaction(reader, self._schema, as_of, self._thresholds)
            return await reading.read(memory, table_state, grid)

    @asynccontextmanager
    async def _as_reader(self, connection: Connection) -> AsyncIterator[str | None]:
        """A transaction as the reading role; or as the login, and why."""
        async with AsyncExitStack() as stack:
            obstacle = None
            try:
                await stack.enter_async_context(self._database.transaction(connection, self._role))
            except ROLE_REFUSED:
                await stack.enter_async_context(self._database.transaction(connection))
                obstacle = f"the login cannot become {self._role}; see /api/runner/schema"
            yield obstacle


class _Transaction:
    """One reading under way."""

    def __init__(self, reader: SectionReader, schema: str, as_of: datetime, thresholds: Thresholds) -> None:
        self._reader = reader
        self._identifiers = {"schema": schema}
        self._schema = schema
        self._as_of = as_of
        self._thresholds = thresholds

    async def read(self, memory: WindowMemory | None, table_state: str, grid: GridSlots | None) -> Reading:
        """The sections that decide come first, so that those of a long window cannot take their time.

        They are read whole each time: of what was read before, a verdict is told nothing.
        """
        runs = await self._runs()
        locks = await self._locks()
        paused_users = await self._paused_users()
        ahead = await self._ahead()
        newest = await self._newest() if memory is not None else None
        activity = await self._activity(runs)
        stored = await self._stored(runs, activity)
        reading = Reading(
            as_of=self._as_of,
            sections=self._reader.results,
            runs=runs,
            locks=locks,
            paused_users=paused_users,
            newest=newest,
            ahead=ahead,
            activity=activity,
            stored=stored,
            slots=await self._grid(runs, grid) if grid is not None else None,
        )
        if memory is None:
            return reading
        return await self._with_figures(
            reading, WindowReader(self._reader, self._schema, self._as_of, memory, table_state)
        )

    async def _with_figures(self, reading: Reading, window: WindowReader) -> Reading:
        slots = None
        if reading.runs is not None:
            slots = await window.slots(reading.runs.active, self._thresholds)
        else:
            self._reader.fail(Section.SLOTS, "the runs could not be read")
        return replace(reading, slots=slots, ticks=await window.ticks(), series=await window.series())

    async def _fetch(self, section: Section, name: str, *arguments: object) -> Sequence[Any] | None:
        return await self._reader.fetch(section, statement(name, self._identifiers), *arguments)

    async def _runs(self) -> Runs | None:
        counts = await self._fetch(Section.RUNS, "run_counts")
        if counts is None:
            return None
        rows = await self._fetch(Section.RUNS, "runs", self._as_of)
        complete = rows is not None
        if rows is None:
            rows = await self._fetch(Section.RUNS, "runs_before_unification", self._as_of)
        if rows is None:
            return None
        return Runs({row["status"]: row["number"] for row in counts}, tuple(Run(**row) for row in rows), complete)

    async def _locks(self) -> tuple[Lock, ...] | None:
        rows = await self._fetch(Section.LOCKS, "locks")
        return tuple(Lock(**row) for row in rows) if rows is not None else None

    async def _paused_users(self) -> tuple[PausedUser, ...] | None:
        rows = await self._fetch(Section.RISK, "paused_users", self._as_of)
        return tuple(PausedUser(**row) for row in rows) if rows is not None else None

    async def _ahead(self) -> Ahead | None:
        rows = await self._fetch(Section.AHEAD, "ticks_ahead", self._as_of)
        return Ahead(len(rows), tuple(row["id"] for row in rows[:5])) if rows is not None else None

    async def _newest(self) -> NewestTick | None:
        rows = await self._fetch(Section.NEWEST, "newest_tick", self._as_of)
        return NewestTick(**rows[0]) if rows else None

    async def _activity(self, runs: Runs | None) -> Activity | None:
        if runs is None:
            self._reader.fail(Section.ACTIVITY, "the runs could not be read")
            return None
        start = self._as_of - self._thresholds.horizon(runs.active)
        rows = await self._fetch(Section.ACTIVITY, "activity", self._as_of, start)
        if rows is None:
            return None
        judged = {run.id: run for run in runs.judged}
        own = [row for row in rows if row["id"] in judged and not row["is_foreign"]]
        histories = await self._histories(judged, own, start)
        if histories is None:
            return None
        by_status: Counter[str] = Counter()
        foreign: Counter[UUID] = Counter()
        for row in rows:
            by_status[row["status"]] += row["within"]
            if row["is_foreign"]:
                foreign[row["id"]] += row["number_of_ticks"]
        others = (row["newest_at"] for row in rows if row["id"] not in judged and not row["is_foreign"])
        return Activity(histories, +by_status, foreign, max(others, default=None))

    async def _histories(
        self, judged: Mapping[UUID, Run], rows: Iterable[Mapping[str, Any]], start: datetime
    ) -> dict[UUID, History] | None:
        """Of a run whose newest tick is an ok, all is known. What came after it is read for the others."""
        newest: dict[UUID, dict[str, datetime]] = defaultdict(dict)
        for row in rows:
            newest[row["id"]][row["status"]] = row["newest_at"]
        histories: dict[UUID, History] = {}
        after: dict[UUID, datetime] = {}
        for run, by_status in newest.items():
            last = max(by_status.values())
            if by_status.get(OK) == last and by_status.get(ERROR) != last:
                histories[run] = History(last, OK, newest_ok_at=last)
            else:
                after[run] = by_status.get(OK, start)
        if not after:
            return histories
        users = [judged[run].user_id for run in after]
        times = list(after.values())
        # An error of the same moment as an ok comes after it.
        earliest = max(min(times) - timedelta(microseconds=1), start)
        tails = await self._fetch(Section.ACTIVITY, "tails", self._as_of, list(after), users, times, earliest)
        if tails is None:
            return None
        by_run = defaultdict(list)
        for row in tails:
            by_run[row["id"]].append(row)
        for run in after:
            histories[run] = _history(by_run[run], newest[run].get(OK))
        return histories

    async def _stored(self, runs: Runs | None, activity: Activity | None) -> dict[UUID, History] | None:
        if runs is None or activity is None:
            self._reader.fail(Section.STORED, "the runs or their activity could not be read")
            return None
        horizon = self._thresholds.horizon(runs.active)
        wanted = [
            run
            for run in runs.judged
            if run.id not in activity.histories or beyond_horizon(run, horizon, self._thresholds)
        ]
        # An active run of a short timeframe without a tick in the horizon is overdue whatever is stored.
        slow = [run for run in wanted if beyond_horizon(run, horizon, self._thresholds)]
        if len(slow) > MOST_SLOW_RUNS:
            self._reader.fail(Section.STORED, f"more than {MOST_SLOW_RUNS} runs have ticks beyond the horizon")
            return None
        silent = [run for run in wanted if not beyond_horizon(run, horizon, self._thresholds)]
        silent.sort(key=lambda run: run.status != PAUSED)
        wanted = [*slow, *silent[:MOST_SILENT_RUNS]]
        ticks = await stored_ticks(self._fetch, self._as_of, wanted, self._schema)
        if ticks is None:
            return None
        return {run: history for run, some in ticks.items() if (history := history_of(some)) is not None}

    async def _grid(self, runs: Runs | None, grid: GridSlots) -> Slots | None:
        if runs is None:
            self._reader.fail(Section.SLOTS, "the runs could not be read")
            return None
        active = runs.active
        start = self._as_of - lookback(active, grid.number + 1, grid.longest) - LEAD
        known = known_periods(active)
        rows = await self._fetch(Section.SLOTS, "slot_outcomes", self._as_of, start, *known, grid.number)
        return served_slots(rows) if rows is not None else None


def _history(rows: Sequence[Mapping[str, Any]], newest_ok_at: datetime | None) -> History:
    """What the ticks after the newest ok, grouped by status, say."""
    newest = max(rows, key=lambda row: (row["newest_at"], loudness(row["status"])))
    by_status = {row["status"]: row for row in rows}
    errors = by_status.get(ERROR)
    return History(
        newest_at=newest["newest_at"],
        newest_status=newest["status"],
        newest_reason=newest["reason"],
        newest_ok_at=newest_ok_at,
        tail=sum(row["number_of_ticks"] for row in rows),
        tail_errors=errors["number_of_ticks"] if errors is not None else 0,
        tail_blocked=by_status[BLOCKED]["number_of_ticks"] if BLOCKED in by_status else 0,
        first_error_at=errors["first_at"] if errors is not None else None,
    )
