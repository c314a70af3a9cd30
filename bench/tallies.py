"""What callers met, added up: answers and their times by path, rows lost or given twice, and the service's memory."""

import asyncio
import os
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

SAMPLE_SECONDS = 1.0
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
PERCENTILES = 100

Ids: TypeAlias = Collection[UUID]


@dataclass(slots=True)
class Rows:
    """Ids of ticks that were read, counted against those that the database held before and after the reading."""

    checked: int = 0
    lost: int = 0
    twice: int = 0
    invented: int = 0

    def check(self, before: Ids, read: list[UUID], after: Ids) -> None:
        """All that was there before the reading must have been read, once, and nothing that was not there after it.

        Ticks are only ever added. One that came meanwhile may have been read or not.
        """
        distinct = set(read)
        self.checked += len(before)
        self.lost += len(set(before) - distinct)
        self.twice += len(read) - len(distinct)
        self.invented += len(distinct - set(after))

    @property
    def wrong(self) -> int:
        return self.lost + self.twice + self.invented


class Answers:
    """Times in seconds by path, and how many had which outcome: a status, or the code of a problem that is expected."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.outcomes: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, path: str, outcome: str, seconds: float) -> None:
        self.seconds[path].append(seconds)
        self.outcomes[path][outcome] += 1

    @property
    def number(self) -> int:
        return sum(len(times) for times in self.seconds.values())

    @property
    def unexpected(self) -> int:
        """Answers of 5xx, and requests without any; 503 for one export too many is an answer of its own name."""
        return sum(
            number
            for outcomes in self.outcomes.values()
            for outcome, number in outcomes.items()
            if not outcome.startswith(("2", "4", "busy"))
        )

    def worst(self, *paths: str) -> float:
        return max(max(self.seconds[path], default=0) for path in paths)


def percentile(values: list[float], wanted: int) -> float:
    """The value that `wanted` per cent do not exceed."""
    if len(values) < 2:
        return values[0]
    return statistics.quantiles(values, n=PERCENTILES, method="inclusive")[wanted - 1]


@dataclass(slots=True)
class Memory:
    """What a process held, in MB, every second."""

    process_id: int
    at: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0

    async def watch(self) -> None:
        """Until it is cancelled."""
        before = self._cpu()
        while True:
            self.at.append(time.monotonic())
            self.megabytes.append(self._resident() * PAGE_BYTES / 1e6)
            self.cpu_seconds = self._cpu() - before
            await asyncio.sleep(SAMPLE_SECONDS)

    def slope(self) -> float:
        """MB an hour, by least squares over the second half: in the first, caches and pools fill."""
        half = len(self.at) // 2
        if len(self.at) - half < 2:
            return 0.0
        return statistics.linear_regression(self.at[half:], self.megabytes[half:]).slope * 3600

    def grown(self) -> float:
        """MB by which the last quarter's median lies above that of the quarter before it."""
        quarter = max(1, len(self.megabytes) // 4)
        return statistics.median(self.megabytes[-quarter:]) - statistics.median(self.megabytes[-2 * quarter : -quarter])

    def _resident(self) -> int:
        return int(Path(f"/proc/{self.process_id}/statm").read_text().split()[1])

    def _cpu(self) -> float:
        user, system = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Tallies:
    pages: Rows = field(default_factory=Rows)
    exports: Rows = field(default_factory=Rows)
    streams: Rows = field(default_factory=Rows)
    answers: Answers = field(default_factory=Answers)

    @contextmanager
    def timed(self, path: str) -> Iterator[list[str]]:
        """The outcome is what the block puts into the list; that there was no answer, when it puts nothing there."""
        began = time.perf_counter()
        outcome: list[str] = []
        try:
            yield outcome
        finally:
            self.answers.add(path, outcome[0] if outcome else "none", time.perf_counter() - began)
