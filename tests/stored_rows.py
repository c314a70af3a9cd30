"""The oracle's rows, written into a real database and read from one."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.databases import Connection
from tests.runner.oracle import Lock, Risk, Rows, Run, Tick

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TABLES = ("user_profiles", "strategy_runs", "strategy_tick_runs", "strategy_locks", "strategy_risk_state")
RUN = ("id", "user_id", "symbol", "timeframe", "status", "last_run_at", "created_at", "updated_at")
TICK = ("id", "strategy_run_id", "user_id", "scheduled_at", "finished_at", "status", "reason", "signal", "latency_ms")
LOCK = ("strategy_run_id", "lock_owner", "locked_until", "updated_at")
RISK = ("user_id", "day", "is_paused", "paused_reason", "paused_until")


def moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else EPOCH + timedelta(microseconds=microseconds)


def microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - EPOCH) // timedelta(microseconds=1)


async def write_rows(connection: Connection, rows: Rows) -> None:
    """In the place of all that is there."""
    users = {run.user_id for run in rows.runs} | {tick.user_id for tick in rows.ticks}
    users |= {risk.user_id for risk in rows.risks}
    runs = [
        (run.id, run.user_id, run.symbol, run.timeframe, run.status, *map(moment, _times(run)), "bybit")
        for run in rows.runs
    ]
    ticks = [
        (tick.id, tick.run_id, tick.user_id, moment(tick.at), moment(tick.finished_at), *_said(tick), moment(tick.at))
        for tick in rows.ticks
    ]
    locks = [(lock.run_id, lock.owner, moment(lock.until), moment(lock.updated_at)) for lock in rows.locks]
    risks = [
        (risk.user_id, EPOCH.date() + timedelta(risk.day), risk.paused, risk.reason, moment(risk.until))
        for risk in rows.risks
    ]
    async with connection.transaction():
        await connection.execute(f"truncate {', '.join(TABLES)} cascade")
        await _copy(connection, "user_profiles", ("id",), [(user,) for user in users])
        await _copy(connection, "strategy_runs", (*RUN, "exchange"), runs)
        await _copy(connection, "strategy_tick_runs", (*TICK, "started_at"), ticks)
        await _copy(connection, "strategy_locks", LOCK, locks)
        await _copy(connection, "strategy_risk_state", RISK, risks)
    await connection.execute("analyze")


def _times(run: Run) -> tuple[int | None, ...]:
    return run.last_run_at, run.created_at, run.updated_at


def _said(tick: Tick) -> tuple[object, ...]:
    return tick.status, tick.reason, tick.signal, tick.latency_ms


async def _copy(
    connection: Connection, table: str, columns: tuple[str, ...], records: Sequence[tuple[object, ...]]
) -> None:
    await connection.copy_records_to_table(table, columns=columns, records=records)


async def read_rows(connection: Connection) -> Rows:
    """All of them."""

    async def read(table: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
        records = await connection.fetch(f"select {', '.join(columns)} from {table}")
        return [tuple(_plain(value) for value in record) for record in records]

    return Rows(
        runs=tuple(Run(*row) for row in await read("strategy_runs", RUN)),
        ticks=tuple(Tick(*row) for row in await read("strategy_tick_runs", TICK)),
        locks=tuple(Lock(*row) for row in await read("strategy_locks", LOCK)),
        risks=tuple(Risk(*row) for row in await read("strategy_risk_state", RISK)),
    )


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return microseconds(value)
    if isinstance(value, date):
        return (value - EPOCH.date()).days
    return UUID(bytes=value.bytes) if isinstance(value, UUID) else value
