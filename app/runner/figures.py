"""Figures from grouped counts: percentiles, and a series of buckets that tile the window."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.runner.model import BLOCKED, ERROR, OK, SKIPPED, BucketCounts
from app.runner.timeframes import EPOCH


class Window(StrEnum):
    """The windows figures can be asked for."""

    QUARTER = "15m"
    HOUR = "1h"
    QUARTER_DAY = "6h"
    DAY = "24h"
    WEEK = "7d"

    @property
    def length(self) -> timedelta:
        return _WINDOWS[self][0]

    @property
    def bucket(self) -> timedelta:
        """The width of a bucket of the series; buckets begin at multiples of it since the epoch."""
        return _WINDOWS[self][1]


_WINDOWS = {
    Window.QUARTER: (timedelta(minutes=15), timedelta(seconds=15)),
    Window.HOUR: (timedelta(hours=1), timedelta(minutes=1)),
    Window.QUARTER_DAY: (timedelta(hours=6), timedelta(minutes=5)),
    Window.DAY: (timedelta(hours=24), timedelta(minutes=15)),
    Window.WEEK: (timedelta(days=7), timedelta(hours=2)),
}


@dataclass(frozen=True, slots=True)
class Distribution:
    """Milliseconds by nearest rank: the least value that at least that share of the values does not exceed.

    `count` is the number of values; the others are None where there is none.
    """

    count: int
    p50: int | None
    p95: int | None
    p99: int | None
    max: int | None


@dataclass(frozen=True, slots=True)
class Bucket:
    """Ticks of the window scheduled in [at, at + width). `p95` is that of their latencies, in ms, within 5 % above."""

    at: datetime
    ok: int
    skipped: int
    blocked: int
    error: int
    p95: int | None


def distribution(counts: Iterable[tuple[int, int]]) -> Distribution:
    """Of values and how often each occurs, in any order."""
    ordered = sorted(counts)
    return Distribution(
        count=sum(count for _, count in ordered),
        p50=percentile(ordered, 50),
        p95=percentile(ordered, 95),
        p99=percentile(ordered, 99),
        max=ordered[-1][0] if ordered else None,
    )


def percentile(ordered: Iterable[tuple[int, int]], percent: int) -> int | None:
    """By nearest rank, of (value, count) in ascending order; None without values."""
    ordered = tuple(ordered)
    rank = -(-sum(count for _, count in ordered) * percent // 100)
    for value, count in ordered:
        rank -= count
        if rank <= 0:
            return value
    return None


def most_frequent(counts: Mapping[str, int], number: int) -> tuple[tuple[str, int], ...]:
    """So many of the values that occur most often, and how often; of equals, those first in byte order."""
    return tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0].encode()))[:number])


def error_rate(by_status: Mapping[str, int]) -> float | None:
    """Error / (ok + error); None where there is neither."""
    errors = by_status.get(ERROR, 0)
    tried = by_status.get(OK, 0) + errors
    return errors / tried if tried else None


def bucket_of(at: datetime, width: timedelta) -> datetime:
    """The start of the bucket that a time falls in."""
    return EPOCH + (at - EPOCH) // width * width


def series(counts: BucketCounts, window: Window, as_of: datetime) -> tuple[Bucket, ...]:
    """Every bucket that has a part in (asOf - window, asOf], the empty ones, too. The first and last may be cut."""
    by_status: dict[datetime, Counter[str]] = defaultdict(Counter)
    by_band: dict[datetime, Counter[int]] = defaultdict(Counter)
    for (at, status, band), number in counts.items():
        by_status[at][status] += number
        if band is not None:
            by_band[at][band] += number
    at, buckets = bucket_of(as_of - window.length, window.bucket), []
    while at <= as_of:
        numbers, p95 = by_status[at], percentile(sorted(by_band[at].items()), 95)
        longest = longest_of(p95) if p95 is not None else None
        buckets.append(Bucket(at, numbers[OK], numbers[SKIPPED], numbers[BLOCKED], numbers[ERROR], longest))
        at += window.bucket
    return tuple(buckets)


def longest_of(band: int) -> int:
    """The longest latency, in whole ms, that a band has room for; see BucketCounts."""
    return 0 if band < 0 else math.floor(1.05 ** (band + 1))
