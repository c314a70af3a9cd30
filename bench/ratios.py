"""Two ways to do the same work, timed in turn on the same machine: only their ratio outlives the machine."""

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from rich import box
from rich.console import Console
from rich.table import Table

Batch: TypeAlias = Callable[[], Awaitable[float]]
"""Does its work once and returns the seconds that took, or what else it measured."""

LONGEST_SECONDS = 600
"""A comparison that takes longer than this is stuck."""


class Unit(Enum):
    """What is compared. Of rates, the aim is the least that will do; of everything else, the most."""

    PER_SECOND = "{:,.0f}/s"
    MILLISECONDS = "{:,.1f} ms"
    MEGABYTES = "{:,.1f} MB"
    NUMBER = "{:,.1f}"

    def of(self, measured: float, work: int) -> float:
        """A batch of `work` pieces, in this unit. Times and rates are measured in seconds."""
        match self:
            case Unit.PER_SECOND:
                return work / measured
            case Unit.MILLISECONDS:
                return measured / work * 1000
            case _:
                return measured / work


@dataclass(frozen=True, slots=True)
class Comparison:
    """`ours` against `floor`, which each do `work` pieces a batch. Without an aim it is there for information."""

    title: str
    floor_title: str
    ours: Batch
    floor: Batch
    unit: Unit
    work: int
    rounds: int
    aim: float | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """A comparison with one value a round for each side, in its unit."""

    comparison: Comparison
    ours: tuple[float, ...]
    floor: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        return [ours / floor for ours, floor in zip(self.ours, self.floor, strict=True)]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def met(self) -> bool | None:
        """None without an aim."""
        aim = self.comparison.aim
        if aim is None:
            return None
        return self.ratio >= aim if self.comparison.unit is Unit.PER_SECOND else self.ratio <= aim


async def measure(comparison: Comparison) -> Measurement:
    """Each side once to warm up, then both in every round. Raises TimeoutError when it is stuck.

    The side that goes first changes with the round, so that neither always runs in the other's wake.
    """
    async with asyncio.timeout(LONGEST_SECONDS):
        await comparison.ours()
        await comparison.floor()
        ours, floor = [], []
        for number in range(comparison.rounds):
            if number % 2 == 0:
                ours.append(await comparison.ours())
                floor.append(await comparison.floor())
            else:
                floor.append(await comparison.floor())
                ours.append(await comparison.ours())
    return Measurement(comparison, _in_unit(comparison, ours), _in_unit(comparison, floor))


def print_table(measurements: Sequence[Measurement], notes: Sequence[str]) -> None:
    """One row a measurement, in Markdown, and the notes under it."""
    table = Table(box=box.MARKDOWN)
    for heading in ("measured", "against"):
        table.add_column(heading, no_wrap=True)
    for heading in ("ours", "floor", "ratio", "min..max", "aim", "met"):
        table.add_column(heading, no_wrap=True, justify="right")
    for measurement in measurements:
        table.add_row(*_row(measurement))
    # Wide enough for every row, wherever it is printed to: a wrapped row is no Markdown.
    console = Console(width=200, highlight=False, markup=False)
    console.print(table)
    for note in notes:
        console.print(note)


def _in_unit(comparison: Comparison, batches: list[float]) -> tuple[float, ...]:
    return tuple(comparison.unit.of(seconds, comparison.work) for seconds in batches)


def _row(measurement: Measurement) -> tuple[str, ...]:
    comparison, ratios = measurement.comparison, measurement.ratios
    rate = comparison.unit is Unit.PER_SECOND
    return (
        comparison.title,
        comparison.floor_title,
        *(comparison.unit.value.format(statistics.median(values)) for values in (measurement.ours, measurement.floor)),
        f"{measurement.ratio:.3f}",
        f"{min(ratios):.2f}..{max(ratios):.2f}",
        "-" if comparison.aim is None else f"{'>=' if rate else '<='} {comparison.aim}",
        {True: "yes", False: "MISSED", None: "-"}[measurement.met],
    )
