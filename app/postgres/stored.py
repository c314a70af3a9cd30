"""The newest ticks of runs that the horizon tells too little of; see stored_ticks.sql."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Concatenate
from uuid import UUID

from app.runner.model import Run, Section, Tick

MOST_TICKS = 32
# Of a partitioned table so many are looked at, one after another: ticks by the month are what it is partitioned for.
MOST_MONTHS = 12

Fetch = Callable[Concatenate[Section, str, ...], Awaitable[Sequence[Mapping[str, Any]] | None]]


async def stored_ticks(
    fetch: Fetch, as_of: datetime, runs: Sequence[Run], schema: str
) -> dict[UUID, list[Tick]] | None:
    """Up to MOST_TICKS of each run, newest first; none of a run that has none. None where they could not be read."""

    async def read(some: Sequence[Run], *span: datetime | None) -> Sequence[Mapping[str, Any]] | None:
        ids, users = [run.id for run in some], [run.user_id for run in some]
        return await fetch(Section.STORED, "stored_ticks", as_of, ids, users, schema, *span)

    if runs:
        # A sort would put equal entries of the index in any order, and the planner takes one for some thousand of them.
        await fetch(Section.STORED, "sorting", "off")
    rows = await read(runs, None, None)
    if rows is None:
        found = None
    elif not rows or not rows[0]["partitioned"]:
        found = _by_run(rows)
    else:
        found = await _by_month(read, as_of, runs)
    if runs:
        await fetch(Section.STORED, "sorting", "on")
    return found


async def _by_month(
    read: Callable[..., Awaitable[Sequence[Mapping[str, Any]] | None]], as_of: datetime, runs: Sequence[Run]
) -> dict[UUID, list[Tick]] | None:
    found: dict[UUID, list[Tick]] = defaultdict(list)
    until = None
    for since in _months(as_of):
        wanted = [run for run in runs if len(found[run.id]) < MOST_TICKS]
        rows = await read(wanted, since, until) if wanted else ()
        if rows is None:
            return None
        for run, ticks in _by_run(rows).items():
            found[run] = [*found[run], *ticks][:MOST_TICKS]
        until = since
    return {run: ticks for run, ticks in found.items() if ticks}


def _by_run(rows: Iterable[Mapping[str, Any]]) -> dict[UUID, list[Tick]]:
    ticks = defaultdict(list)
    for row in rows:
        ticks[row["id"]].append(Tick(row["scheduled_at"], row["status"], row["reason"]))
    return dict(ticks)


def _months(as_of: datetime) -> Iterable[datetime]:
    """Where the month of a time in UTC begins, and those before it."""
    start = as_of.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(MOST_MONTHS):
        yield start
        start = (start - timedelta(days=1)).replace(day=1)
