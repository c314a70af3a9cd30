"""The past day of the demo, written into its database."""

from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from app.demo.activity import PastDay, Strategy, Tick, past_day
from app.demo.scripts import script

if TYPE_CHECKING:
    import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

COLUMNS = (
    *("id", "strategy_run_id", "user_id", "scheduled_at", "started_at", "finished_at"),
    *("status", "reason", "signal", "latency_ms"),
)


async def seed_past_day(connection: Connection, now: datetime) -> None:
    """Add users, strategies and the day before `now` of all that are active. Needs all three migrations, no ticks."""
    async with connection.transaction():
        await connection.execute(script("sql", "5_activity.sql"))
        strategies = [Strategy(*row) for row in await connection.fetch(script("sql", "runner_strategies.sql"))]
        day = past_day(strategies, now)
        await connection.copy_records_to_table(
            "strategy_tick_runs", schema_name="public", columns=COLUMNS, records=map(_record, day.ticks)
        )
        await _write_states(connection, day, now)
    await connection.execute("analyze")


async def _write_states(connection: Connection, day: PastDay, now: datetime) -> None:
    states = day.states.values()
    paused = [strategy for strategy, state in day.states.items() if state.status == "paused"]
    await connection.execute(script("sql", "past_status.sql"), paused)
    await connection.execute(
        script("sql", "past_times.sql"),
        list(day.states),
        [state.changed_at for state in states],
        [state.last_run_at for state in states],
        [state.last_signal_at for state in states],
        now,
    )


def _record(tick: Tick) -> tuple[object, ...]:
    result = tick.outcome
    return (
        *(tick.id, tick.strategy.id, tick.strategy.user_id, tick.scheduled_at, tick.ended_at, tick.ended_at),
        *(result.status, result.reason, result.signal, tick.latency_ms),
    )
