"""Whatever is wrong, the page says what, calmly: each state in a real browser, on a real database in that state."""

import re
import time

import asyncpg
import pytest
from playwright.async_api import Browser, Route, expect

from app.api.tokens import LEEWAY_SECONDS
from tests.api.service import USER_ID, claimed, serving_project, token
from tests.databases import Project
from tests.web.reader import reading

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("ticking")]

LOCKED_OUT = "revoke select on strategy_locks from service_role"


async def admit(project: Project, *, connections: bool) -> None:
    """Let the database take connections, or end those there are and take no more."""
    connection = await asyncpg.connect(project.cluster.url())
    try:
        await connection.execute(f"alter database {project.name} allow_connections {connections}")
        if not connections:
            others = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1"
            await connection.execute(others, project.name)
    finally:
        await connection.close()


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


async def test_a_database_that_goes_away_is_down_and_what_was_read_stays(browser: Browser, project: Project) -> None:
    with serving_project(project) as service:
        async with reading(browser, service) as reader:
            await reader.look(credential=claimed())
            await reader.verdict("", level="ok")
            await admit(project, connections=False)
            await reader.refresh()
            await reader.verdict("Down: the database is out of reach", level="down")
            assert (await reader.page.title()).startswith("✗ Down")
            await expect(reader.find("#ticks-body tbody tr").first).to_be_visible()
            assert await reader.problems_for_axe() == []
            await admit(project, connections=True)
            await reader.refresh()
            await reader.verdict("", level="ok")


async def test_a_lost_connection_dims_what_is_there_and_ends_by_itself(browser: Browser, project: Project) -> None:
    with serving_project(project) as service:
        async with reading(browser, service) as reader:
            await reader.look()
            await reader.page.context.set_offline(offline=True)
            await expect(reader.find("#strips")).to_contain_text("Connection lost at")
            await reader.verdict("Unknown now.", level="unknown")
            await expect(reader.find("#verdict")).to_contain_text("All well")
            await expect(reader.find("#content")).to_have_class("stale")
            await expect(reader.find("#runs-body tbody tr").first).to_be_visible()
            assert (await reader.page.title()).startswith("? Unknown")
            assert await reader.problems_for_axe() == []
            await reader.page.context.set_offline(offline=False)
            await reader.verdict("All well", level="ok")
            await expect(reader.find("#strips")).to_be_empty()


async def test_an_answer_that_is_old_is_never_green(browser: Browser, project: Project) -> None:
    """Ages are by the service's clock; here the database's is an hour behind it."""

    async def of_an_hour_ago(route: Route) -> None:
        answer = await route.fetch()
        body = await answer.json()
        hour = int(body["asOf"][11:13])
        await route.fulfill(
            response=answer, json={**body, "asOf": body["asOf"].replace(f"T{hour:02}", f"T{(hour - 1) % 24:02}")}
        )

    with serving_project(project) as service:
        async with reading(browser, service) as reader:
            await reader.page.route("**/api/runner/status*", of_an_hour_ago)
            await reader.look()
            await reader.verdict("Unknown now. Last known: All well", level="unknown")
            await expect(reader.find("#strips")).to_contain_text("What the service answers is old")


async def test_a_pause_pauses_and_the_verdict_grows_old_in_it(browser: Browser, project: Project) -> None:
    asked: list[str] = []
    with serving_project(project) as service:
        async with reading(browser, service) as reader:
            await reader.page.clock.install()
            await reader.look()
            await reader.find("#refresh").select_option("Paused")
            assert reader.page.url.endswith("?refresh=0")
            reader.page.on("request", lambda request: asked.append(request.url))
            await reader.page.clock.run_for(25_000)
            await expect(reader.find(".verdict-as-of")).to_have_text(re.compile(r"as of 2\d s ago"))
            await reader.page.evaluate(
                "dispatchEvent(new Event('online')); document.dispatchEvent(new Event('visibilitychange'))"
            )
            await reader.page.clock.run_for(50_000)
            await reader.verdict("Unknown now. Last known: All well", level="unknown")
            assert asked == []
            await reader.button("Resume").click()
            await reader.verdict("All well", level="ok")
            assert "refresh" not in reader.page.url


async def test_a_token_that_is_no_token_is_said_to_be_none(browser: Browser, project: Project) -> None:
    with serving_project(project) as service:
        async with reading(browser, service) as reader:
            await reader.open()
            assert await reader.problems_for_axe() == []
            await reader.paste("not a token")
            await expect(reader.find("#sign-in")).to_contain_text("The token is not accepted")
            await expect(reader.find("#content")).to_be_hidden()
            await reader.paste(f"Bearer {token()}")
            await reader.verdict("All well")
            await expect(reader.find("#sign-in")).to_be_hidden()
            kept = await reader.page.evaluate("[localStorage.length, document.cookie, sessionStorage.length]")
            assert kept == [0, "", 1]
            assert token()[:20] not in reader.page.url
            await reader.button("Sign out").click()
            await expect(reader.find("#sign-in")).to_be_visible()
            assert await reader.page.evaluate("sessionStorage.length") == 0
            assert await reader.texts("#runs-body tr, #ticks-body tr, #findings-body li, #schema-body tr") == []


async def test_someone_who_is_no_admin_is_told_so(browser: Browser, project: Project) -> None:
    with serving_project(project) as service:
        async with reading(browser, service) as reader:
            await reader.open(credential=token(sub=USER_ID, email="ben@example.com"))
            await expect(reader.find("#denied")).to_contain_text("ben@example.com is signed in, and not an admin here.")
            await expect(reader.find("#content")).to_be_hidden()
            assert await reader.problems_for_axe() == []
            await reader.button("Sign in as someone else").click()
            await reader.paste(token())
            await reader.verdict("All well")


async def test_a_token_that_ends_leaves_what_was_read_and_asks_for_another(browser: Browser, project: Project) -> None:
    with serving_project(project) as service:
        async with reading(browser, service) as reader:
            await reader.look("?window=6h", credential=token(exp=int(time.time()) - LEEWAY_SECONDS + 6))
            await expect(reader.find("#runs-body tbody tr").first).to_be_visible()
            await expect(reader.find("#sign-in")).to_contain_text("The session ended at")
            await expect(reader.find("#runs-body tbody tr").first).to_be_visible()
            await expect(reader.find("#content")).to_have_class("stale")
            await reader.verdict("Unknown now.", level="unknown")
            assert await reader.problems_for_axe() == []
            await reader.paste(token())
            await reader.verdict("All well", level="ok")
            await expect(reader.find("#sign-in")).to_be_hidden()
            await expect(reader.find("#window")).to_have_value("6h")
