"""The project's keys: asked for seldom, kept through an outage, and each judged on its own. With a clock of our own."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from app.api.keys import (
    FETCH_SECONDS,
    LARGEST_ANSWER,
    LONGEST_SECONDS,
    PAUSE_SECONDS,
    RETRY_SECONDS,
    REUSE_SECONDS,
    SigningKeys,
)
from app.demo.server import HOST, free_port
from app.errors import SigningKeysUnavailableError
from tests.api.issuer import PUBLIC_KEY_ALGORITHMS, base64url, key, new_key
from tests.api.keys_server import PATH, Fault, KeyEndpoint, certificate, key_endpoint

KEY = key("ES256")
NAME = (KEY.kid, "ES256")


@pytest.fixture
def endpoint() -> Iterator[KeyEndpoint]:
    with key_endpoint(KEY.jwk) as endpoint:
        yield endpoint


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def keys_of(endpoint: KeyEndpoint, clock: Clock | None = None) -> AsyncIterator[SigningKeys]:
    keys = SigningKeys(endpoint.url + PATH, clock=clock or Clock())
    try:
        yield keys
    finally:
        await keys.close()


async def found(keys: SigningKeys, name: tuple[str, str] = NAME) -> bool:
    return await keys.find(*name) is not None


async def test_keys_are_asked_for_when_they_are_needed_and_again_after_ten_minutes(endpoint: KeyEndpoint) -> None:
    clock = Clock()
    async with keys_of(endpoint, clock) as keys:
        assert endpoint.asked == []
        for _ in range(5):
            assert await found(keys)
            clock.now += (REUSE_SECONDS - 1) / 5
        assert len(endpoint.asked) == 1
        clock.now += 2
        endpoint.keys = []
        assert not await found(keys)
        assert len(endpoint.asked) == 2


async def test_all_who_ask_at_once_share_one_request(endpoint: KeyEndpoint) -> None:
    endpoint.delay_seconds = 0.2
    async with keys_of(endpoint) as keys:
        assert await asyncio.gather(*(found(keys) for _ in range(50))) == [True] * 50
        assert len(endpoint.asked) == 1


async def test_who_gives_up_does_not_end_the_request_of_the_others(endpoint: KeyEndpoint) -> None:
    endpoint.delay_seconds = 0.2
    async with keys_of(endpoint) as keys:
        impatient = asyncio.create_task(found(keys))
        patient = asyncio.create_task(found(keys))
        await asyncio.sleep(0.05)
        impatient.cancel()
        assert await patient
        assert len(endpoint.asked) == 1


async def test_an_unknown_key_id_costs_one_request_in_thirty_seconds(endpoint: KeyEndpoint) -> None:
    clock = Clock()
    async with keys_of(endpoint, clock) as keys:
        assert await found(keys)
        for number in range(100):
            assert not await found(keys, (f"made-up-{number}", "ES256"))
        assert len(endpoint.asked) == 1
        clock.now += PAUSE_SECONDS
        await asyncio.gather(*(found(keys, (f"made-up-{number}", "ES256")) for number in range(100)))
        assert not await found(keys, ("made-up", "ES256"))
        assert len(endpoint.asked) == 2
        assert await found(keys)


async def test_a_new_key_is_found_and_a_withdrawn_one_is_no_more(endpoint: KeyEndpoint) -> None:
    clock, new = Clock(), new_key("ES256", "new")
    async with keys_of(endpoint, clock) as keys:
        assert await found(keys)
        endpoint.keys = [new.jwk]
        clock.now += PAUSE_SECONDS
        assert await found(keys, ("new", "ES256"))
        assert not await found(keys)


@pytest.mark.parametrize("algorithm", PUBLIC_KEY_ALGORITHMS)
async def test_a_key_is_for_its_own_algorithm_alone(endpoint: KeyEndpoint, algorithm: str) -> None:
    signing = key(algorithm)
    bare = {name: value for name, value in signing.jwk.items() if name not in ("alg", "use", "key_ops", "ext")}
    for published in (signing.jwk, bare):
        endpoint.keys = [published]
        async with keys_of(endpoint) as keys:
            for asked in ("none", "HS256", "RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA"):
                assert await found(keys, (signing.kid, asked)) == (asked == algorithm)


async def test_of_two_kinds_of_key_under_one_id_each_serves_its_own_algorithm(endpoint: KeyEndpoint) -> None:
    endpoint.keys = [{**key(algorithm).jwk, "kid": "shared"} for algorithm in PUBLIC_KEY_ALGORITHMS]
    async with keys_of(endpoint) as keys:
        for algorithm in PUBLIC_KEY_ALGORITHMS:
            chosen = await keys.find("shared", algorithm)
            assert chosen is not None
            assert chosen.algorithm_name == algorithm


async def test_a_set_without_keys_is_an_answer(endpoint: KeyEndpoint) -> None:
    endpoint.keys = []
    async with keys_of(endpoint) as keys:
        assert not await found(keys)
        assert not await found(keys)
        assert len(endpoint.asked) == 1


def other_curve(curve: ec.EllipticCurve) -> dict[str, Any]:
    return ECAlgorithm.to_jwk(ec.generate_private_key(curve).public_key(), as_dict=True)


def rsa_of(bits: int) -> dict[str, Any]:
    parameters = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, bits).public_key(), as_dict=True)
    return {name: value for name, value in parameters.items() if name != "key_ops"}


GOOD = {algorithm: key(algorithm).jwk for algorithm in PUBLIC_KEY_ALGORITHMS}
UNUSABLE: dict[str, Any] = {
    "not an object": "ES256-key",
    "null": None,
    "nested deeply": [[[[[[[[[[]]]]]]]]]],
    "empty": {},
    "without an id": {name: value for name, value in KEY.jwk.items() if name != "kid"},
    "with an empty id": {**KEY.jwk, "kid": ""},
    "with a number for an id": {**KEY.jwk, "kid": 7},
    "without a kind": {name: value for name, value in KEY.jwk.items() if name != "kty"},
    "of a list of kinds": {**KEY.jwk, "kty": ["EC"]},
    "of an unknown kind": {**KEY.jwk, "kty": "AKP"},
    "of another kind than its numbers": {**KEY.jwk, "kty": "RSA", "crv": None},
    "symmetric": {"kid": KEY.kid, "kty": "oct", "k": base64url(b"k" * 32), "alg": "HS256"},
    "symmetric, for our algorithm": {"kid": KEY.kid, "kty": "oct", "k": base64url(b"k" * 32), "alg": "ES256"},
    "private": {**KEY.jwk, "d": base64url(b"d" * 32)},
    "for encryption": {**KEY.jwk, "use": "enc"},
    "for no known use": {**KEY.jwk, "use": ["sig"]},
    "for signing alone": {**KEY.jwk, "key_ops": ["sign"]},
    "for no operation": {**KEY.jwk, "key_ops": []},
    "for an operation that is no list": {**KEY.jwk, "key_ops": "verify"},
    "for another algorithm": {**KEY.jwk, "alg": "ES384"},
    "for HS256": {**KEY.jwk, "alg": "HS256"},
    "for none": {**KEY.jwk, "alg": "none"},
    "RSA for PS256": {**GOOD["RS256"], "alg": "PS256"},
    "RSA for RS512": {**GOOD["RS256"], "alg": "RS512"},
    "RSA of 1024 bits": {**rsa_of(1024), "kid": KEY.kid},
    "RSA of 9216 bits": {**GOOD["RS256"], "n": base64url(b"\x01" * 1152)},
    "RSA without a modulus": {name: value for name, value in GOOD["RS256"].items() if name != "n"},
    "RSA with an exponent of one": {**GOOD["RS256"], "e": base64url(b"\x01")},
    "RSA with an even exponent": {**GOOD["RS256"], "e": base64url(b"\x02")},
    "RSA with a number for a modulus": {**GOOD["RS256"], "n": 3},
    "of P-384": {**other_curve(ec.SECP384R1()), "kid": KEY.kid},
    "of secp256k1": {**other_curve(ec.SECP256K1()), "kid": KEY.kid},
    "of Ed448": {**OKPAlgorithm.to_jwk(ed448.Ed448PrivateKey.generate().public_key(), as_dict=True), "kid": KEY.kid},
    "a point beside the curve": {**KEY.jwk, "y": base64url(b"\x01" * 32)},
    "a point that is too short": {**KEY.jwk, "x": base64url(b"\x01" * 31)},
    "a point that is no base64": {**KEY.jwk, "x": "é" * 43},
    "a point that is null": {**KEY.jwk, "x": None},
    "Ed25519 that is too short": {**GOOD["EdDSA"], "x": base64url(b"\x01" * 31)},
}


@pytest.mark.parametrize("name", UNUSABLE)
async def test_an_unusable_key_is_left_out_and_spoils_no_other(endpoint: KeyEndpoint, name: str) -> None:
    unusable, good = UNUSABLE[name], {**KEY.jwk, "kid": "good"}
    endpoint.keys = [unusable, good]
    async with keys_of(endpoint) as keys:
        assert await found(keys, ("good", "ES256"))
        kid = unusable.get("kid", KEY.kid) if isinstance(unusable, dict) else KEY.kid
        for algorithm in ("none", "HS256", "RS256", "RS512", "PS256", "ES256", "ES384", "ES256K", "EdDSA"):
            assert not await found(keys, (str(kid), algorithm))
    endpoint.keys = [good, unusable]
    async with keys_of(endpoint) as keys:
        assert await found(keys, ("good", "ES256"))


FAULTS = [*Fault, None]
"""None: nothing listens."""


@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_without_any_keys_an_endpoint_out_of_order_is_no_answer_until_it_is_back(fault: Fault | None) -> None:
    clock, port = Clock(), free_port()
    with key_endpoint(KEY.jwk) as endpoint:
        endpoint.fault = fault
        keys = SigningKeys((f"http://{HOST}:{port}" if fault is None else endpoint.url) + PATH, clock=clock)
        began = time.monotonic()
        for _ in range(3):
            with pytest.raises(SigningKeysUnavailableError):
                await keys.find(*NAME)
        assert time.monotonic() - began < FETCH_SECONDS + 1
        if fault is not None:
            assert endpoint.asked == [PATH]
            assert endpoint.sent < 100 * LARGEST_ANSWER
            endpoint.fault = None
            clock.now += RETRY_SECONDS
            assert await found(keys)
        await keys.close()


@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_the_last_keys_are_kept_while_the_endpoint_is_out_of_order_but_not_for_ever(fault: Fault | None) -> None:
    clock = Clock()
    with key_endpoint(KEY.jwk) as endpoint:
        keys = SigningKeys(endpoint.url + PATH, clock=clock)
        assert await found(keys)
        endpoint.fault = fault
        if fault is not None:
            endpoint.keys = []
            clock.now += REUSE_SECONDS
            assert await found(keys)
            began = time.monotonic()
            for _ in range(10):
                assert await found(keys)
            assert time.monotonic() - began < 0.5
            assert len(endpoint.asked) == 2
            # Whether an unknown key is a new one cannot be told now.
            with pytest.raises(SigningKeysUnavailableError):
                await keys.find("made-up", "ES256")
    # The server is gone now, whatever was wrong with it before.
    clock.now = 1000.0 + LONGEST_SECONDS - 1
    assert await found(keys)
    clock.now += RETRY_SECONDS
    with pytest.raises(SigningKeysUnavailableError):
        await keys.find(*NAME)
    await keys.close()


async def test_an_outage_is_over_with_the_next_answer(endpoint: KeyEndpoint) -> None:
    clock = Clock()
    async with keys_of(endpoint, clock) as keys:
        assert await found(keys)
        endpoint.fault = Fault.FAILS
        clock.now += REUSE_SECONDS
        with pytest.raises(SigningKeysUnavailableError):
            await keys.find("new", "ES256")
        endpoint.fault, endpoint.keys = None, [new_key("ES256", "new").jwk]
        clock.now += PAUSE_SECONDS
        assert await found(keys, ("new", "ES256"))
        assert not await found(keys)


async def test_keys_come_only_from_who_can_prove_to_be_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with key_endpoint(KEY.jwk, tls=context) as endpoint:
        async with keys_of(endpoint) as keys:
            with pytest.raises(SigningKeysUnavailableError):
                await keys.find(*NAME)
        assert endpoint.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        async with keys_of(endpoint) as keys:
            assert await found(keys)


async def test_the_log_says_that_keys_could_not_be_had_and_nothing_of_the_answer(
    endpoint: KeyEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    for fault, words in ((Fault.TALKS_GARBAGE, "DecodeError"), (Fault.REDIRECTS, "status 302"), (None, "1 of 1")):
        endpoint.fault, endpoint.keys = fault, ["Sesame"]
        async with keys_of(endpoint) as keys:
            await asyncio.gather(*(keys.find(*NAME) for _ in range(5)), return_exceptions=True)
        (record,) = [record for record in caplog.records if record.name == "app.api.keys"]
        assert words in record.getMessage()
        assert "html" not in record.getMessage()
        assert "Sesame" not in record.getMessage()
        caplog.clear()
