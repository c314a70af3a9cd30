"""Headers that choose what is not theirs to choose, and texts that are no compact token."""

import base64
import itertools
import json
from dataclasses import replace
from typing import Any

from tests.api.forging import Mutation, Token, as_json, claims_of, each_header, header, raw, text, twice, without_header
from tests.api.issuer import base64url, packed


def _unencoded(token: Token) -> str:
    """RFC 7797: signed over the plain payload."""
    first = packed({**token.header, "b64": False, "crit": ["b64"]})
    return f"{first}..{base64url(token.key.sign(first.encode() + b'.' + claims_of(token)))}"


def _with_first(token: Token, first: dict[str, Any]) -> str:
    return ".".join((packed(first), *token.text().split(".")[1:]))


def _padded_before_signing(token: Token) -> str:
    parts = replace(token, claims=_of_length(token)).signing_input.split(".")
    return token.key.signed(".".join(part + "=" * (-len(part) % 4) for part in parts))


def _padded(token: Token, number: int) -> str:
    parts = token.text().split(".")
    parts[number] += "=" * (-len(parts[number]) % 4 or 4)
    return ".".join(parts)


def _of_length(token: Token) -> dict[str, Any]:
    """Claims whose text needs padding."""
    return next(claims for filler in ("", "x", "xx") if len(packed(claims := {**token.claims, "filler": filler})) % 4)


def _spare_bits(token: Token) -> str:
    """The last letter holds bits that decode to nothing: another text for the same bytes."""
    made = token.text()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return made[:-1] + alphabet[alphabet.index(made[-1]) ^ 1]


def _other_alphabet(token: Token) -> str:
    for number in itertools.count():
        made = replace(token, claims={**token.claims, "number": number}).text()
        if {"-", "_"} & set(made.split(".")[2]):
            return made.translate(str.maketrans("-_", "+/"))
    raise AssertionError


def _unsigned(algorithm: str) -> Mutation:
    return lambda token: replace(token, header={**token.header, "alg": algorithm}).signing_input + "."


HEADERS: dict[str, Mutation] = {
    **each_header(
        "alg", "", None, 7, True, {}, "es256", "ES256 ", "ES384", "ES512", "ES521", "ES256K", "HS256", "RS256"
    ),
    "a list of algorithms": lambda token: header(alg=[token.key.algorithm])(token),
    "without alg": without_header("alg"),
    **{f"alg {name} without a signature": _unsigned(name) for name in ("none", "None", "NONE", "nOnE", "none ")},
    "alg none with the signature": header(alg="none"),
    "alg none with another": lambda token: replace(token, header={**token.header, "alg": "none"}).signed_by(b"\0"),
    "without kid": without_header("kid"),
    **each_header(
        "kid",
        None,
        7,
        [],
        {},
        "",
        "made-up",
        "es256-key",
        "RS256-key",
        "HS256-key",
        "../../../../dev/null",
        "/dev/null",
        "' or true --",
        "ES256-key\0",
        "x" * 2000,
    ),
    "crit of a claim": header(crit=["exp"]),
    "crit of an extension of ours": header(crit=["urn:x"], **{"urn:x": True}),
    "crit of nothing": header(crit=[]),
    "crit that is no list": header(crit="exp"),
    "crit that is null": header(crit=None),
    "crit of b64, which is true": header(crit=["b64"], b64=True),
    "b64 true": header(b64=True),
    "b64 false": header(b64=False),
    "an unencoded payload": _unencoded,
    "a detached payload": lambda token: ".".join((token.text().split(".")[0], "", token.text().split(".")[2])),
    "a header that is a list": raw(header=lambda token: as_json([token.header])),
    "a header that is a string": raw(header=lambda token: as_json(json.dumps(token.header))),
    "a header that is null": raw(header=lambda _: b"null"),
    "a header that is cut": raw(header=lambda token: as_json(token.header)[:-1]),
    "a header that goes on": raw(header=lambda token: as_json(token.header) + b"{}"),
    "a header in UTF-16": raw(header=lambda token: json.dumps(token.header).encode("utf-16")),
    "a header after a byte order mark": raw(header=lambda token: b"\xef\xbb\xbf" + as_json(token.header)),
    "a header with undecodable text": raw(
        header=lambda token: twice("x", "y", first=False)(as_json(token.header))[:-3] + b'\xff"}'
    ),
    "a header with NaN": header(x=float("nan")),
    "a header of nested lists": raw(header=lambda _: b'{"alg":' + b"[" * 3000 + b"]" * 3000 + b"}"),
    "alg twice, ours last": raw(header=lambda token: twice("alg", "none", first=True)(as_json(token.header))),
    "alg twice, ours first": raw(header=lambda token: twice("alg", "none", first=False)(as_json(token.header))),
    "kid twice": raw(header=lambda token: twice("kid", "made-up", first=True)(as_json(token.header))),
    "another header than the signed one": lambda token: _with_first(token, {**token.header, "typ": "jwt"}),
}


TEXTS: dict[str, Mutation] = {
    "padding on the signature": text(lambda made: made + "=" * (-len(made.split(".")[2]) % 4 or 4)),
    "padding on the header": lambda token: _padded(token, 0),
    "padding on the payload": lambda token: _padded(token, 1),
    "padding that was signed": lambda token: token.key.signed(
        ".".join(
            part + "=" * (-len(part) % 4) for part in replace(token, claims=_of_length(token)).signing_input.split(".")
        )
    ),
    "spare bits in the signature": _spare_bits,
    "base64 of the other alphabet": _other_alphabet,
    "a line break in it": text(lambda made: made[:20] + "%0A" + made[20:]),
    "a space in it": text(lambda made: made[:20] + " " + made[20:]),
    "a tab in it": text(lambda made: made[:20] + "\t" + made[20:]),
    "quotes around it": text(lambda made: f'"{made}"'),
    "a semicolon after it": text(lambda made: made + ";"),
    "a comma and it again": text(lambda made: f"{made}, Bearer {made}"),
    "it again": text(lambda made: f"{made} {made}"),
    "the scheme twice": text(lambda made: f"Bearer {made}"),
    "a no-break space in it": text(lambda made: made[:20] + "\xa0" + made[20:]),
    "a letter from elsewhere": text(lambda made: made.replace("e", "\xe9", 1)),
    "cut after the header": text(lambda made: made.split(".")[0]),
    "cut after the payload": text(lambda made: ".".join(made.split(".")[:2])),
    "cut in the middle": text(lambda made: made[: len(made) // 2]),
    "cut by a letter": text(lambda made: made[:-1]),
    "without its first letter": text(lambda made: made[1:]),
    "with a dot before": text(lambda made: "." + made),
    "with a dot after": text(lambda made: made + "."),
    "with an empty part": text(lambda made: made.replace(".", "..", 1)),
    "with a fourth part": text(lambda made: made + ".e30"),
    "with the parts in another order": text(lambda made: ".".join(reversed(made.split(".")))),
    "in small letters": text(str.lower),
    "dots alone": text(lambda _: ".."),
    "a letter": text(lambda _: "-"),
    "as a JWS in JSON": text(
        lambda made: json.dumps(dict(zip(("protected", "payload", "signature"), made.split("."), strict=True)))
    ),
    "the payload as it is": text(lambda made: base64.b64decode(made.split(".")[1] + "==").decode()),
}
