"""Who is calling: a verified token, and an admin by its claim or by their profile; or the probe's shared secret."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt
from cachetools import LRUCache, TLRUCache
from fastapi import Request
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase

from app.errors import ConfigurationError, DatabaseTimeoutError, ForbiddenError, UnauthenticatedError
from app.postgres.profiles import AdminLookup
from app.settings import Settings
from app.shared_read import SharedRead

LONGEST_TOKEN = 8192
REMEMBERED_TOKENS = 1024
REMEMBERED_SECONDS = 30
# The clocks of the issuer and of this machine differ a little; without it a fresh token would be "not yet valid".
LEEWAY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Identity:
    """What a verified token says. `expires_at` is Unix time, leeway included."""

    subject: str
    admin_by_claim: bool
    user: bool
    expires_at: int


class Authentication:
    """Verifies bearer credentials. A verified token is remembered for at most 30 seconds and never past its end."""

    def __init__(
        self, settings: Settings, admin_lookup: AdminLookup | None, *, clock: Callable[[], float] = time.time
    ) -> None:
        if settings.supabase_jwt_secret is None:
            raise ConfigurationError("SUPABASE_JWT_SECRET is not set: there is nothing to verify tokens with.")
        self._secret = settings.supabase_jwt_secret.get_secret_value()
        self._issuer = settings.issuer
        self._audience = settings.jwt_audience
        self._claim = settings.admin_claim.split(".")
        self._values = frozenset(settings.admin_values)
        self._probe = settings.probe_token.get_secret_value().encode() if settings.probe_token else None
        self._look_up = admin_lookup
        # Keyed by digest, so that the memory of this process holds no tokens.
        self._identities: TLRUCache[bytes, Identity] = TLRUCache(
            REMEMBERED_TOKENS,
            ttu=lambda _key, identity, now: min(identity.expires_at, now + REMEMBERED_SECONDS),
            timer=clock,
        )
        self._clock = clock
        self._profiles: LRUCache[UUID, SharedRead[bool]] = LRUCache(REMEMBERED_TOKENS)

    def is_probe(self, credential: str) -> bool:
        """Compared in constant time."""
        return self._probe is not None and hmac.compare_digest(credential.encode(), self._probe)

    async def require_admin(self, credential: str, deadline: float) -> None:
        """Raises UnauthenticatedError for a bad token, ForbiddenError for a user who is no admin, what the look-up
        raises when that cannot be told, and DatabaseTimeoutError at the deadline, on the event loop's clock.
        """
        identity = self._identity(credential)
        if not identity.user:
            raise ForbiddenError("Only a signed-in user who is an admin may have this.")
        if identity.admin_by_claim:
            return
        try:
            async with asyncio.timeout_at(deadline):
                admin = await self._admin_by_profile(identity.subject)
        except TimeoutError as error:
            raise DatabaseTimeoutError("The database did not answer in time.") from error
        if not admin:
            raise ForbiddenError("Only an admin may have this.")

    def _identity(self, token: str) -> Identity:
        digest = hashlib.sha256(token.encode()).digest()
        identity = self._identities.get(digest)
        if identity is None:
            identity = self._verified(token)
            self._identities[digest] = identity
        return identity

    def _verified(self, token: str) -> Identity:
        required = ["exp", "iat", "sub", "aud"] + (["iss"] if self._issuer is not None else [])
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": required},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            # Beside its own errors pyjwt lets through what undecodable text, infinite times and deep nesting raise.
            # The reason is not passed on: it would tell a forger how far a forgery got.
            raise UnauthenticatedError("The bearer token is not valid.", presented=True) from error
        if not claims["sub"].strip():
            raise UnauthenticatedError("The bearer token is not valid.", presented=True)
        return Identity(
            subject=claims["sub"],
            admin_by_claim=self._is_admin_by_claim(claims),
            # API keys are tokens of this kind too, and so are those of anonymous users and of OAuth clients.
            user=claims.get("role") == "authenticated"
            and not claims.get("is_anonymous", False)
            and "client_id" not in claims,
            expires_at=int(claims["exp"]) + LEEWAY_SECONDS,
        )

    def _is_admin_by_claim(self, claims: dict[str, Any]) -> bool:
        value: object = claims
        for part in self._claim:
            value = value.get(part) if isinstance(value, dict) else None
        return isinstance(value, str) and value in self._values

    async def _admin_by_profile(self, subject: str) -> bool:
        look_up = self._look_up
        if look_up is None:
            return False
        try:
            user_id = UUID(subject)
        except ValueError:
            return False
        profile = self._profiles.get(user_id)
        if profile is None:
            profile = SharedRead(lambda: look_up(user_id), reuse_seconds=REMEMBERED_SECONDS, clock=self._clock)
            self._profiles[user_id] = profile
        return (await profile.get()).value


class RequireAdmin(SecurityBase):
    """A FastAPI dependency that lets an admin pass, and the probe's token where it is good for the path.

    Its value is the time, on the event loop's clock, by which the whole request must be answered.
    """

    def __init__(self, authentication: Authentication, settings: Settings, *, probe: bool = False) -> None:
        description = "An admin's Supabase token" + (", or PROBE_TOKEN." if probe else ".")
        self.model = HTTPBearerModel(description=description)
        self.scheme_name = "AdminOrProbe" if probe else "Admin"
        self._authentication = authentication
        self._timeout_seconds = settings.timeout_seconds
        self._probe = probe

    async def __call__(self, request: Request) -> float:
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        credential = _bearer(request)
        if not (self._probe and self._authentication.is_probe(credential)):
            await self._authentication.require_admin(credential, deadline)
        return deadline


def _bearer(request: Request) -> str:
    """The one bearer credential of a request. Two Authorization headers are read differently by different parsers."""
    headers = request.headers.getlist("authorization")
    if not headers:
        raise UnauthenticatedError("A bearer token is needed.", presented=False)
    scheme, _, credential = headers[0].partition(" ")
    credential = credential.strip()
    if len(headers) > 1 or scheme.lower() != "bearer" or not credential or len(credential) > LONGEST_TOKEN:
        raise UnauthenticatedError("The bearer token is not valid.", presented=True)
    return credential
