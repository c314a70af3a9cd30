"""Timeframes, and the slots they cut time into: candle boundaries, counted from the Unix epoch."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The runner ticks a strategy in the last seconds before a candle boundary. The same allowance is made for clocks.
LEAD = timedelta(seconds=5)

# The runner treats a timeframe it cannot read as this one.
FALLBACK_SECONDS = 300

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
TIMEFRAME = re.compile(r"([1-9][0-9]{0,7})([smhdw])", re.ASCII)
LONGEST_SECONDS = 366 * UNITS["d"]


@lru_cache(maxsize=1024)  # Each rule asks for the periods of all runs, which have a few timeframes between them.
def parse_timeframe(text: str | None) -> int | None:
    """Seconds of `<n>[smhdw]`; None for anything else, for nothing, and for more than 366 days. Never raises."""
    found = TIMEFRAME.fullmatch(text or "")
    if found is None:
        return None
    seconds = int(found[1]) * UNITS[found[2]]
    return seconds if seconds <= LONGEST_SECONDS else None


def period_of(timeframe: str | None) -> int:
    """Seconds between two slots of a run with this timeframe, as the runner treats it."""
    return parse_timeframe(timeframe) or FALLBACK_SECONDS


def slot_of(at: datetime, period: int) -> int:
    """The number of the slot that something scheduled at this time serves: floor((at + 5 s) / period)."""
    return (at + LEAD - EPOCH) // timedelta(seconds=period)


def slot_start(slot: int, period: int) -> datetime:
    """The candle boundary a slot is named after."""
    return EPOCH + timedelta(seconds=slot * period)
