"""What a bearer token says, once its signature, its times and the type of every claim are verified. Reads nothing."""

import json
import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Any

import jwt
import msgspec

from app.errors import UnauthenticatedError

# The clocks of the issuer and of this machine differ a little; without it a fresh token would be "not yet valid".
LEEWAY_SECONDS = 10

# Exactly three parts of base64url without padding (RFC 7515, section 7.1): pyjwt takes padding, too.
COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)

# Beside its own errors pyjwt lets through what undecodable text, odd numbers and deep nesting raise.
REFUSALS = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


class Header(msgspec.Struct, frozen=True):
    """What chooses the key. No extension is understood, so none may be demanded; keys in it are not looked at."""

    alg: str
    kid: str | None = None
    crit: msgspec.UnsetType = msgspec.UNSET
    b64: msgspec.UnsetType = msgspec.UNSET


class Claims(msgspec.Struct, frozen=True):
    """The types of the claims we rely on: pyjwt would take `"1"` and `true` for a time. Times are Unix time."""

    sub: str
    exp: float
    iat: float
    aud: str | list[str]
    nbf: float | msgspec.UnsetType = msgspec.UNSET
    iss: str | msgspec.UnsetType = msgspec.UNSET
    jti: str | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say of where it comes from and whom it is for; `issuer` is None where it cannot be known."""

    issuer: str | None
    audience: str


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """`expires_at` is its `exp`; a token is taken for LEEWAY_SECONDS longer."""

    subject: str
    expires_at: float
    claims: dict[str, Any]


def refused(*, presented: bool = True) -> UnauthenticatedError:
    """The same for every bad token: the reason would tell a forger how far a forgery got."""
    return UnauthenticatedError("A valid bearer token is needed.", presented=presented)


def read_header(token: str) -> Header:
    """Not verified yet. Raises UnauthenticatedError."""
    if not COMPACT.fullmatch(token):
        raise refused()
    part = token.partition(".")[0]
    try:
        return msgspec.convert(_object(urlsafe_b64decode(part + "=" * (-len(part) % 4))), Header)
    except REFUSALS as error:
        raise refused() from error


def verify(token: str, key: jwt.PyJWK, expected: Expected) -> VerifiedToken:
    """Raises UnauthenticatedError. The algorithm is the key's own, whatever the token asks for."""
    try:
        claims = _STRICT.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            audience=expected.audience,
            issuer=expected.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "sub", "aud"] + (["iss"] if expected.issuer is not None else [])},
        )
        typed = msgspec.convert(claims, Claims)
    except REFUSALS as error:
        raise refused() from error
    if not typed.sub.strip():
        raise refused()
    return VerifiedToken(typed.sub, typed.exp, claims)


class _StrictJWT(jwt.PyJWT):
    def _decode_payload(self, decoded: dict[str, Any]) -> dict[str, Any]:
        return _object(decoded["payload"])


_STRICT = _StrictJWT()


def _object(data: bytes) -> dict[str, Any]:
    """A JSON object in UTF-8 in which no name occurs twice: two readers of such a one may read two things."""
    value = json.loads(data.decode(), object_pairs_hook=_without_repetition, parse_constant=_no_number)
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name occurs twice")
    return members


def _no_number(_text: str) -> None:
    raise ValueError("NaN and Infinity are no JSON")
