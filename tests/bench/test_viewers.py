"""The run of viewers, with few and for a moment: what the database did for them is counted, and nothing else is."""

import pytest

from bench import viewers
from bench.viewers import run_viewers


def test_what_viewers_cost_is_counted_as_they_come_and_while_they_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewers, "PAGE_SECONDS", 0.5)
    found = run_viewers(3, seconds=3)
    assert found.viewers == 3
    # Each looks every half second at a status and the runs, on a machine that may be busy.
    assert found.requests >= 3 * 2
    for cost in (found.arriving, found.watching):
        assert cost.statements > 0
        assert cost.milliseconds > 0
    # A session tells of its buffers a second later.
    assert found.arriving.buffers + found.watching.buffers > 0
    assert found.watching.seconds >= 3
