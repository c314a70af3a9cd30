"""Every figure of `/status` and `/runs`, over HTTP from a real database, against a second opinion on the same rows."""

import asyncio
from random import Random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.api.disagreements import disagreements, instant
from tests.api.service import serving_project
from tests.databases import Project
from tests.runner.oracle import DAY, HOUR, MINUTE, SECOND, Rows
from tests.runner.random_activity import Shape, World
from tests.stored_rows import read_rows, write_rows

# As in production some of these are not promised, and rows that break them have to be told of.
LOOSENED = """
alter table strategy_locks drop constraint strategy_locks_strategy_run_id_fkey;
alter table strategy_runs alter created_at drop not null, alter updated_at drop not null;
"""
MOMENTS = (
    "2026-11-25T09:23:09.110108Z",
    "2026-11-25T12:00:00Z",
    "2026-03-29T01:00:00.000001Z",  # Clocks in Europe skip an hour.
    "2026-10-25T01:01:15Z",  # They repeat one; and the grace of a slot of five minutes ends.
    "2027-01-01T00:00:00Z",
    "2026-12-31T23:59:55Z",
    "2026-11-25T12:02:00.000001Z",
    "2026-11-25T12:59:54.999999Z",
)
SHAPES = st.builds(
    Shape,
    runs=st.integers(0, 20),
    others=st.sampled_from((0.0, 0.0, 0.1, 0.5)),
    silent_for=st.sampled_from((0, 0, 0, 90 * SECOND, 12 * MINUTE, 5 * HOUR)),
    kept_for=st.sampled_from((9 * DAY, 9 * DAY, 9 * DAY, DAY, HOUR, 20 * MINUTE)),
    strangers=st.sampled_from((0, 5, 60)),
)


@pytest.mark.parametrize("enabled", [None, False])
async def test_all_figures_agree_on_random_activity(project: Project, clock: list[int], enabled: bool | None) -> None:
    """Of runs of all timeframes: ticks at the edges of slots and windows, ties, duplicates, strangers, the future."""
    await project.execute(LOOSENED)
    with serving_project(project, enable_strategy_runner=enabled) as service:

        @settings(max_examples=16 if enabled is None else 3, deadline=None, derandomize=True, phases=[Phase.generate])
        @given(st.sampled_from(MOMENTS), SHAPES, st.integers(0, 10**6), st.sampled_from((12, 60, 120)))
        def check(as_of: str, shape: Shape, seed: int, slots: int) -> None:
            now = instant(as_of)
            assert now is not None
            clock.append(now)
            rows = asyncio.run(put(project, World(Random(seed), now, shape).rows()))
            assert disagreements(service, rows, enabled=enabled, slots=slots) == []

        await asyncio.to_thread(check)


async def put(project: Project, rows: Rows) -> Rows:
    """Write them; the rows as the database has them."""
    async with project.connect() as connection:
        await write_rows(connection, rows)
        return await read_rows(connection)
