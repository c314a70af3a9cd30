"""The reports on the runner as JSON. A row of a runner table keeps its column names, all else is camelCase."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field
from pydantic_core import to_json

from app.render.json import OmittedWhenNone, Wire
from app.runner.causes import CauseKind
from app.runner.figures import Window
from app.runner.grid import GridRow, RunsReport
from app.runner.reasons import Severity
from app.runner.report import StatusReport
from app.runner.schedule import State
from app.runner.served import SlotOutcome
from app.runner.verdict import Verdict

# The same name in the JSON as in the table.
RunId = Annotated[UUID, Field(alias="strategy_run_id", validation_alias="strategy_run_id")]


class WireReason(Wire):
    """What a rule found: its worst value against the threshold; times are in seconds."""

    rule: str
    severity: Severity
    summary: str
    observed: float | None
    threshold: float | None
    count: int
    examples: tuple[str, ...]
    href: str


class WireActiveRuns(Wire):
    on_time: int
    late: int
    overdue: int
    unparsable: int


class WireRuns(Wire):
    total: int | None
    by_status: Mapping[str, int] | None
    active: WireActiveRuns | None


class WireDistribution(Wire):
    count: int
    p50: int | None
    p95: int | None
    p99: int | None
    max: int | None


class WireReasonCount(Wire):
    reason: str
    count: int


class WireTicks(Wire):
    total: int | None
    by_status: Mapping[str, int] | None
    by_signal: Mapping[str, int] | None
    error_rate: float | None = Field(description="error / (ok + error)")
    expected: int | None = Field(description="slots of active runs that came due in the window")
    missed: int | None = Field(description="those of them that no tick served")
    latency_ms: WireDistribution | None
    finish_delay_ms: WireDistribution | None
    reasons: tuple[WireReasonCount, ...] | None


class WireStreak(Wire):
    strategy_run_id: RunId
    symbol: str | None
    timeframe: str | None
    errors: int
    since: datetime
    last_ok_at: datetime | None


class WireLock(Wire):
    strategy_run_id: RunId
    lock_owner: str = Field(alias="lock_owner", validation_alias="lock_owner")
    locked_until: datetime = Field(alias="locked_until", validation_alias="locked_until")
    updated_at: datetime = Field(alias="updated_at", validation_alias="updated_at")
    symbol: str | None
    timeframe: str | None
    held_seconds: float
    expired: bool
    orphaned: bool
    overlong: bool


class WireLocks(Wire):
    held: int
    expired: int
    orphaned: int
    overlong: int
    items: tuple[WireLock, ...]


class WireRisk(Wire):
    paused_users: int
    reasons: tuple[WireReasonCount, ...]


class WireBucket(Wire):
    at: datetime
    ok: int
    skipped: int
    blocked: int
    error: int
    p95: int | None


class WireSection(Wire):
    ok: bool
    duration_ms: int
    accuracy: Literal["exact", "approximate"]
    error: OmittedWhenNone = None


class WireStatusReport(Wire):
    """The health of the runner. What could not be read is null."""

    verdict: Verdict
    reasons: tuple[WireReason, ...]
    as_of: datetime | None
    window: Window
    duration_ms: int
    enabled: bool | None
    active_strategies: int | None
    last_run_at: datetime | None
    last_run_status: str | None
    blocked_users_count: int | None
    last_blocked_reasons: tuple[str, ...] | None
    runs: WireRuns
    ticks: WireTicks
    streaks: tuple[WireStreak, ...] | None
    locks: WireLocks | None
    risk: WireRisk | None
    series: tuple[WireBucket, ...] | None
    sections: Mapping[str, WireSection]


class WireStatusResponse(WireStatusReport):
    """The report, and how it came to this caller. With the database out of reach, `ok` is false and the status 503."""

    ok: bool
    request_id: str | None
    cached: bool


class WireCause(Wire):
    kind: CauseKind
    by: OmittedWhenNone = None
    since: Annotated[datetime | None, Field(exclude_if=lambda value: value is None)] = None
    reason: OmittedWhenNone = None


class WireRun(Wire):
    strategy_run_id: RunId
    user_id: UUID | None = Field(alias="user_id", validation_alias="user_id")
    symbol: str | None
    timeframe: str | None
    state: State
    last_tick_at: datetime | None
    next_expected_at: datetime
    late_by_seconds: float
    missed: int | None
    streak: int
    lock: Annotated[WireLock | None, Field(exclude_if=lambda value: value is None)] = None
    cause: Annotated[WireCause | None, Field(exclude_if=lambda value: value is None)] = None
    slots: tuple[SlotOutcome, ...] | None = Field(description="the oldest first; fewer where 24 hours hold fewer")


class WireRunsReport(Wire):
    """Active runs, the worst first; null when they could not be judged."""

    verdict: Verdict
    as_of: datetime
    duration_ms: int
    total: int | None = Field(description="how many there are, whatever the limit")
    runs: tuple[WireRun, ...] | None
    sections: Mapping[str, WireSection]


class WireRunsResponse(WireRunsReport):
    """The grid, and how it came to this caller."""

    ok: Literal[True]
    request_id: str | None
    cached: bool


def status_report_json(report: StatusReport) -> bytes:
    """The report as a JSON object, to be `enveloped`."""
    return WireStatusReport.model_validate(report).model_dump_json(by_alias=True).encode()


def unreachable_json(report: bytes, *, request_id: str | None, code: str, title: str) -> bytes:
    """A rendered report for a database out of reach: not `ok`, and an error where the dashboard looks for it."""
    head = to_json({"ok": False, "requestId": request_id, "cached": False, "error": title, "code": code})
    return head[:-1] + b"," + report[1:]


def runs_report_json(report: RunsReport, *, limit: int, state: State | None, slots: int) -> bytes:
    """The first `limit` runs in that state, each with its last `slots` slots, to be `enveloped`."""
    chosen = [row for row in report.runs or () if state in (None, row.state)]
    wire: dict[str, Any] = {
        "verdict": report.verdict,
        "as_of": report.as_of,
        "duration_ms": report.duration_ms,
        "total": len(chosen) if report.runs is not None else None,
        "runs": [_wire_run(row, slots) for row in chosen[:limit]] if report.runs is not None else None,
        "sections": report.sections,
    }
    return WireRunsReport.model_validate(wire).model_dump_json(by_alias=True).encode()


def _wire_run(row: GridRow, slots: int) -> WireRun:
    return WireRun.model_validate(
        {
            "strategy_run_id": row.strategy_run_id,
            "user_id": row.user_id,
            "symbol": row.symbol,
            "timeframe": row.timeframe,
            "state": row.state,
            "last_tick_at": row.last_tick_at,
            "next_expected_at": row.next_expected_at,
            "late_by_seconds": row.late_by_seconds,
            "missed": row.missed(slots),
            "streak": row.streak,
            "lock": row.lock,
            "cause": row.cause,
            "slots": row.recent(slots),
        }
    )
