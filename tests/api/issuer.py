"""Signs tokens as Supabase does, and as it would never do."""

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.demo.database import ADMIN_ID
from tests.databases import SECRET

ALGORITHMS = ("HS256", "RS256", "ES256", "EdDSA")
PUBLIC_KEY_ALGORITHMS = ALGORITHMS[1:]


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def packed(value: object) -> str:
    """A part of a token."""
    return base64url(json.dumps(value, separators=(",", ":")).encode())


@dataclass(frozen=True)
class SigningKey:
    """A private key, or the secret, with the algorithm it is for."""

    kid: str
    algorithm: str
    private: Any

    @cached_property
    def jwk(self) -> dict[str, Any]:
        """As the project publishes it."""
        public = {
            name: value
            for name, value in jwt.get_algorithm_by_name(self.algorithm).to_jwk(self.public, as_dict=True).items()
            if name != "key_ops"
        }
        return {**public, "kid": self.kid, "alg": self.algorithm, "use": "sig", "key_ops": ["verify"], "ext": True}

    @property
    def public(self) -> Any:  # noqa: ANN401 - one of three classes without a common one
        return self.private.public_key()

    @property
    def pem(self) -> bytes:
        encoded: bytes = self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return encoded

    @property
    def der(self) -> bytes:
        encoded: bytes = self.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return encoded

    def sign(self, data: bytes, algorithm: str | None = None) -> bytes:
        return jwt.get_algorithm_by_name(algorithm or self.algorithm).sign(data, self.private)

    def token(self, claims: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> str:
        return self.signed(f"{packed(header if header is not None else self.header())}.{packed(claims)}")

    def signed(self, signing_input: str) -> str:
        return f"{signing_input}.{base64url(self.sign(signing_input.encode()))}"

    def header(self, **others: object) -> dict[str, Any]:
        return {"alg": self.algorithm, "kid": self.kid, "typ": "JWT", **others}


def new_key(algorithm: str, kid: str | None = None) -> SigningKey:
    made: Any
    match algorithm:
        case "HS256":
            made = SECRET.encode()
        case "RS256":
            made = rsa.generate_private_key(65537, 2048)
        case "ES256":
            made = ec.generate_private_key(ec.SECP256R1())
        case _:
            made = ed25519.Ed25519PrivateKey.generate()
    return SigningKey(kid or f"{algorithm}-key", algorithm, made)


@cache
def key(algorithm: str) -> SigningKey:
    """The project's own key of that kind, the same all through a run of the tests."""
    return new_key(algorithm)


@cache
def foreign_key(algorithm: str) -> SigningKey:
    """Somebody else's key that goes by the same name."""
    if algorithm == "HS256":
        return SigningKey(key(algorithm).kid, algorithm, SECRET[::-1].encode())
    return new_key(algorithm)


def admin_claims(issuer: str, **others: Any) -> dict[str, Any]:  # noqa: ANN401 - claims of any type
    """What a token of an admin by claim says."""
    now = int(time.time())
    return {
        "iss": issuer,
        "sub": ADMIN_ID,
        "aud": "authenticated",
        "role": "authenticated",
        "iat": now - 5,
        "exp": now + 3600,
        "is_anonymous": False,
        "app_metadata": {"provider": "email", "role": "admin"},
        **others,
    }
