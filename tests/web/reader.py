"""A reader at a real browser: Debian's Chromium, headless, looking at a real service."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import jwt
import pytest
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, async_playwright, expect

from tests.api.service import Service, token

expect.set_options(timeout=10_000)

STORED_AS = "runner-diagnostics.session"
AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text()
# WCAG 2.2, A and AA, and what axe's authors advise beyond it.
AXE_OPTIONS = {"resultTypes": ["violations"]}
WATCH = """
globalThis.__refused = [];
addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
  __refused.push(`${violatedDirective} ${blockedURI}`);
});
"""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser. Without one the tests are skipped, and say so; in CI they fail."""
    program = shutil.which("chromium")
    if program is None:
        reason = "Chromium is not installed (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)  # Only outside CI: .ci/run installs it.
    # As root, and in containers, its sandbox cannot be set up; what it looks at here is ours.
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        await browser.close()


@dataclass
class Reader:
    """One tab, and what went wrong in it."""

    page: Page
    service: Service
    faults: list[str] = field(default_factory=list)
    failed_loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        # The browser's own line for every answer that is not a 2xx, and for none.
        failed = message.text.startswith("Failed to load resource")
        (self.failed_loads if failed else self.faults).append(message.text)

    def find(self, selector: str, *, text: str | None = None) -> Locator:
        """Elements, by a CSS selector; those that hold a text, where one is given."""
        return self.page.locator(selector, has_text=text)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def open(self, query: str = "", *, credential: str | None = None) -> None:
        """Open the page, signed in if there is a token."""
        if credential is not None:
            end = jwt.decode(credential, options={"verify_signature": False})["exp"]
            session = json.dumps({"token": credential, "refreshToken": None, "expiresAt": end})
            script = (
                f"if (!sessionStorage.length) sessionStorage.setItem({json.dumps(STORED_AS)}, {json.dumps(session)});"
            )
            await self.page.add_init_script(script)
        await self.page.goto(f"{self.service.url}/{query}")

    async def look(self, query: str = "", *, credential: str | None = None) -> None:
        """Open the page as an admin, and wait until there is a verdict."""
        await self.open(query, credential=credential or token())
        await self.verdict("")

    async def verdict(self, title: str, *, level: str | None = None) -> None:
        """Wait until the verdict is read, and says this."""
        of_level = f'[data-level="{level}"]' if level else '[data-level]:not([data-level="loading"])'
        await expect(self.find(f"#verdict{of_level} .verdict-title")).to_contain_text(title)

    async def refresh(self) -> None:
        """Let the page read again now, as it does when the network comes back, and not with its next turn."""
        await self.page.evaluate("dispatchEvent(new Event('online'))")

    async def paste(self, credential: str) -> None:
        await self.page.get_by_label("An admin's access token").fill(credential)
        await self.button("Use token").click()

    async def texts(self, selector: str) -> Sequence[str]:
        return await self.find(selector).all_inner_texts()

    async def overflow(self) -> int:
        """How many pixels of the page lie beside the window."""
        return int(await self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    async def problems_for_axe(self) -> list[str]:
        """What axe-core finds on the page as it is now: rule, and the elements it is about."""
        await self.page.evaluate(AXE)
        found: dict[str, Any] = await self.page.evaluate("(options) => axe.run(document, options)", AXE_OPTIONS)
        return [
            f"{violation['id']} ({violation['impact']}): {[node['html'] for node in violation['nodes']][:3]}"
            for violation in found["violations"]
        ]

    async def refused(self) -> list[str]:
        """What the content security policy refused."""
        return list(await self.page.evaluate("globalThis.__refused"))

    async def settle(self) -> None:
        """Two frames: what was drawn is to be seen."""
        await self.page.evaluate("new Promise((seen) => requestAnimationFrame(() => requestAnimationFrame(seen)))")


@asynccontextmanager
async def reading(browser: Browser, service: Service, **options: Any) -> AsyncIterator[Reader]:  # noqa: ANN401 - Playwright's
    """A new reader, with nothing remembered. Whatever they do, the page must not raise, warn or be refused anything."""
    given = {
        "viewport": {"width": 1280, "height": 900},
        "permissions": ["clipboard-read", "clipboard-write"],
        **options,
    }
    context = await browser.new_context(**given)
    try:
        page = await context.new_page()
        page.set_default_timeout(10_000)
        await page.add_init_script(WATCH)
        reader = Reader(page, service)
        yield reader
        await asyncio.sleep(0)
        assert reader.faults == []
        assert await reader.refused() == []
    finally:
        await context.close()
