"""Who gets in: admins by claim or by profile, the probe; nobody else, and no bad token is an error of ours."""

import asyncio
import base64
import json
import time
from collections.abc import Iterator

import httpx
import pytest

from app.demo.database import ADMIN_ID
from tests.api.service import PROBE, USER_ID, Service, claimed, serving_project, token
from tests.databases import SECRET, Project

PATH = "/api/runner/schema"


@pytest.fixture
def service(project: Project) -> Iterator[Service]:
    with serving_project(project, probe_token=PROBE, supabase_url="https://acme.supabase.co") as service:
        yield service


ISSUER = "https://acme.supabase.co/auth/v1"


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


NOW = int(time.time())
BAD_TOKENS = {
    "no letter of a token": "-",
    "not a token": "abc",
    "three empty parts": "..",
    "no signature": ".".join(claimed(iss=ISSUER).split(".")[:2]) + ".",
    "alg none": f"{part({'alg': 'none', 'typ': 'JWT'})}.{claimed(iss=ISSUER).split('.')[1]}.",
    "another secret": claimed(iss=ISSUER, secret="another-secret-of-at-least-32-bytes-0123"),
    "another algorithm with our secret": claimed(iss=ISSUER, algorithm="HS384"),
    "expired": claimed(iss=ISSUER, iat=NOW - 7200, exp=NOW - 3600),
    "not yet valid": claimed(iss=ISSUER, nbf=NOW + 3600),
    "issued in the future": claimed(iss=ISSUER, iat=NOW + 3600, exp=NOW + 7200),
    "no end": claimed(iss=ISSUER, exp=None),
    "no beginning": claimed(iss=ISSUER, iat=None),
    "no subject": claimed(iss=ISSUER, sub=None),
    "an empty subject": claimed(iss=ISSUER, sub="  "),
    "no audience": claimed(iss=ISSUER, aud=None),
    "another audience": claimed(iss=ISSUER, aud="anon"),
    "no issuer": claimed(),
    "another issuer": claimed(iss="https://evil.example/auth/v1"),
    "an end that is no number": claimed(iss=ISSUER, exp="tomorrow"),
    "an end beyond all time": claimed(iss=ISSUER, exp=float("inf")),
    "a header of four thousand nested lists": base64.urlsafe_b64encode(b"[" * 4000).decode().rstrip("=") + ".e30.x",
    "a payload that is no object": f"{part({'alg': 'HS256'})}.{part([1])}.x",
    "letters from elsewhere": "é.é.é",
    "too long": claimed(iss=ISSUER, filler="x" * 9000),
    "two tokens": claimed(iss=ISSUER) + " " + claimed(iss=ISSUER),
}


@pytest.mark.parametrize("name", BAD_TOKENS)
async def test_a_bad_token_is_401_with_a_challenge_and_one_body(service: Service, name: str) -> None:
    headers = {"Authorization": f"Bearer {BAD_TOKENS[name]}".encode()}
    answer = await asyncio.to_thread(service.get, PATH, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert (answer.json()["code"], answer.json()["detail"]) == ("unauthenticated", "The bearer token is not valid.")


async def test_no_credential_is_401_without_an_error_in_the_challenge(service: Service) -> None:
    answer = await asyncio.to_thread(service.get, PATH)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="runner-diagnostics"'


async def test_another_scheme_or_two_headers_are_401(service: Service) -> None:
    good = claimed(iss=ISSUER)
    for headers in (
        [("Authorization", f"Basic {good}")],
        [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")],
    ):
        answer = await asyncio.to_thread(httpx.get, service.url + PATH, headers=headers)
        assert answer.status_code == 401


async def test_a_token_in_the_query_string_is_no_credential(service: Service) -> None:
    answer = await asyncio.to_thread(service.get, f"{PATH}?access_token={claimed(iss=ISSUER)}")
    assert answer.status_code == 401


async def test_an_admin_by_claim_gets_in(service: Service) -> None:
    for sub in (ADMIN_ID, USER_ID, "not-a-uuid"):
        assert (await asyncio.to_thread(service.get, PATH, claimed(iss=ISSUER, sub=sub))).status_code == 200


async def test_an_admin_by_profile_gets_in_and_a_user_does_not(service: Service) -> None:
    assert (await asyncio.to_thread(service.get, PATH, token(iss=ISSUER))).status_code == 200
    for sub in (USER_ID, "00000000-0000-4000-8000-00000000dead", "not-a-uuid"):
        answer = await asyncio.to_thread(service.get, PATH, token(iss=ISSUER, sub=sub))
        assert answer.status_code == 403
        assert "insufficient_scope" in answer.headers["www-authenticate"]
        assert answer.json()["error"] == "Access denied"


@pytest.mark.parametrize(
    "claims",
    [
        {"role": "service_role"},
        {"role": "anon"},
        {"role": None},
        {"is_anonymous": True},
        {"client_id": "an-oauth-client"},
    ],
)
async def test_api_keys_anonymous_users_and_oauth_clients_are_no_admins(
    service: Service, claims: dict[str, object]
) -> None:
    assert (await asyncio.to_thread(service.get, PATH, claimed(iss=ISSUER, **claims))).status_code == 403


@pytest.mark.parametrize(
    "metadata",
    [{"role": "Admin"}, {"role": ["admin"]}, {"role": True}, {"role": None}, {}, "admin", None],
)
async def test_only_the_exact_value_at_the_exact_place_makes_an_admin(service: Service, metadata: object) -> None:
    given = token(iss=ISSUER, sub=USER_ID, app_metadata=metadata, user_metadata={"role": "admin"})
    assert (await asyncio.to_thread(service.get, PATH, given)).status_code == 403


async def test_the_probe_gets_in_by_its_exact_token_alone(service: Service) -> None:
    assert (await asyncio.to_thread(service.get, PATH, PROBE)).status_code == 200
    for near in (PROBE[:-1], PROBE + "x", PROBE.upper()):
        assert (await asyncio.to_thread(service.get, PATH, near)).status_code == 401


async def test_a_hook_claim_can_make_admins_instead(project: Project) -> None:
    with serving_project(project, admin_claim="user_role", admin_values="owner,operator") as service:
        for value, status in (("operator", 200), ("admin", 403)):
            answer = await asyncio.to_thread(service.get, PATH, token(sub=USER_ID, user_role=value))
            assert answer.status_code == status


async def test_without_a_profile_table_only_claims_make_admins(project: Project) -> None:
    for table in ("", "no_such_table"):
        with serving_project(project, admin_profile_table=table) as service:
            assert (await asyncio.to_thread(service.get, PATH, token())).status_code == 403
            assert (await asyncio.to_thread(service.get, PATH, claimed())).status_code == 200


async def test_a_profile_that_may_not_be_read_is_503_and_not_a_no(project: Project) -> None:
    await project.execute("revoke all on user_profiles from service_role")
    with serving_project(project) as service:
        answer = await asyncio.to_thread(service.get, PATH, token())
        assert (answer.status_code, answer.json()["code"]) == (503, "admin_lookup_failed")
        assert int(answer.headers["retry-after"]) > 0


async def test_a_database_out_of_reach_is_503_for_who_could_be_an_admin_by_profile(project: Project) -> None:
    with serving_project(project, database_url="postgresql://u:p@127.0.0.1:1/x") as service:
        assert (await asyncio.to_thread(service.get, PATH, token())).status_code == 503
        assert (await asyncio.to_thread(service.get, PATH, token(secret=SECRET[::-1]))).status_code == 401


async def test_an_odd_profile_table_name_is_quoted(project: Project) -> None:
    await project.execute('alter table user_profiles rename to "Pro""files; --"')
    with serving_project(project, admin_profile_table='Pro"files; --') as service:
        assert (await asyncio.to_thread(service.get, PATH, token())).status_code == 200
