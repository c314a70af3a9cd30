"""The filters of ticks as query parameters: for pages, exports and the stream."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from app.api.query import QueryModel
from app.postgres.tick_filter import TickFilter, TickSignal, TickStatus

MOST_VALUES = 100
LARGEST_INTEGER = 2**31 - 1


def _in_utc(given: datetime) -> datetime:
    try:
        return given.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("too early or too late") from error


def _without_nul(given: str) -> str:
    if "\0" in given:
        raise ValueError("no text in Postgres has a NUL")
    return given


def _written_out(given: object) -> object:
    """A time and not a number: 20260129 would be taken for seconds, and so for a day of 1970."""
    if isinstance(given, str) and given[4:5] != "-":
        raise ValueError("not a time as RFC 3339 writes it")
    return given


Time = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]
Prefix = Annotated[
    str,
    Field(min_length=1, max_length=200, json_schema_extra={"pattern": "^[^\\u0000]*$"}),
    AfterValidator(_without_nul),
]


class TickQuery(QueryModel):
    """What can be given several times selects the ticks that have any of the values."""

    strategy_run_id: tuple[UUID, ...] = Field(default=(), max_length=MOST_VALUES, description="of these strategy runs")
    user_id: tuple[UUID, ...] = Field(default=(), max_length=MOST_VALUES, description="of these users")
    status: tuple[TickStatus, ...] = Field(default=(), description="with this status")
    signal: tuple[TickSignal, ...] = Field(default=(), description="with this signal")
    reason: tuple[Prefix, ...] = Field(default=(), max_length=MOST_VALUES, description="with a reason that starts so")
    since: Time | None = Field(default=None, description="scheduled at this time or later, RFC 3339")
    until: Time | None = Field(default=None, description="scheduled before this time, RFC 3339")
    min_latency_ms: int | None = Field(
        default=None, ge=0, le=LARGEST_INTEGER, description="that took at least so many milliseconds"
    )

    def filter(self) -> TickFilter:
        return TickFilter(
            strategy_run_ids=self.strategy_run_id,
            user_ids=self.user_id,
            statuses=self.status,
            signals=self.signal,
            reasons=self.reason,
            since=self.since,
            until=self.until,
            min_latency_ms=self.min_latency_ms,
        )
