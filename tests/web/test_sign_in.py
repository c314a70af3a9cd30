"""Signing in through Supabase, and staying signed in: nobody is brought back, put out or kept waiting by a renewal."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import jwt
import pytest
from playwright.async_api import Browser, expect

from app.api.tokens import LEEWAY_SECONDS
from tests.api.service import serving_project
from tests.databases import Project
from tests.web.reader import STORED_AS, Reader, reading
from tests.web.supabase_auth import KEY, PASSWORD, SupabaseAuth, supabase_auth

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("ticking")]

RENEWED_AT_ONCE = 65  # seconds of a token that the page renews when it has had it for five
HELD = f"JSON.parse(sessionStorage.getItem('{STORED_AS}'))"


@asynccontextmanager
async def arriving(browser: Browser, project: Project, *lasts: float) -> AsyncIterator[tuple[Reader, SupabaseAuth]]:
    """A reader before the sign-in form of a service that knows its Supabase project, and that project."""
    with (
        supabase_auth(*lasts) as auth,
        serving_project(project, supabase_url=auth.url, supabase_anon_key=KEY) as service,
    ):
        async with reading(browser, service) as reader:
            await reader.open()
            yield reader, auth


async def sign_in(reader: Reader, password: str = PASSWORD) -> None:
    await reader.page.get_by_label("E-mail").fill("ada@example.com")
    await reader.page.get_by_label("Password").fill(password)
    await reader.button("Sign in").click()


async def test_a_password_signs_in_and_the_token_is_renewed_before_it_ends(browser: Browser, project: Project) -> None:
    async with arriving(browser, project, RENEWED_AT_ONCE, 3600) as (reader, auth):
        assert await reader.problems_for_axe() == []
        await sign_in(reader, "wrong")
        await expect(reader.find("#sign-in")).to_contain_text("Invalid login credentials")
        await sign_in(reader)
        await reader.verdict("All well")
        await reader.page.wait_for_function(f"(end) => {HELD}.expiresAt > end", arg=time.time() + 600)
        async with reader.page.expect_request(lambda asked: "/status" in asked.url) as asking:
            await reader.refresh()
        used = (await (await asking.value).all_headers())["authorization"]
        claims = jwt.decode(used.removeprefix("Bearer "), options={"verify_signature": False})
        assert claims["exp"] > time.time() + 600
        assert auth.asked == ["password", "password", "refresh_token"]
        await expect(reader.find("#sign-in")).to_be_hidden()


async def test_a_session_that_supabase_ended_asks_to_sign_in_again(browser: Browser, project: Project) -> None:
    async with arriving(browser, project, RENEWED_AT_ONCE) as (reader, auth):
        auth.refuses_renewal = True
        await sign_in(reader)
        await reader.verdict("All well")
        await expect(reader.find("#sign-in")).to_contain_text("Sign in again")
        await expect(reader.find("#content")).to_have_class("stale")


async def test_a_renewal_under_way_does_not_bring_back_who_signed_out(browser: Browser, project: Project) -> None:
    async with arriving(browser, project, RENEWED_AT_ONCE, 3600) as (reader, auth):
        auth.may_renew.clear()
        async with reader.page.expect_response("**/token?grant_type=refresh_token") as renewing:
            async with reader.page.expect_request("**/token?grant_type=refresh_token"):
                await sign_in(reader)
            await reader.button("Sign out").click()
            auth.may_renew.set()
        await (await renewing.value).finished()
        await reader.settle()
        assert await reader.page.evaluate("sessionStorage.length") == 0
        await expect(reader.find("#sign-in")).to_be_visible()
        await expect(reader.find("#content")).to_be_hidden()


async def test_supabase_out_of_reach_for_a_moment_ends_no_session(browser: Browser, project: Project) -> None:
    """The token ends meanwhile, and the service refuses it: all goes on, the stream too, once there is a new one."""
    async with arriving(browser, project, 6 - LEEWAY_SECONDS, 3600) as (reader, auth):
        auth.renews = False
        await sign_in(reader)
        await reader.verdict("All well")
        live = reader.find("#ticks-actions [data-state]")
        await expect(live).to_have_attribute("data-state", "refused")
        await expect(reader.find("#sign-in")).to_be_hidden()
        auth.renews = True
        await reader.refresh()
        await expect(live).to_have_attribute("data-state", "live")
        await reader.verdict("All well")
        await expect(reader.find("#sign-in")).to_be_hidden()


async def test_a_readers_clock_that_is_an_hour_ahead_renews_nothing_early(browser: Browser, project: Project) -> None:
    async with arriving(browser, project, 3600) as (reader, auth):
        await reader.page.clock.set_system_time(time.time() + 3600)
        await sign_in(reader)
        await reader.verdict("All well")
        # A timer that went by the token's own end would have gone off a second after it.
        await reader.page.wait_for_timeout(2500)
        assert auth.asked == ["password"]
