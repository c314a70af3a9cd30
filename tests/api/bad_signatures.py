"""Signatures that prove nothing: by other keys, in other ways, or of a form that tricks a careless verifier."""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.api.forging import ISSUER, Mutation, Token, as_json, claims_of, header, labelled, signature
from tests.api.issuer import PUBLIC_KEY_ALGORITHMS, SigningKey, base64url, foreign_key, key, packed
from tests.databases import SECRET

ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
PRIME_OF_P256 = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
ORDER_OF_ED25519 = 2**252 + 27742317777372353535851937790883648493


def _encrypted(token: Token, first: dict[str, Any], encrypted_key: bytes, content_key: bytes) -> str:
    """A JWE of the claims (RFC 7516, section 7.1)."""
    head, nonce = packed(first), os.urandom(12)
    sealed = AESGCM(content_key).encrypt(nonce, claims_of(token), head.encode())
    return ".".join((head, *(base64url(part) for part in (encrypted_key, nonce, sealed[:-16], sealed[-16:]))))


def _encrypted_to_our_key(token: Token) -> str:
    content_key = os.urandom(32)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    encrypted = token.key.public.encrypt(content_key, oaep)
    first = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": token.key.kid}
    return _encrypted(token, first, encrypted, content_key)


def _encrypted_with_the_secret(token: Token) -> str:
    return _encrypted(token, {"alg": "dir", "enc": "A256GCM"}, b"", SECRET[:32].encode())


ANY_SIGNATURE: dict[str, Mutation] = {
    "a foreign key under our name": lambda token: foreign_key(token.key.algorithm).token(token.claims, token.header),
    "another token's signature": lambda token: token.signed_by(
        replace(token, claims={**token.claims, "iat": 1}).signature
    ),
    "an empty signature": lambda token: token.signing_input + ".",
    "a signature of zeros": signature(lambda made: bytes(len(made))),
    "a signature of ones": signature(lambda made: b"\xff" * len(made)),
    "a signature that is cut": signature(lambda made: made[:-1]),
    "half a signature": signature(lambda made: made[: len(made) // 2]),
    "a signature and a byte more": signature(lambda made: made + b"\0"),
    "a byte before the signature": signature(lambda made: b"\0" + made),
    "the signature twice": signature(lambda made: made + made),
    "a bit of the signature": signature(lambda made: made[:-1] + bytes([made[-1] ^ 1])),
    "the digest in place of a signature": lambda token: token.signed_by(
        hashlib.sha256(token.signing_input.encode()).digest()
    ),
}


def _hmac_with(secret: Callable[[SigningKey], bytes], algorithm: str) -> Mutation:
    """A token of the secret, but keyed with something that everyone knows."""

    def mutate(token: Token) -> str:
        other = replace(token, header={**token.header, "kid": key(algorithm).kid})
        made = hmac.new(secret(key(algorithm)), other.signing_input.encode(), "sha256").digest()
        return other.signed_by(made)

    return mutate


def _always(secret: bytes) -> Callable[[SigningKey], bytes]:
    return lambda _: secret


PUBLISHED: dict[str, Callable[[SigningKey], bytes]] = {
    "PEM": lambda known: known.pem,
    "PEM without its line end": lambda known: known.pem.rstrip(),
    "DER": lambda known: known.der,
    "DER in base64": lambda known: base64.b64encode(known.der),
    "JWK": lambda known: as_json(known.jwk),
    "JWK without spaces": lambda known: json.dumps(known.jwk, separators=(",", ":")).encode(),
    "JWK's number in letters": lambda known: str(known.jwk.get("x") or known.jwk["n"]).encode(),
    "JWK's number": lambda known: base64.urlsafe_b64decode((known.jwk.get("x") or known.jwk["n"]) + "=="),
    "id": lambda known: known.kid.encode(),
}

SECRETS: dict[str, Mutation] = {
    **{
        f"HS256 keyed with the {form} of {algorithm}": _hmac_with(secret, algorithm)
        for form, secret in PUBLISHED.items()
        for algorithm in PUBLIC_KEY_ALGORITHMS
    },
    **{
        f"HS256 keyed with {name}": _hmac_with(_always(secret), "HS256")
        for name, secret in (
            ("nothing", b""),
            ("secret", b"secret"),
            ("our secret in base64", base64.b64encode(SECRET.encode())),
            ("our secret with a line end", SECRET.encode() + b"\n"),
            ("the issuer", ISSUER.encode()),
            ("half of our secret", SECRET[:24].encode()),
        )
    },
    "HS384 with our secret": labelled("HS384"),
    "HS512 with our secret": labelled("HS512"),
    "an anon API key": lambda token: _api_key(token, "anon"),
    "a service_role API key": lambda token: _api_key(token, "service_role"),
    "encrypted with our secret": _encrypted_with_the_secret,
    "HS256 as another algorithm": header(alg="ES256", kid="ES256-key"),
}


def _api_key(token: Token, role: str) -> str:
    kept = {"iat": token.claims["iat"], "exp": token.claims["exp"]}
    return replace(token, claims={"iss": "supabase", "ref": "acme", "role": role, **kept}).text()


def _numbers(r: int, s: int) -> Callable[[bytes], bytes]:
    return lambda _: r.to_bytes(32, "big") + s.to_bytes(32, "big")


ELLIPTIC: dict[str, Mutation] = {
    "ECDSA in DER": signature(
        lambda made: encode_dss_signature(int.from_bytes(made[:32], "big"), int.from_bytes(made[32:], "big"))
    ),
    "ECDSA with r of zero": signature(lambda made: bytes(32) + made[32:]),
    "ECDSA with s of zero": signature(lambda made: made[:32] + bytes(32)),
    "ECDSA of one and one": signature(_numbers(1, 1)),
    "ECDSA of the order": signature(_numbers(ORDER_OF_P256, ORDER_OF_P256)),
    "ECDSA of the prime": signature(_numbers(PRIME_OF_P256, PRIME_OF_P256)),
    "ECDSA of zero and one": signature(_numbers(0, 1)),
    "ECDSA with s and r": signature(lambda made: made[32:] + made[:32]),
    "ECDSA for the RSA key": header(alg="RS256", kid="RS256-key"),
    "ECDSA under the RSA key's id": header(kid="RS256-key"),
    "ECDSA under the Ed25519 key's id": header(kid="EdDSA-key"),
    "ECDSA labelled EdDSA": header(alg="EdDSA"),
}

EDWARDS: dict[str, Mutation] = {
    "Ed25519 with s beyond the order": signature(
        lambda made: made[:32] + (int.from_bytes(made[32:], "little") + ORDER_OF_ED25519).to_bytes(32, "little")
    ),
    "Ed25519 of the neutral point and zero": signature(lambda _: b"\1" + bytes(63)),
    "Ed25519 labelled ES256": header(alg="ES256"),
    "Ed25519 under the name of its curve": header(alg="Ed25519"),
    "Ed25519 labelled Ed448": header(alg="Ed448"),
}

PRIMES: dict[str, Mutation] = {
    **{f"RSA as {name}": labelled(name) for name in ("RS384", "RS512", "PS256", "PS384", "PS512")},
    "RSA as PS256, labelled RS256": lambda token: token.signed_by(
        token.key.sign(token.signing_input.encode(), "PS256")
    ),
    "RSA with SHA-1": lambda token: token.signed_by(
        token.key.private.sign(token.signing_input.encode(), padding.PKCS1v15(), hashes.SHA1())
    ),
    "RSA of one": signature(lambda made: (1).to_bytes(len(made), "big")),
    "RSA of the modulus": lambda token: token.signed_by(token.key.public.public_numbers().n.to_bytes(256, "big")),
    "RSA of the signature and the modulus": lambda token: token.signed_by(
        (int.from_bytes(token.signature, "big") + token.key.public.public_numbers().n).to_bytes(257, "big")
    ),
    "encrypted to our key": _encrypted_to_our_key,
    "RSA under the ECDSA key's id": header(kid="ES256-key"),
    "RSA labelled ES256": header(alg="ES256", kid="ES256-key"),
}


def _brought(algorithm: str, name: str) -> Mutation:
    """A foreign key that comes with the token, and signed it."""

    def mutate(token: Token) -> str:
        foreign = foreign_key(algorithm)
        values: dict[str, Any] = {
            "jwk": foreign.jwk,
            "jku": "https://evil.example/jwks.json",
            "x5u": "https://evil.example/certificate.pem",
            "x5c": [base64.b64encode(foreign.der).decode()],
        }
        return foreign.token(token.claims, {**token.header, name: values[name]})

    return mutate


BROUGHT: dict[str, Mutation] = {
    f"{algorithm} with a key in {name}": _brought(algorithm, name)
    for algorithm in PUBLIC_KEY_ALGORITHMS
    for name in ("jwk", "jku", "x5u", "x5c")
}
