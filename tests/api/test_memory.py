"""What is remembered of callers, and for how long, with a clock of the test's own."""

import asyncio
import uuid
from collections.abc import Callable

import pytest

from app.api.auth import REMEMBERED_SECONDS, Authentication
from app.demo.database import ADMIN_ID
from app.errors import ForbiddenError, UnauthenticatedError
from tests.api.service import claimed, token
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
    return Authentication(load(supabase_jwt_secret=SECRET), profiles.look_up, clock=clock)


@pytest.fixture
def now() -> list[float]:
    return [1_000_000.0]


async def test_a_profile_is_asked_for_once_in_thirty_seconds_whatever_it_says(now: list[float]) -> None:
    profiles = Profiles(admin=True)
    checked = authentication(profiles, lambda: now[0])
    for _ in range(5):
        await checked.require_admin(token(SECRET), deadline())
    assert profiles.asked == 1
    profiles.admin = False
    now[0] += REMEMBERED_SECONDS - 1
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

    def decode(*_arguments: object, **_options: object) -> dict[str, object]:
        verified.append(now[0])
        if now[0] > 1_000_005:
            raise UnauthenticatedError("ended", presented=True)
        return {"sub": ADMIN_ID, "role": "authenticated", "exp": 1_000_005, "app_metadata": {"role": "admin"}}

    monkeypatch.setattr("app.api.auth.jwt.decode", decode)
    checked = authentication(Profiles(admin=False), lambda: now[0])
    for _ in range(3):
        await checked.require_admin(short, deadline())
    assert len(verified) == 1
    now[0] += 16
    with pytest.raises(UnauthenticatedError):
        await checked.require_admin(short, deadline())
