"""Whatever is wrong, the page says what, calmly: each state in a real browser, on a real database in that state."""

import asyncio
import re
import time
from contextlib import ExitStack

import pytest
from playwright.async_api import Browser, expect

from app.demo.server import HOST, free_port
from tests.api.service import PROBE, USER_ID, Service, claimed, serving, serving_project, token
from tests.databases import Project
from tests.web.reader import reading

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOCKED_OUT = "revoke select on strategy_locks from service_role"


async def test_an_empty_database_is_said_to_be_empty(browser: Browser, project: Project) -> None:
    """Every table is there, and no row: nothing is wrong, and nothing pretends to run."""
    await project.execute("truncate strategy_tick_runs, strategy_locks, strategy_runs cascade")
    with serving_project(project) as service:
        async with reading(browser, service) as reader:
            await reader.look()
            await expect(reader.find("#runs-body")).to_contain_text("No strategy is active.")
            await expect(reader.find("#ticks-body")).to_contain_text("No tick was recorded yet.")
            await expect(reader.find("#verdict")).to_contain_text("No tick was ever recorded")
            assert await reader.problems_for_axe() == []


@pytest.mark.parametrize("template", ["nothing"])
async def test_a_database_without_any_table_is_drift_and_its_runner_is_unknown(
    browser: Browser, project: Project
) -> None:
    with serving_project(project) as service:
        async with reading(browser, service) as reader:
            await reader.open(credential=claimed())
            await reader.verdict("Drift", level="drift")
            await expect(reader.find("#findings")).to_contain_text("strategy_tick_runs.table")
            assert await reader.problems_for_axe() == []


@pytest.mark.parametrize("template", ["two_migrations"])
async def test_drift_shows_expected_beside_actual_and_hands_over_the_fix(browser: Browser, project: Project) -> None:
    with serving_project(project) as service:
        fix = service.get("/api/runner/schema/fix?part=1", token()).text
        async with reading(browser, service, accept_downloads=True) as reader:
            await reader.look()
            row = reader.find("#schema tr", text="strategy_locks.primary_key").first
            await expect(row.locator("td").nth(2)).not_to_be_empty()
            await reader.button("Show the fix").click()
            part = reader.find(".fix-file").first
            await expect(part.locator("pre")).to_contain_text("do $")
            async with reader.page.expect_download() as downloading:
                await part.get_by_role("button", name="Download").click()
            download = await downloading.value
            assert re.fullmatch(r"\d{14}_runner_fix_\w+\.sql", download.suggested_filename)
            saved = (await download.path()).read_text()
            await part.get_by_role("button", name=re.compile("^Copy")).click()
            await expect(part).to_contain_text("Copied")
            assert await reader.page.evaluate("navigator.clipboard.readText()") == saved
            # The version in it is the time it was planned at.
            assert [line for line in saved.splitlines() if "--" not in line[:2]] == [
                line for line in fix.splitlines() if "--" not in line[:2]
            ]
            assert await reader.problems_for_axe() == []


async def test_a_section_that_cannot_be_read_fails_alone(browser: Browser, project: Project) -> None:
    await project.execute(LOCKED_OUT)
    with serving_project(project) as service:
        async with reading(browser, service) as reader:
            await reader.look()
            await expect(reader.find("#verdict")).not_to_have_attribute("data-level", "ok")
            await expect(reader.find("#figures .figure").first).to_be_visible()
            await expect(reader.find("#chart canvas").first).to_be_visible()
            await expect(reader.find("#ticks-body tbody tr").first).to_be_visible()
