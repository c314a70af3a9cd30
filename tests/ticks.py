"""Ticks for tests: rows as the runner writes them, and what is expected of reading them."""

import random
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.databases import Connection, Project

USERS = tuple(uuid.UUID(f"00000000-0000-4000-8000-00000000000{n}") for n in (2, 3, 4))
RUNS = tuple(uuid.UUID(f"20000000-0000-4000-8000-0000000000{n}") for n in (11, 21, 31))
COLUMNS = (
    *("id", "strategy_run_id", "user_id", "scheduled_at", "started_at", "finished_at", "status", "reason"),
    *("signal", "latency_ms", "meta"),
)


@dataclass(frozen=True)
class Row:
    """One row of strategy_tick_runs."""

    scheduled_at: datetime
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    strategy_run_id: uuid.UUID | None = RUNS[0]
    user_id: uuid.UUID = USERS[0]
    status: str = "ok"
    reason: str | None = None
    signal: str | None = "hold"
    latency_ms: int | None = 100
    meta: str = "{}"

    def record(self) -> tuple[Any, ...]:
        times = (self.scheduled_at,) * 3
        who = (self.id, self.strategy_run_id, self.user_id)
        return (*who, *times, self.status, self.reason, self.signal, self.latency_ms, self.meta)


def newest_first(rows: Iterable[Row]) -> list[str]:
    return [str(row.id) for row in sorted(rows, key=lambda row: (row.scheduled_at, row.id), reverse=True)]


async def insert(connection: Connection, rows: Sequence[Row]) -> None:
    await connection.copy_records_to_table(
        "strategy_tick_runs", records=[row.record() for row in rows], columns=COLUMNS
    )


async def refill(project: Project, rows: Sequence[Row]) -> None:
    """Exactly these ticks."""
    async with project.connect() as connection:
        await connection.execute("truncate strategy_tick_runs")
        await insert(connection, rows)


async def fill(project: Project, number: int, *, newest: datetime | None = None, group: int = 200) -> None:
    """Many ticks, `group` a minute, the newest at the given time; 1 % errors, the last of them a little apart."""
    chance = random.Random(4)
    newest = newest or datetime.now(UTC)
    rows = [
        Row(
            newest - timedelta(minutes=n // group),
            strategy_run_id=chance.choice(RUNS),
            status="error" if n % 100 == 0 else "ok",
            latency_ms=n % 300,
        )
        for n in range(number)
    ]
    await refill(project, rows)
    await project.execute("vacuum analyze strategy_tick_runs")
