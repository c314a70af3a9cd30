"""What is remembered of callers, and for how long, with a clock of the test's own."""

import asyncio
import time
import uuid
from collections.abc import Callable

import pytest
from starlette.requests import Request

from app.api.auth import REMEMBERED_PROFILE_SECONDS, Authentication, RequireAdmin
from app.api.tokens import VerifiedToken
from app.demo.database import ADMIN_ID
from app.errors import ForbiddenError, UnauthenticatedError
from tests.api.service import PROBE, claimed, token
from tests.test_settings import SECRET, load


class Profiles:
    """Admins by profile; counts how often it is asked."""

    def __init__(self, *, admin: bool) -> None:
        self.admin = admin
        self.asked = 0

    async def look_up(self, _user: uuid.UUID) -> bool:
        self.asked += 1
        return self.admin


def deadline() -> float:
    return asyncio.get_running_loop().time() + 5


def authentication(profiles: Profiles, clock: Callable[[], float]) -> Authentication:
    return Authentication(load(supabase_jwt_secret=SECRET), None, profiles.look_up, clock=clock)


@pytest.fixture
def now() -> list[float]:
    return [1_000_000.0]


async def test_a_profile_is_asked_for_once_in_fifteen_seconds_whatever_it_says(now: list[float]) -> None:
    profiles = Profiles(admin=True)
    checked = authentication(profiles, lambda: now[0])
    for _ in range(5):
        await checked.require_admin(token(SECRET), deadline())
    assert profiles.asked == 1
    profiles.admin = False
    now[0] += REMEMBERED_PROFILE_SECONDS - 1
    await checked.require_admin(token(SECRET), deadline())
    now[0] += 2
    for _ in range(5):
        with pytest.raises(ForbiddenError):
            await checked.require_admin(token(SECRET), deadline())
    assert profiles.asked == 2


async def test_a_token_is_not_remembered_past_its_end(now: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory follows its own clock; what is forgotten is verified again, and is then found to have ended."""
    short = claimed(secret=SECRET, exp=int(now[0]) + 5)
    verified = []

    def verify(*_arguments: object) -> VerifiedToken:
        verified.append(now[0])
        if now[0] > 1_000_005:
            raise UnauthenticatedError("ended", presented=True)
        claims = {"role": "authenticated", "app_metadata": {"role": "admin"}}
        return VerifiedToken(ADMIN_ID, 1_000_005, claims)

    monkeypatch.setattr("app.api.auth.verify", verify)
    checked = authentication(Profiles(admin=False), lambda: now[0])
    for _ in range(3):
        await checked.require_admin(short, deadline())
    assert len(verified) == 1
    now[0] += 16
    with pytest.raises(UnauthenticatedError):
        await checked.require_admin(short, deadline())


async def test_who_stays_is_told_when_the_token_ends_or_the_right_is_lost(now: list[float]) -> None:
    """What a stream asks every ten seconds: a lost right shows within thirty, and nobody is asked more often for it."""
    profiles = Profiles(admin=True)
    checked = authentication(profiles, lambda: now[0])
    identity = await checked.require_admin(token(SECRET), deadline())
    lost_at, told_at = now[0] + 1, None
    while told_at is None:
        now[0] += 10
        profiles.admin = False
        try:
            await checked.require_still_admin(identity, deadline())
        except ForbiddenError:
            told_at = now[0]
    assert told_at - lost_at < 30
    assert profiles.asked == 2
    profiles.admin = True
    now[0] = identity.expires_at
    await checked.require_still_admin(identity, deadline())
    now[0] = identity.expires_at + 10
    with pytest.raises(UnauthenticatedError):
        await checked.require_still_admin(identity, deadline())


async def test_a_route_learns_when_its_caller_ends_and_how_to_ask_again(now: list[float]) -> None:
    profiles, settings = Profiles(admin=True), load(supabase_jwt_secret=SECRET, probe_token=PROBE)
    checked = Authentication(settings, None, profiles.look_up, clock=lambda: now[0])
    let_in = RequireAdmin(checked, settings, probe=True)

    def request(credential: str) -> Request:
        return Request({"type": "http", "headers": [(b"authorization", f"Bearer {credential}".encode())]})

    end = int(time.time()) + 600
    caller = await let_in(request(token(SECRET, exp=end)))
    assert caller.expires_at == end
    assert 0 < caller.deadline - asyncio.get_running_loop().time() <= settings.timeout_seconds
    await caller.recheck()
    profiles.admin = False
    now[0] += REMEMBERED_PROFILE_SECONDS
    with pytest.raises(ForbiddenError):
        await caller.recheck()
    probe = await let_in(request(PROBE))
    assert probe.expires_at is None
    await probe.recheck()
