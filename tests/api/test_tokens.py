"""Every good token gets in and no bad one does, over HTTP, while keys come and go."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from app.demo.database import ADMIN_ID
from app.demo.server import EmbeddedPostgres
from tests.api.bad_tokens import CORPUS
from tests.api.forging import ISSUER, Mutation, claim, good_token, header, later, without_claim, without_header
from tests.api.issuer import ALGORITHMS, PUBLIC_KEY_ALGORITHMS, admin_claims, foreign_key, key, new_key
from tests.api.keys_server import PATH as KEYS_PATH
from tests.api.keys_server import Fault, KeyEndpoint, key_endpoint
from tests.api.service import Service, serving_project
from tests.databases import NEWEST, Project, new_project

PATH = "/api/runner/schema"
KEYS = tuple(key(algorithm).jwk for algorithm in PUBLIC_KEY_ALGORITHMS)
CACHED = {"report_cache_ms": 600_000}


@pytest.fixture
def endpoint() -> Iterator[KeyEndpoint]:
    with key_endpoint(*KEYS) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def verifier(clusters: Callable[[int], EmbeddedPostgres]) -> Iterator[Service]:
    """One service for the whole corpus, with every kind of key and the secret."""
    with asyncio.Runner() as runner, key_endpoint(*KEYS) as endpoint:
        made = new_project(clusters(NEWEST))
        project = runner.run(made.__aenter__())
        try:
            with serving_project(project, jwt_issuer=ISSUER, jwks_url=endpoint.url + KEYS_PATH, **CACHED) as service:
                yield service
        finally:
            runner.run(made.__aexit__(None, None, None))


def status(service: Service, algorithm: str) -> int:
    return service.get(PATH, good_token(algorithm).text()).status_code


def statuses(service: Service) -> dict[str, int]:
    return {algorithm: status(service, algorithm) for algorithm in ALGORITHMS}


ALL_IN = dict.fromkeys(ALGORITHMS, 200)


@pytest.mark.parametrize("name", CORPUS)
def test_a_bad_token_is_kept_out_and_would_get_in_if_it_were_mended(verifier: Service, name: str) -> None:
    forgery = CORPUS[name]
    good = good_token(forgery.algorithm)
    assert verifier.get(PATH, good.text()).status_code == 200
    headers = {"Authorization": b"Bearer " + forgery.mutation(good).encode("latin-1")}
    answer = verifier.get(PATH, headers=headers)
    assert answer.status_code == forgery.status
    body = {name: value for name, value in answer.json().items() if name != "requestId"}
    kind = ("unauthenticated", "Not signed in") if forgery.status == 401 else ("forbidden", "Access denied")
    error = "invalid_token" if forgery.status == 401 else "insufficient_scope"
    assert answer.headers["www-authenticate"] == f'Bearer realm="runner-diagnostics", error="{error}"'
    assert (body["code"], body["title"]) == kind
    if forgery.status == 401:
        absent = verifier.get(PATH).json()
        assert body == {name: value for name, value in absent.items() if name != "requestId"}


def test_the_corpus_is_large_and_no_token_is_in_it_twice() -> None:
    texts = {forgery.mutation(good_token(forgery.algorithm)) for forgery in CORPUS.values()}
    assert len(texts) == len(CORPUS) >= 300


def test_a_good_token_of_every_algorithm_gets_in(verifier: Service) -> None:
    assert statuses(verifier) == ALL_IN
    for algorithm in ALGORITHMS:
        by_profile = admin_claims(ISSUER, sub=ADMIN_ID, app_metadata={"provider": "email"})
        assert verifier.get(PATH, key(algorithm).token(by_profile)).status_code == 200


ODD: dict[str, Mutation] = {
    "a list of one audience": claim("aud", ["authenticated"]),
    "a list of audiences": claim("aud", ["anon", "authenticated"]),
    "fractions of a second": later("exp", 3600.5),
    "valid from the beginning of time": claim("nbf", 0),
    "no end in sight": claim("exp", 10**25),
    "ended within the leeway": later("exp", -5),
    "issued by a clock ahead within the leeway": later("iat", 5),
    "no id of a user": claim("sub", "not-a-uuid"),
    "letters from elsewhere": claim("email", "\u00e9@\U0001f600"),
    "claims within claims": claim("amr", [{"method": "password"}]),
    "a claim named like a header": claim("crit", ["exp"]),
    "no word on anonymity": without_claim("is_anonymous"),
    "a name for the token": claim("jti", "x"),
    "a header more": header(x="y"),
    "no type": without_header("typ"),
    "almost too long": claim("filler", "x" * 5500),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_token_that_is_good_gets_in(verifier: Service, name: str) -> None:
    for algorithm in ALGORITHMS:
        assert verifier.get(PATH, ODD[name](good_token(algorithm))).status_code == 200


def test_a_header_says_nothing_but_which_key(verifier: Service) -> None:
    """What it has beside that, a key included, is not looked at: nothing is fetched from where it points."""
    foreign = foreign_key("ES256")
    with key_endpoint(foreign.jwk) as evil:
        for name in ("jku", "x5u"):
            pointing = {**foreign.header(), name: evil.url + KEYS_PATH}
            assert verifier.get(PATH, foreign.token(admin_claims(ISSUER), pointing)).status_code == 401
            ours = key("ES256").token(admin_claims(ISSUER), {**key("ES256").header(), name: evil.url + KEYS_PATH})
            assert verifier.get(PATH, ours).status_code == 200
        assert evil.asked == []


def test_a_token_of_the_secret_may_name_any_key_or_none(verifier: Service) -> None:
    secret = key("HS256")
    for first in ({"alg": "HS256"}, secret.header(), {**secret.header(), "kid": "ES256-key"}):
        assert verifier.get(PATH, secret.token(admin_claims(ISSUER), first)).status_code == 200


async def test_what_is_valid_follows_from_the_settings(project: Project, endpoint: KeyEndpoint) -> None:
    jwks_url = endpoint.url + KEYS_PATH
    with serving_project(project, supabase_jwt_secret=None, jwt_issuer=ISSUER, jwks_url=jwks_url, **CACHED) as service:
        assert await asyncio.to_thread(statuses, service) == {**ALL_IN, "HS256": 401}
    with serving_project(project, jwt_issuer=ISSUER, **CACHED) as service:
        assert await asyncio.to_thread(statuses, service) == {**dict.fromkeys(ALGORITHMS, 401), "HS256": 200}


async def test_the_project_alone_is_enough(project: Project, endpoint: KeyEndpoint) -> None:
    with serving_project(project, supabase_jwt_secret=None, supabase_url=endpoint.url + "/", **CACHED) as service:
        for algorithm in PUBLIC_KEY_ALGORITHMS:
            for issuer, expected in ((f"{endpoint.url}/auth/v1", 200), (ISSUER, 401)):
                given = key(algorithm).token(admin_claims(issuer))
                assert (await asyncio.to_thread(service.get, PATH, given)).status_code == expected
    assert endpoint.asked == [KEYS_PATH]


async def test_a_project_without_signing_keys_lets_the_secrets_tokens_in_and_no_others(
    project: Project, endpoint: KeyEndpoint
) -> None:
    endpoint.keys = []
    with serving_project(project, jwt_issuer=ISSUER, jwks_url=endpoint.url + KEYS_PATH, **CACHED) as service:
        assert await asyncio.to_thread(statuses, service) == {**dict.fromkeys(ALGORITHMS, 401), "HS256": 200}


@pytest.mark.parametrize("algorithm", PUBLIC_KEY_ALGORITHMS)
async def test_good_tokens_get_in_across_a_rotation(
    project: Project, endpoint: KeyEndpoint, algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a pause of a second instead of thirty, and as Supabase does it: published first, used next, then alone."""
    monkeypatch.setattr("app.api.keys.PAUSE_SECONDS", 1)
    monkeypatch.setattr("app.api.auth.REMEMBERED_TOKEN_SECONDS", 0)
    old, new = key(algorithm), new_key(algorithm, "next")

    def answers(service: Service, *tokens: str) -> list[int]:
        return [service.get(PATH, given).status_code for given in tokens]

    with serving_project(project, jwt_issuer=ISSUER, jwks_url=endpoint.url + KEYS_PATH, **CACHED) as service:
        tokens = [signing.token(admin_claims(ISSUER)) for signing in (old, new)]
        assert await asyncio.to_thread(answers, service, *tokens) == [200, 401]
        endpoint.keys = [old.jwk, new.jwk]
        await asyncio.sleep(1)
        assert await asyncio.to_thread(answers, service, *tokens) == [200, 200]
        endpoint.keys = [new.jwk]
        monkeypatch.setattr("app.api.keys.REUSE_SECONDS", 0.5)
        await asyncio.sleep(1)
        assert await asyncio.to_thread(answers, service, *tokens) == [401, 200]


OUTAGES = (Fault.STALLS, Fault.DRIPS, Fault.REDIRECTS, Fault.TALKS_GARBAGE, Fault.NEVER_ENDS, Fault.DROPS, Fault.FAILS)


@pytest.mark.parametrize("fault", OUTAGES, ids=str)
async def test_good_tokens_get_in_across_an_outage_of_the_keys(
    project: Project, endpoint: KeyEndpoint, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.api.auth.REMEMBERED_TOKEN_SECONDS", 0)
    with serving_project(project, jwt_issuer=ISSUER, jwks_url=endpoint.url + KEYS_PATH, **CACHED) as service:
        assert await asyncio.to_thread(statuses, service) == ALL_IN
        endpoint.fault = fault
        monkeypatch.setattr("app.api.keys.REUSE_SECONDS", 0)
        monkeypatch.setattr("app.api.keys.PAUSE_SECONDS", 0.5)
        assert await asyncio.to_thread(statuses, service) == ALL_IN
        bad = [foreign_key(algorithm).token(admin_claims(ISSUER)) for algorithm in ALGORITHMS]
        for given in bad:
            assert (await asyncio.to_thread(service.get, PATH, given)).status_code == 401
        endpoint.fault = None
        await asyncio.sleep(0.6)
        assert await asyncio.to_thread(statuses, service) == ALL_IN


@pytest.mark.parametrize("fault", OUTAGES, ids=str)
async def test_with_no_keys_at_all_good_and_bad_cannot_be_told_apart_until_the_keys_are_back(
    project: Project, endpoint: KeyEndpoint, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.api.keys.RETRY_SECONDS", 0.5)
    endpoint.fault = fault
    with serving_project(project, jwt_issuer=ISSUER, jwks_url=endpoint.url + KEYS_PATH, **CACHED) as service:
        with ThreadPoolExecutor(8) as pool:
            began = time.monotonic()
            answers = list(pool.map(lambda _: service.get(PATH, good_token("ES256").text()), range(8)))
            assert time.monotonic() - began < 4
        for answer in answers:
            assert answer.status_code == 503
            assert answer.json()["code"] == "signing_keys_unavailable"
            assert int(answer.headers["retry-after"]) > 0
            assert "www-authenticate" not in answer.headers
        assert await asyncio.to_thread(status, service, "HS256") == 200
        assert (await asyncio.to_thread(httpx.get, f"{service.url}/livez")).status_code == 200
        endpoint.fault = None
        await asyncio.sleep(0.6)
        assert await asyncio.to_thread(statuses, service) == ALL_IN


async def test_a_flood_of_made_up_keys_costs_one_request_for_keys(project: Project, endpoint: KeyEndpoint) -> None:
    with serving_project(project, jwt_issuer=ISSUER, jwks_url=endpoint.url + KEYS_PATH, **CACHED) as service:
        tokens = [new_key("EdDSA", f"made-up-{number}").token(admin_claims(ISSUER)) for number in range(60)]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda given: service.get(PATH, given).status_code, tokens))
        assert set(answers) == {401}
        assert await asyncio.to_thread(statuses, service) == ALL_IN
    assert len(endpoint.asked) == 1


async def test_the_keys_are_not_waited_for_longer_than_a_request_may_take(
    project: Project, endpoint: KeyEndpoint
) -> None:
    endpoint.fault = Fault.STALLS
    settings = {"jwt_issuer": ISSUER, "jwks_url": endpoint.url + KEYS_PATH, "database_timeout_ms": 300}
    with serving_project(project, **settings) as service:
        began = time.monotonic()
        answer = await asyncio.to_thread(service.get, PATH, good_token("RS256").text())
        assert (answer.status_code, answer.json()["code"]) == (503, "signing_keys_unavailable")
        assert time.monotonic() - began < 1.5
