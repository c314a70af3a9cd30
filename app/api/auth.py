"""Who is calling: a verified token, and an admin by its claim or by their profile; or the probe's shared secret."""

import asyncio
import hashlib
import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import jwt
from cachetools import LRUCache, TLRUCache
from fastapi import Request
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase
from pydantic import SecretStr

from app.api.keys import OUT_OF_REACH, PUBLIC_KEY_ALGORITHMS, SigningKeys
from app.api.tokens import LEEWAY_SECONDS, Expected, Header, read_header, refused, verify
from app.errors import (
    ConfigurationError,
    DatabaseTimeoutError,
    ForbiddenError,
    SigningKeysUnavailableError,
)
from app.postgres.profiles import AdminLookup
from app.settings import Settings
from app.shared_read import SharedRead

LONGEST_TOKEN = 8192
REMEMBERED = 1024
REMEMBERED_TOKEN_SECONDS = 30
# Half of what a stream has to notice that its reader is an admin no more.
REMEMBERED_PROFILE_SECONDS = 15

HMAC = "HS256"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a verified token says. Only a user can be an admin. `expires_at` is its `exp`, in Unix time."""

    subject: str
    user: bool
    admin_by_claim: bool
    expires_at: float


class Authentication:
    """Verifies bearer credentials. A verified token is remembered for at most 30 seconds and never past its end."""

    def __init__(
        self,
        settings: Settings,
        keys: SigningKeys | None,
        admin_lookup: AdminLookup | None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if settings.supabase_jwt_secret is None and keys is None:
            raise ConfigurationError("There is nothing to verify tokens with.")
        self._secret = _hmac_key(settings.supabase_jwt_secret)
        self._keys = keys
        self._expected = Expected(settings.issuer, settings.jwt_audience)
        self._claim = settings.admin_claim.split(".")
        self._values = frozenset(settings.admin_values)
        self._probe = settings.probe_token.get_secret_value().encode() if settings.probe_token else None
        self._look_up = admin_lookup
        # Keyed by digest, so that the memory of this process holds no tokens.
        self._identities: TLRUCache[bytes, Identity] = TLRUCache(
            REMEMBERED,
            ttu=lambda _key, identity, now: min(identity.expires_at + LEEWAY_SECONDS, now + REMEMBERED_TOKEN_SECONDS),
            timer=clock,
        )
        self._clock = clock
        self._profiles: LRUCache[UUID, SharedRead[bool]] = LRUCache(REMEMBERED)

    def is_probe(self, credential: str) -> bool:
        """Compared in constant time."""
        return self._probe is not None and hmac.compare_digest(credential.encode(), self._probe)

    async def require_admin(self, credential: str, deadline: float) -> Identity:
        """The admin whose token this is.

        Raises UnauthenticatedError for a bad token, ForbiddenError for a user who is no admin, what the look-up raises
        when that cannot be told, and SigningKeysUnavailableError or DatabaseTimeoutError at the deadline, on the event
        loop's clock.
        """
        digest = hashlib.sha256(credential.encode()).digest()
        identity = self._identities.get(digest)
        if identity is None:
            identity = self._identities[digest] = await self._verified(credential, deadline)
        if not identity.admin_by_claim:
            await self._require_admin_by_profile(identity, deadline)
        return identity

    async def require_still_admin(self, identity: Identity, deadline: float) -> None:
        """Raises what `require_admin` would now raise for the same token; its signature is not verified again."""
        if self._clock() >= identity.expires_at + LEEWAY_SECONDS:
            raise refused()
        if not identity.admin_by_claim:
            await self._require_admin_by_profile(identity, deadline)

    async def _require_admin_by_profile(self, identity: Identity, deadline: float) -> None:
        if not identity.user:
            raise ForbiddenError("Only a signed-in user who is an admin may have this.")
        try:
            async with asyncio.timeout_at(deadline):
                admin = await self._is_admin_by_profile(identity.subject)
        except TimeoutError as error:
            raise DatabaseTimeoutError("The database did not answer in time.") from error
        if not admin:
            raise ForbiddenError("Only an admin may have this.")

    async def _verified(self, token: str, deadline: float) -> Identity:
        key = await self._key(read_header(token), deadline)
        if key is None:
            raise refused()
        verified = verify(token, key, self._expected)
        claims = verified.claims
        # API keys are tokens of this kind too, and so are those of anonymous users and of OAuth clients.
        user = (
            claims.get("role") == "authenticated"
            and claims.get("is_anonymous", False) is False
            and "client_id" not in claims
        )
        return Identity(verified.subject, user, user and self._is_admin_by_claim(claims), verified.expires_at)

    async def _key(self, header: Header, deadline: float) -> jwt.PyJWK | None:
        """Each kind of key verifies its own algorithm; None when there is none for what the token asks for.

        Supabase names the public key of every token it signs; a token of the secret may name whatever it likes.
        """
        if header.alg == HMAC:
            return self._secret
        if self._keys is None or header.kid is None or header.alg not in PUBLIC_KEY_ALGORITHMS:
            return None
        try:
            async with asyncio.timeout_at(deadline):
                return await self._keys.find(header.kid, header.alg)
        except TimeoutError as error:
            raise SigningKeysUnavailableError(OUT_OF_REACH) from error

    def _is_admin_by_claim(self, claims: dict[str, Any]) -> bool:
        value: object = claims
        for part in self._claim:
            value = value.get(part) if isinstance(value, dict) else None
        return isinstance(value, str) and value in self._values

    async def _is_admin_by_profile(self, subject: str) -> bool:
        look_up = self._look_up
        if look_up is None:
            return False
        try:
            user_id = UUID(subject)
        except ValueError:
            return False
        profile = self._profiles.get(user_id)
        if profile is None:
            profile = SharedRead(lambda: look_up(user_id), reuse_seconds=REMEMBERED_PROFILE_SECONDS, clock=self._clock)
            self._profiles[user_id] = profile
        return (await profile.get()).value


async def _nothing_to_recheck() -> None:
    """The probe's token has no end."""


class Caller(NamedTuple):
    """Who was let in. `deadline`, on the event loop's clock, is when the whole request must be answered.

    For answers that outlast it: `expires_at` is the `exp` of the token in Unix time, None for the probe; `recheck`
    raises what would keep the caller out if they came now. It asks at most every 15 seconds whether a user is still an
    admin, so who calls it every 10 seconds hears of a lost right within 25.
    """

    deadline: float
    expires_at: float | None = None
    recheck: Callable[[], Coroutine[Any, Any, None]] = _nothing_to_recheck


class RequireAdmin(SecurityBase):
    """A FastAPI dependency that lets an admin pass, and the probe's token where it is good for the path."""

    def __init__(self, authentication: Authentication, settings: Settings, *, probe: bool = False) -> None:
        description = "An admin's Supabase token" + (", or PROBE_TOKEN." if probe else ".")
        self.model = HTTPBearerModel(description=description)
        self.scheme_name = "AdminOrProbe" if probe else "Admin"
        self._authentication = authentication
        self._timeout_seconds = settings.timeout_seconds
        self._probe = probe

    async def __call__(self, request: Request) -> Caller:
        deadline = self._deadline()
        credential = _bearer(request)
        if self._probe and self._authentication.is_probe(credential):
            return Caller(deadline)
        identity = await self._authentication.require_admin(credential, deadline)
        return Caller(deadline, identity.expires_at, partial(self._recheck, identity))

    async def _recheck(self, identity: Identity) -> None:
        await self._authentication.require_still_admin(identity, self._deadline())

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._timeout_seconds


def _bearer(request: Request) -> str:
    """The one bearer credential of a request. Two Authorization headers are read differently by different parsers."""
    headers = request.headers.getlist("authorization")
    if not headers:
        raise refused(presented=False)
    scheme, _, credential = headers[0].partition(" ")
    credential = credential.strip()
    if len(headers) > 1 or scheme.lower() != "bearer" or not credential or len(credential) > LONGEST_TOKEN:
        raise refused()
    return credential


def _hmac_key(secret: SecretStr | None) -> jwt.PyJWK | None:
    if secret is None:
        return None
    return jwt.PyJWK({"kty": "oct", "k": urlsafe_b64encode(secret.get_secret_value().encode()).decode()}, HMAC)
