"""Ticks appear as they are written, the chart shows exactly those there are, and no value can break the page."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Browser, Route, expect

from tests.api.service import serving_project, token
from tests.databases import Project
from tests.ticks import RUNS, Row, insert, refill
from tests.web.reader import reading

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("ticking")]

HOSTILE = (
    "<img src=x onerror=\"document.title='taken'\"></td>\x1b[31m\u202e\x07\r\n\t"
    + "W" * 300
    + "\u202e'\"&amp;{{x}}${x}"
)
SCRIPT = "</script><script>document.title='taken'</script>"
TIMES = "(buttons) => buttons.map((button) => button.textContent.slice(-8))"
# Heights of each status in the column of the canvas where a bar's middle is, in the order from the top.
COLUMN = """
(share) => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
    .match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16));
  const canvas = document.querySelector("[data-panel=ticks] canvas");
  const plot = document.querySelector("[data-panel=ticks] .u-over");
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const left = (plot.offsetLeft + plot.offsetWidth * share) * devicePixelRatio;
  const { data } = copy.getImageData(Math.round(left), 0, 1, canvas.height);
  const seen = {};
  for (const name of ["error", "blocked", "skipped", "ok"]) {
    const [red, green, blue] = colour(name);
    seen[name] = 0;
    for (let at = 0; at < data.length; at += 4) {
      if (Math.abs(data[at] - red) + Math.abs(data[at + 1] - green) + Math.abs(data[at + 2] - blue) < 12) seen[name]++;
    }
  }
  return seen;
}
"""


async def test_new_ticks_wait_until_they_are_asked_for_or_followed(browser: Browser, project: Project) -> None:
    now = datetime.now(UTC)
    with serving_project(project) as service:
        async with reading(browser, service) as reader:
            await reader.look()
            await expect(reader.find("#ticks-actions")).to_contain_text("Live")
            rows = reader.find("#ticks-body tbody tr")
            before = await rows.count()
            async with project.connect() as connection:
                await insert(connection, [Row(now, reason="just_written", status="blocked")])
            await reader.button("Show 1 new").click()
            await expect(rows.first).to_contain_text("just_written")
            assert await rows.count() == before + 1
            await reader.page.get_by_label("Follow").check()
            async with project.connect() as connection:
                await insert(connection, [Row(now + timedelta(seconds=1), reason="followed")])
            await expect(rows.first).to_contain_text("followed")


@pytest.mark.parametrize("heard", [True, False], ids=["resumed", "never heard of any"])
async def test_a_rest_leaves_no_hole_among_the_ticks(browser: Browser, project: Project, *, heard: bool) -> None:
    """More were written meanwhile than a page holds: whatever is shown afterwards, none between two is left out."""
    now = datetime.now(UTC)
    written = [Row(now - timedelta(hours=2, seconds=number)) for number in range(80)]
    await refill(project, written)
    with serving_project(project) as service:
        async with reading(browser, service) as reader:
            await reader.look()
            await expect(reader.find("#ticks-actions")).to_contain_text("Live")
            async with project.connect() as connection:
                if heard:
                    written.append(Row(now - timedelta(seconds=200)))
                    await insert(connection, written[-1:])
                    await reader.button("Show 1 new").click()
                await reader.page.get_by_label("Refresh").select_option("0")
                await expect(reader.find("#ticks-actions")).to_contain_text("Resting")
                missed = [Row(now - timedelta(seconds=number)) for number in range(130)]
                await insert(connection, missed)
                written += missed
            await reader.page.get_by_label("Refresh").select_option("5")
            await expect(reader.find("#ticks-actions")).to_contain_text("Live")
            await reader.page.get_by_label("Follow").check()
            newest = re.compile(f"{now:%H:%M:%S}")
            await expect(reader.find("#ticks-body tbody button").first).to_have_accessible_name(newest)
            await reader.button("Load older").click()
            await expect(reader.find("#ticks-body tbody tr").nth(90)).to_be_visible()
            shown = await reader.find("#ticks-body tbody button").evaluate_all(TIMES)
            times = sorted((row.scheduled_at for row in written), reverse=True)
            assert shown == [f"{time:%H:%M:%S}" for time in times[: len(shown)]]


async def test_what_is_shown_stays_when_newer_ticks_cannot_be_read(browser: Browser, project: Project) -> None:
    """More came than a page holds, and no stream told of them, so that the list begins anew; and that page fails."""
    now = datetime.now(UTC)
    await refill(project, [Row(now - timedelta(hours=2, seconds=number)) for number in range(20)])
    failing = False
    asked: list[str] = []

    async def page(route: Route) -> None:
        asked.append(route.request.url)
        if failing and len(asked) > 1:
            await route.fulfill(status=503, json={"title": "Service Unavailable", "detail": "Not now."})
        else:
            await route.continue_()

    with serving_project(project) as service:
        async with reading(browser, service) as reader:
            await reader.page.route("**/api/runner/tick-runs/stream*", lambda route: route.abort())
            await reader.page.route(re.compile(r"/api/runner/tick-runs(\?|$)"), page)
            await reader.look()
            rows = reader.find("#ticks-body tbody tr")
            await expect(rows).to_have_count(20)
            await rows.nth(3).get_by_role("button").focus()
            async with project.connect() as connection:
                await insert(connection, [Row(now - timedelta(seconds=number)) for number in range(130)])
            failing = True
            asked.clear()
            await expect(reader.find("#ticks-body")).to_contain_text("Not now.")
            assert len(asked) >= 2
            await expect(rows).to_have_count(20)
            await expect(rows.nth(3).get_by_role("button")).to_be_focused()
            failing = False
            await expect(rows.first).to_contain_text(f"{now:%H:%M:%S}")
            await expect(reader.find("#ticks-body")).not_to_contain_text("Not now.")
            reader.failed_loads.clear()


@pytest.mark.parametrize("width", [1280, 360])
async def test_a_bar_is_as_high_as_its_ticks_are_many(browser: Browser, project: Project, width: int) -> None:
    """Twelve bars of equal height in the middle of the hour; what is read are the canvas's pixels."""
    now = datetime.now(UTC)
    start = now.replace(second=30, microsecond=0) - timedelta(minutes=36)
    wanted = {"ok": 12, "skipped": 6, "blocked": 4, "error": 2}
    statuses = [status for status, number in wanted.items() for _ in range(number)]
    await refill(
        project, [Row(start + timedelta(minutes=minute), status=one) for minute in range(12) for one in statuses]
    )
    with serving_project(project) as service:
        async with reading(browser, service, viewport={"width": width, "height": 900}) as reader:
            await reader.look()
            await expect(reader.find("#chart canvas").first).to_be_visible()
            await reader.settle()
            answer = service.get("/api/runner/status?window=1h", token()).json()["series"]
            first = next(number for number, bucket in enumerate(answer) if bucket["ok"])
            seen = await reader.page.evaluate(COLUMN, (first + 6.5) / len(answer))
            unit = sum(seen.values()) / sum(wanted.values())
            assert unit > 4
            for status, number in wanted.items():
                # A line in the page's colour around each part takes a pixel or two of it.
                assert abs(seen[status] - number * unit) <= 3, seen
            beside = await reader.page.evaluate(COLUMN, (first - 3.5) / len(answer))
            assert sum(beside.values()) == 0


async def test_hostile_values_are_text_and_nothing_else(browser: Browser, project: Project) -> None:
    """Of every column that somebody else fills: reasons, signals that the page does not know, names, owners, meta."""
    now = datetime.now(UTC)
    meta = '{"note": "</pre><script>document.title=1</script>"}'
    await refill(
        project, [Row(now - timedelta(seconds=30), reason=HOSTILE, status="error", meta=meta) for _ in range(4)]
    )
    async with project.connect() as connection:
        await connection.execute("update strategy_runs set symbol = $1, timeframe = $2", HOSTILE, SCRIPT)
        await connection.execute(
            "insert into strategy_locks (strategy_run_id, lock_owner, locked_until, updated_at)"
            " values ($1, $2, now() + interval '1 hour', now() - interval '1 day')"
            " on conflict (strategy_run_id) do update set lock_owner = $2, locked_until = excluded.locked_until,"
            " updated_at = excluded.updated_at",
            RUNS[0],
            HOSTILE,
        )
    with serving_project(project) as service:
        async with reading(browser, service, viewport={"width": 360, "height": 800}) as reader:
            await reader.look()
            await expect(reader.find("#ticks-body tbody tr").first).to_contain_text("onerror=")
            await expect(reader.find("#runs-body")).to_contain_text("</script><script>")
            assert await reader.overflow() <= 0
            assert await reader.problems_for_axe() == []
            await reader.find("#ticks-body tbody tr button").first.click()
            await expect(reader.find("#drawer pre")).to_contain_text("</pre><script>")
            assert await reader.overflow() <= 0
            assert await reader.find("img, #content script, #drawer script").count() == 0
            assert "taken" not in await reader.page.title()
            await reader.page.keyboard.press("Escape")
            await reader.page.set_viewport_size({"width": 1280, "height": 900})
            assert await reader.overflow() <= 0
