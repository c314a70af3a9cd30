"""How a good token is made bad: in one place, and signed again where that is no part of it."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from tests.api.issuer import SigningKey, admin_claims, base64url, key, packed
from tests.api.service import USER_ID

ISSUER = "https://acme.supabase.co/auth/v1"


@dataclass(frozen=True)
class Token:
    """A good token of a user who is an admin by claim alone, in parts."""

    key: SigningKey
    header: dict[str, Any]
    claims: dict[str, Any]

    @property
    def signing_input(self) -> str:
        return f"{packed(self.header)}.{packed(self.claims)}"

    @property
    def signature(self) -> bytes:
        return self.key.sign(self.signing_input.encode())

    def text(self) -> str:
        return f"{self.signing_input}.{base64url(self.signature)}"

    def signed_by(self, signature: bytes) -> str:
        return f"{self.signing_input}.{base64url(signature)}"

    def with_parts(self, header: bytes | None = None, payload: bytes | None = None) -> str:
        """Other bytes, signed as they should be."""
        first = packed(self.header) if header is None else base64url(header)
        return self.key.signed(f"{first}.{packed(self.claims) if payload is None else base64url(payload)}")


Mutation: TypeAlias = Callable[[Token], str]


def good_token(algorithm: str) -> Token:
    signing = key(algorithm)
    return Token(signing, signing.header(), admin_claims(ISSUER, sub=USER_ID))


def claim(name: str, value: Any) -> Mutation:  # noqa: ANN401 - a claim of any type
    return lambda token: replace(token, claims={**token.claims, name: value}).text()


def each_claim(name: str, *values: Any) -> dict[str, Mutation]:  # noqa: ANN401 - claims of any type
    return {f"{name} {value!r}": claim(name, value) for value in values}


def later(name: str, seconds: float) -> Mutation:
    return lambda token: replace(token, claims={**token.claims, name: time.time() + seconds}).text()


def without_claim(name: str) -> Mutation:
    return lambda token: replace(token, claims=without(token.claims, name)).text()


def header(**members: Any) -> Mutation:  # noqa: ANN401 - a header of any type
    return lambda token: replace(token, header={**token.header, **members}).text()


def each_header(name: str, *values: Any) -> dict[str, Mutation]:  # noqa: ANN401 - headers of any type
    return {f"{name} {value!r}": header(**{name: value}) for value in values}


def without_header(name: str) -> Mutation:
    return lambda token: replace(token, header=without(token.header, name)).text()


def labelled(algorithm: str) -> Mutation:
    """By our own key, but in the way of another algorithm, as the header says."""

    def mutate(token: Token) -> str:
        other = replace(token, header={**token.header, "alg": algorithm})
        return other.signed_by(token.key.sign(other.signing_input.encode(), algorithm))

    return mutate


def signature(make: Callable[[bytes], bytes]) -> Mutation:
    return lambda token: token.signed_by(make(token.signature))


def text(change: Callable[[str], str]) -> Mutation:
    return lambda token: change(token.text())


def raw(*, header: Callable[[Token], bytes] | None = None, payload: Callable[[Token], bytes] | None = None) -> Mutation:
    return lambda token: token.with_parts(header and header(token), payload and payload(token))


def without(members: dict[str, Any], name: str) -> dict[str, Any]:
    return {other: value for other, value in members.items() if other != name}


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def claims_of(token: Token) -> bytes:
    return as_json(token.claims)


def twice(name: str, value: object, *, first: bool) -> Callable[[bytes], bytes]:
    """A second member of that name, before or after the others."""
    member = f"{json.dumps(name)}: {json.dumps(value)}".encode()
    return lambda text: b"{" + member + b"," + text[1:] if first else text[:-1] + b"," + member + b"}"
