"""Who gets in: admins by claim or by profile, the probe; nobody else, and no bad token is an error of ours."""

import asyncio
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


async def test_no_credential_is_401_without_an_error_in_the_challenge(service: Service) -> None:
    answer = await asyncio.to_thread(service.get, PATH)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="runner-diagnostics"'


async def test_only_one_authorization_header_of_the_bearer_scheme_is_a_credential(service: Service) -> None:
    good = claimed(iss=ISSUER)
    for headers, status in (
        ([("Authorization", f"Bearer {good}")], 200),
        ([("authorization", f"bearer  {good}")], 200),
        ([("Authorization", f"Basic {good}")], 401),
        ([("Authorization", good)], 401),
        ([("Authorization", "Bearer")], 401),
        ([("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")], 401),
        ([("Authorization", f"Bearer {good}"), ("Authorization", "")], 401),
        ([("Authorization", "Basic eDp5"), ("Authorization", f"Bearer {good}")], 401),
        ([("Proxy-Authorization", f"Bearer {good}")], 401),
        ([("Cookie", f"access_token={good}; sb-access-token={good}")], 401),
        ([("apikey", good)], 401),
    ):
        answer = await asyncio.to_thread(httpx.get, service.url + PATH, headers=headers)
        assert answer.status_code == status, headers


async def test_a_token_in_the_query_string_is_no_credential(service: Service) -> None:
    for name in ("access_token", "token", "authorization", "jwt", "apikey"):
        answer = await asyncio.to_thread(service.get, f"{PATH}?{name}={claimed(iss=ISSUER)}")
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
