"""Every figure of the demo's day, over HTTP, against a second opinion on its rows."""

import asyncio

from tests.api.disagreements import disagreements
from tests.api.service import serving_project
from tests.demo.conftest import Busy
from tests.stored_rows import read_rows


async def test_all_figures_agree_on_the_demos_day(busy: Busy) -> None:
    async with busy.project.connect() as connection:
        rows = await read_rows(connection)
    assert len(rows.ticks) > 50_000
    with serving_project(busy.project) as service:
        assert await asyncio.to_thread(disagreements, service, rows) == []
