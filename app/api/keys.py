"""The public keys that a Supabase project signs its tokens with: fetched, filtered and remembered."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeAlias

import httpx
import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from app.errors import SigningKeysUnavailableError
from app.shared_read import SharedRead

logger = logging.getLogger(__name__)

REUSE_SECONDS = 600
# Without an answer from the project, its last keys are good for an hour more. By then the tokens it issued before it
# went silent have ended (an hour is Supabase's default), and so has what a withdrawn key could do.
LONGEST_SECONDS = REUSE_SECONDS + 3600
# Between two requests for keys while there are some. A key id that is not among them is that of a new key, or made up,
# as often as somebody likes.
PAUSE_SECONDS = 30
# Between two requests while there are none; a little less than callers are told to wait.
RETRY_SECONDS = 4
FETCH_SECONDS = 2.0
LARGEST_ANSWER = 65_536
SMALLEST_RSA, LARGEST_RSA = 2048, 8192  # Bits: RFC 7518, section 3.3; what is larger costs more than it protects.

# The one algorithm for each kind of key, so that no token can choose another one for it.
ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
PUBLIC_KEY_ALGORITHMS = frozenset(ALGORITHMS.values())

OUT_OF_REACH = "The signing keys of the project are out of reach."

Keys: TypeAlias = Mapping[tuple[str, str], jwt.PyJWK]
"""By key id and algorithm."""


class AnswerError(ValueError):
    """An answer that holds no keys."""


class _Document(msgspec.Struct):
    """Keys are decoded one by one, so that none can spoil the others (RFC 7517, section 5)."""

    keys: list[msgspec.Raw]


class _PublicKey(msgspec.Struct):
    """What must be so of any key we use; PyJWK reads the numbers. A published
    private key is everybody's.
    """

    kid: Annotated[str, msgspec.Meta(min_length=1)]
    kty: str
    crv: str | None = None
    alg: str | None = None
    use: str = "sig"
    key_ops: tuple[str, ...] = ("verify",)
    d: msgspec.UnsetType = msgspec.UNSET


class SigningKeys:
    """Asks for the keys when they are first needed, and again when they are ten minutes old.

    While the project does not answer, its last keys stay good for a bounded time. A set without keys is an answer.
    `clock` is monotonic, in seconds. Belongs to one event loop.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        # Without redirects, which would let another host say what our keys are. An answer that is not compressed has
        # the size it seems to have.
        self._client = httpx.AsyncClient(
            follow_redirects=False, timeout=FETCH_SECONDS, headers={"Accept-Encoding": "identity"}
        )
        self._flight = SharedRead(self._fetch, reuse_seconds=0)
        self._keys: Keys = {}
        self._fetched_at = -math.inf
        self._tried_at = -math.inf
        self._answered = False

    async def find(self, key_id: str, algorithm: str) -> jwt.PyJWK | None:
        """The key of that id for that algorithm; None when the project has none.

        Raises SigningKeysUnavailableError when that cannot be told: no keys are at hand, or the id is unknown and the
        project does not answer.
        """
        wanted = (key_id, algorithm)
        if self._age() >= LONGEST_SECONDS:
            await self._refresh(RETRY_SECONDS)
        elif self._age() >= REUSE_SECONDS or wanted not in self._keys:
            await self._refresh(PAUSE_SECONDS)
        if self._age() >= LONGEST_SECONDS or (wanted not in self._keys and not self._answered):
            raise SigningKeysUnavailableError(OUT_OF_REACH)
        return self._keys.get(wanted)

    async def close(self) -> None:
        await self._client.aclose()

    def _age(self) -> float:
        return self._clock() - self._fetched_at

    async def _refresh(self, pause_seconds: float) -> None:
        """Joins the fetch under way, or starts one unless the last one ended just now."""
        if self._clock() - self._tried_at >= pause_seconds:
            await self._flight.get()

    async def _fetch(self) -> None:
        """Leaves what there is as it is when the project does not answer."""
        asked_at = self._clock()
        try:
            self._keys, self._fetched_at, self._answered = usable_keys(await self._read()), asked_at, True
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
            self._answered = False
            logger.warning("signing keys could not be fetched: %s", _named(error))
        self._tried_at = self._clock()

    async def _read(self) -> bytes:
        """In a bounded time, however slowly the answer drips, and of a bounded size."""
        body = bytearray()
        async with asyncio.timeout(FETCH_SECONDS), self._client.stream("GET", self._url) as answer:
            if answer.status_code != httpx.codes.OK:
                raise AnswerError(f"status {answer.status_code}")
            async for part in answer.aiter_raw():
                body += part
                if len(body) > LARGEST_ANSWER:
                    raise AnswerError(f"more than {LARGEST_ANSWER} bytes")
        return bytes(body)


def _named(error: Exception) -> str:
    """Our own words or the kind of error: the words of others may repeat what an answer says."""
    return str(error) if isinstance(error, AnswerError) else type(error).__name__


def usable_keys(body: bytes) -> Keys:
    """The keys of a JWK set that tokens can be verified with. Raises ValueError when it is no JWK set."""
    document = msgspec.json.decode(body, type=_Document)
    keys: dict[tuple[str, str], jwt.PyJWK] = {}
    for raw in document.keys:
        try:
            key_id, key = _usable_key(raw)
        except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, RecursionError):
            continue
        # Of two keys under one name, the first: a set must not hold them (RFC 7517, section 4.5).
        keys.setdefault((key_id, key.algorithm_name), key)
    if len(keys) < len(document.keys):
        logger.warning("%d of %d published keys cannot be used", len(document.keys) - len(keys), len(document.keys))
    return keys


def _usable_key(raw: msgspec.Raw) -> tuple[str, jwt.PyJWK]:
    """Raises ValueError or PyJWTError for a key of another kind, use or size, or a broken one."""
    about = msgspec.json.decode(raw, type=_PublicKey)
    algorithm = ALGORITHMS.get((about.kty, about.crv))
    if algorithm is None or about.alg not in (None, algorithm):
        raise ValueError("another kind of key")
    if about.use != "sig" or "verify" not in about.key_ops:
        raise ValueError("a key for another use")
    parameters: dict[str, Any] = msgspec.json.decode(raw)
    key = jwt.PyJWK(parameters, algorithm)
    if isinstance(key.key, RSAPublicKey) and not SMALLEST_RSA <= key.key.key_size <= LARGEST_RSA:
        raise ValueError("a key of another size")
    return about.kid, key
