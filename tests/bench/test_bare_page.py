"""The floor of a page is one: it sends what ours sends, and answers with the same ticks."""

import json
from pathlib import Path

import httpx
import pytest

from app.demo.server import HOST
from app.postgres.pool import Database
from app.postgres.tick_filter import TickFilter
from app.postgres.ticks import Ticks
from bench.bare_page import SIZES
from bench.stage import run_service
from tests.databases import SECRET, Project


@pytest.mark.usefixtures("ticking")
async def test_a_bare_route_answers_with_the_ticks_of_our_page(project: Project, tmp_path: Path) -> None:
    settings, wanted = project.settings(), TickFilter()
    database = Database(settings)
    environment = {"DATABASE_URL": project.url(), "SUPABASE_JWT_SECRET": SECRET}
    try:
        with run_service("bench.bare_page:app", tmp_path, environment) as bare:
            for limit in SIZES:
                page = await Ticks(database, settings).page(wanted, wanted.start, limit=limit)
                async with httpx.AsyncClient(trust_env=False) as client:
                    answer = await client.get(f"http://{HOST}:{bare.port}/{limit}")
                assert answer.json() == {"tickRuns": json.loads(f"[{page.lines}]")}
                assert page.number > 0
    finally:
        await database.close()
