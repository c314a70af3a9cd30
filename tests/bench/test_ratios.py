"""What the table says of a measurement: its median, and whether the aim is met, for each unit in its own direction."""

import asyncio

import pytest

from bench.ratios import Batch, Comparison, Unit, measure


def giving(*values: float) -> Batch:
    """One value a batch; the first is that of warming up."""
    left = iter(values)

    async def batch() -> float:
        return next(left)

    return batch


@pytest.mark.parametrize(
    ("unit", "ours", "aim", "ratio", "met"),
    [
        (Unit.MILLISECONDS, (9, 3, 2, 4), 1.5, 1.5, True),
        (Unit.MILLISECONDS, (0, 3, 4, 4), 1.5, 2.0, False),
        (Unit.PER_SECOND, (9, 4, 4, 1), 0.5, 0.5, True),
        (Unit.PER_SECOND, (0, 4, 5, 5), 0.5, 0.4, False),
        (Unit.MEGABYTES, (0, 1, 1, 9), 1.0, 0.5, True),
        (Unit.NUMBER, (0, 3, 3, 3), 1.0, 1.5, False),
    ],
)
def test_an_aim_is_met_by_the_median_of_the_rounds_without_the_warming_up(
    unit: Unit, ours: tuple[float, ...], aim: float, ratio: float, met: bool
) -> None:
    floor = giving(7, 2, 2, 2)
    comparison = Comparison("ours", "floor", ours=giving(*ours), floor=floor, unit=unit, work=1, rounds=3, aim=aim)
    measurement = asyncio.run(measure(comparison))
    assert measurement.ratio == pytest.approx(ratio)
    assert measurement.met is met
