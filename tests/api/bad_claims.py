"""Claims that let nobody in, signed as they should be."""

import json
import zlib
from dataclasses import replace

from tests.api.forging import (
    ISSUER,
    Mutation,
    as_json,
    claim,
    claims_of,
    each_claim,
    later,
    raw,
    twice,
    without,
    without_claim,
)
from tests.api.issuer import packed
from tests.api.service import USER_ID

TIMES: dict[str, Mutation] = {
    "ended": later("exp", -3600),
    "ended just beyond the leeway": later("exp", -12),
    "ended at the beginning of time": claim("exp", 0),
    "ended before it": claim("exp", -1),
    "ended before all of it": claim("exp", -1e300),
    "ends beyond all numbers": raw(
        payload=lambda token: claims_of(token).replace(b'"exp": ', b'"exp": 1e400, "was": ')
    ),
    "ends at infinity": claim("exp", float("inf")),
    "ends at no number": claim("exp", float("nan")),
    "ends after four thousand digits": raw(
        payload=lambda token: claims_of(token).replace(b'"exp": ', b'"exp": ' + b"9" * 4000 + b', "was": ')
    ),
    "ends tomorrow, in words": claim("exp", "tomorrow"),
    "ends at a number in quotes": lambda token: claim("exp", str(token.claims["exp"]))(token),
    "ends at true": claim("exp", True),
    "ends at a list": lambda token: claim("exp", [token.claims["exp"]])(token),
    "ends at an object": claim("exp", {}),
    "issued in the future": later("iat", 60),
    "issued at a number in quotes": lambda token: claim("iat", str(token.claims["iat"]))(token),
    "issued at true": claim("iat", True),
    "issued at a list": claim("iat", [1]),
    "issued at infinity": claim("iat", float("-inf")),
    "not valid yet": later("nbf", 60),
    "valid from a number in quotes": claim("nbf", "1"),
    "valid from true": claim("nbf", True),
    "valid from null": claim("nbf", None),
    "valid from an object": claim("nbf", {}),
}

NAMES: dict[str, Mutation] = {
    **{f"without {name}": without_claim(name) for name in ("exp", "iat", "sub", "aud", "iss")},
    **{f"with null for {name}": claim(name, None) for name in ("exp", "iat", "sub", "aud", "iss")},
    **each_claim("sub", "", "  ", "\t\n", 7, True, [USER_ID], {"id": USER_ID}),
    **each_claim(
        "aud",
        "",
        "anon",
        "Authenticated",
        "authenticated ",
        "authenticated,anon",
        [],
        ["anon"],
        ["authenticated", 7],
        [["authenticated"]],
        {"authenticated": True},
        7,
        True,
    ),
    **each_claim(
        "iss",
        "",
        "https://evil.example/auth/v1",
        ISSUER + "/",
        ISSUER.removesuffix("/auth/v1"),
        ISSUER.replace("https", "http"),
        ISSUER.upper(),
        [ISSUER],
        {ISSUER: True},
        7,
    ),
    "a number for jti": claim("jti", 7),
    "null for jti": claim("jti", None),
}

PEOPLE: dict[str, Mutation] = {
    "without a role": without_claim("role"),
    **each_claim(
        "role", "anon", "service_role", "supabase_admin", "Authenticated", "", None, 7, True, ["authenticated"]
    ),
    **each_claim("is_anonymous", True, "false", "true", 0, 1, None, []),
    **each_claim("client_id", "an-oauth-client", "", None, False),
    "without metadata": without_claim("app_metadata"),
    **each_claim(
        "app_metadata",
        {},
        None,
        "admin",
        ["admin"],
        {"role": "Admin"},
        {"role": "admin "},
        {"role": ""},
        {"role": None},
        {"role": True},
        {"role": ["admin"]},
        {"role": {"admin": True}},
        {"roles": "admin"},
        {"app_metadata": {"role": "admin"}},
    ),
    "an admin by what users may write": lambda token: replace(
        token, claims={**without(token.claims, "app_metadata"), "user_metadata": {"role": "admin"}}
    ).text(),
}


def _claim_twice(name: str, value: object, *, first: bool) -> Mutation:
    return raw(payload=lambda token: twice(name, value, first=first)(claims_of(token)))


PAYLOADS: dict[str, Mutation] = {
    "a payload that is no JSON": raw(payload=lambda _: b"admin"),
    "a payload that is empty JSON": raw(payload=lambda _: b"{}"),
    "a payload that is a list": raw(payload=lambda token: as_json([token.claims])),
    "a payload that is a string": raw(payload=lambda token: as_json(json.dumps(token.claims))),
    "a payload that is null": raw(payload=lambda _: b"null"),
    "a payload that is cut": raw(payload=lambda token: claims_of(token)[:-1]),
    "a payload that goes on": raw(payload=lambda token: claims_of(token) + b"{}"),
    "a payload in UTF-16": raw(payload=lambda token: json.dumps(token.claims).encode("utf-16")),
    "a payload after a byte order mark": raw(payload=lambda token: b"\xef\xbb\xbf" + claims_of(token)),
    "a payload with undecodable text": raw(payload=lambda token: claims_of(token)[:-1] + b', "x": "\xff"}'),
    "a payload with NaN": claim("x", float("nan")),
    "a payload of nested lists": raw(payload=lambda _: b'{"sub":' + b"[" * 2500 + b"]" * 2500 + b"}"),
    "a compressed payload": lambda token: replace(token, header={**token.header, "zip": "DEF"}).with_parts(
        payload=zlib.compress(claims_of(token))
    ),
    "a token in a token": lambda token: replace(token, header={**token.header, "cty": "JWT"}).with_parts(
        payload=token.text().encode()
    ),
    **{
        f"{name} twice, {'good' if first else 'bad'} last": _claim_twice(name, value, first=first)
        for name, value in (("role", "anon"), ("exp", 1), ("sub", "someone"), ("is_anonymous", True))
        for first in (True, False)
    },
    "role twice within the metadata": raw(
        payload=lambda token: claims_of(token).replace(b'"role": "admin"', b'"role": "user", "role": "admin"')
    ),
    "another payload than the signed one": lambda token: ".".join(
        (packed(token.header), packed({**token.claims, "iat": token.claims["iat"] - 1}), token.text().split(".")[2])
    ),
    "too long": claim("filler", "x" * 9000),
}
