"""The run of many callers, with few and for a moment: it looks at every kind of rows, and finds nothing wrong."""

from uuid import UUID, uuid4

import pytest

from bench.callers import run_callers
from bench.tallies import Memory, Rows

CALLERS = 20


def test_few_callers_meet_no_error_and_lose_no_row() -> None:
    run = run_callers(seconds=4, callers=CALLERS, think=0.5)
    tallies = run.tallies
    assert tallies.answers.unexpected == 0
    for rows in (tallies.pages, tallies.exports, tallies.streams):
        assert rows.checked > 0
        assert (rows.lost, rows.twice, rows.invented) == (0, 0, 0)
    assert run.ticks_written > 0
    asked = tallies.answers.outcomes
    assert {path.rpartition("/")[2] for path in asked} == {
        *("livez", "healthz", "metrics", "status", "schema", "runs"),
        *("tick-runs", "tick-runs?status", "tick-runs as CSV", "stream"),
    }
    assert set(asked["/api/runner/status"]) == {"200", "401"}


ONE, TWO, NEW = (UUID(int=number) for number in range(3))


@pytest.mark.parametrize(
    ("read", "lost", "twice", "invented"),
    [
        ([TWO, ONE], 0, 0, 0),
        ([NEW, TWO, ONE], 0, 0, 0),
        ([TWO], 1, 0, 0),
        ([TWO, ONE, TWO], 0, 1, 0),
        ([TWO, ONE, uuid4()], 0, 0, 1),
    ],
)
def test_rows_that_are_lost_or_given_twice_are_counted(read: list[UUID], lost: int, twice: int, invented: int) -> None:
    rows = Rows()
    rows.check({ONE, TWO}, read, {ONE, TWO, NEW})
    assert (rows.checked, rows.lost, rows.twice, rows.invented) == (2, lost, twice, invented)


def test_the_slope_of_memory_is_that_of_the_second_half() -> None:
    memory = Memory(0, at=[float(second) for second in range(60)])
    memory.megabytes = [80.0 + second for second in range(30)] + [110 + second / 3600 for second in range(30)]
    assert memory.slope() == pytest.approx(1)
    assert memory.grown() == pytest.approx(15 / 3600)
