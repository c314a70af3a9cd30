"""Every figure of `/status` and `/runs`, over HTTP from a real database, against the second opinion on the same rows."""

import asyncio
from random import Random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from app.postgres import activity
from tests.api.service import Service, claimed, serving_project
from tests.databases import Project
from tests.demo.conftest import Busy
from tests.runner.disagreements import in_runs, in_status, instant
from tests.runner.oracle import DAY, HOUR, LEAD, MINUTE, SECOND, WINDOWS, Rows, Sight
from tests.runner.random_activity import Shape, World
from tests.stored_rows import moment, read_rows, write_rows

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


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The database's now, in microseconds, where one is put there: the only thing that is not real here."""
    now: list[int] = []
    real = activity.statement

    def statement(name: str, *arguments: object, **options: object) -> str:
        text = real(name, *arguments, **options)  # type: ignore[arg-type]
        if name == "as_of" and now:
            assert text.count("pg_catalog.now()") == 1
            return text.replace("pg_catalog.now()", f"'{moment(now[-1])}'::timestamptz")
        return text

    monkeypatch.setattr(activity, "statement", statement)
    return now


def disagreements(service: Service, rows: Rows, *, enabled: bool | None, slots: int) -> list[str]:
    found = []
    for window in WINDOWS:
        answer = service.get(f"/api/runner/status?window={window}", claimed()).json()
        as_of = instant(answer["asOf"])
        assert as_of is not None
        sight = Sight(rows, as_of, enabled=enabled)
        found += [f"{window} {difference}" for difference in in_status(answer, sight, window)]
    answer = service.get(f"/api/runner/runs?limit=500&slots={slots}", claimed()).json()
    as_of = instant(answer["asOf"])
    assert as_of is not None
    return found + list(in_runs(answer, Sight(rows, as_of, enabled=enabled), slots))


SHAPES = st.builds(
    Shape,
    runs=st.integers(0, 14),
    others=st.sampled_from((0.0, 0.0, 0.1, 0.5)),
    silent_for=st.sampled_from((0, 0, 0, 90 * SECOND, 12 * MINUTE, 5 * HOUR)),
    kept_for=st.sampled_from((9 * DAY, 9 * DAY, 9 * DAY, DAY, HOUR, 20 * MINUTE)),
    strangers=st.sampled_from((0, 5, 60)),
)


async def test_all_figures_agree_on_random_activity(project: Project, clock: list[int]) -> None:
    await project.execute(LOOSENED)
    with serving_project(project) as service:

        @settings(max_examples=20, deadline=None, derandomize=True, phases=[Phase.generate])
        @given(
            as_of=st.sampled_from(MOMENTS), shape=SHAPES, seed=st.integers(0, 10**6), slots=st.sampled_from((12, 60, 120))
        )
        def check(as_of: str, shape: Shape, seed: int, slots: int) -> None:
            now = instant(as_of)
            assert now is not None
            clock.append(now)
            rows = asyncio.run(put(project, World(Random(seed), now, shape).rows()))
            assert disagreements(service, rows, enabled=None, slots=slots) == []

        await asyncio.to_thread(check)


async def put(project: Project, rows: Rows) -> Rows:
    """Write them; the rows as the database has them."""
    async with project.connect() as connection:
        await write_rows(connection, rows)
        return await read_rows(connection)
