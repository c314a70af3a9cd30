"""All settings: one frozen object, from the environment and `.env`, built where a process starts."""

import json
import re
import ssl
from base64 import urlsafe_b64decode
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.database_url import DatabaseUrl
from app.errors import ConfigurationError

SHORTEST_SECRET = 32  # Bytes: HS256 wants a key of at least the hash's size (RFC 7518, section 3.2).

# Settings in which an empty value says something other than no value.
MEANINGFUL_WHEN_EMPTY = frozenset({"database_role", "admin_profile_table"})

LONGEST_ROLE = 63  # Bytes (Postgres, NAMEDATALEN).
PLAIN_ADDRESS = re.compile(
    r"https?://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?(/[a-z0-9_.~/%-]*)?", re.ASCII | re.IGNORECASE
)

# Parts of values that documents and templates offer to be replaced.
PLACEHOLDERS = (
    "change-me",
    "changeme",
    "placeholder",
    "your-",
    "example",
    "super-secret",
    "local-development",
)


class Environment(StrEnum):
    PRODUCTION = "production"
    DEVELOPMENT = "development"


class LogFormat(StrEnum):
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class ContractSettings(BaseSettings):
    """The one setting that means something without a database."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, validate_default=False)

    runner_contract: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _empty_is_none_given(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value != "" or name.lower() in MEANINGFUL_WHEN_EMPTY}


class Settings(ContractSettings):
    """Every field is the environment variable of the same name in capitals; a keyword argument wins over both."""

    database_ssl_root_cert: Path | None = None
    # Read in the light of the one above, which must be there first.
    database_url: SecretStr
    database_role: str = "service_role"
    database_schema: str = "public"
    database_pool_size: int = Field(default=8, ge=1, le=100)
    database_timeout_ms: int = Field(default=5000, ge=100, le=60_000)

    supabase_url: str | None = None
    supabase_anon_key: str | None = None
    supabase_jwt_secret: SecretStr | None = None
    jwt_issuer: str | None = None
    jwt_audience: str = "authenticated"
    jwks_url: str | None = None
    admin_claim: str = "app_metadata.role"
    admin_values: Annotated[tuple[str, ...], NoDecode] = ("admin",)
    admin_profile_table: str = "user_profiles"
    admin_profile_column: str = "role"
    probe_token: SecretStr | None = None
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()

    enable_strategy_runner: bool | None = None

    report_cache_ms: int = Field(default=2000, ge=0, le=600_000)

    status_grace_min_seconds: int = Field(default=60, ge=1, le=86_400)
    status_grace_share: float = Field(default=0.25, ge=0, le=10)
    status_grace_max_seconds: int = Field(default=900, ge=1, le=86_400)
    status_horizon_periods: int = Field(default=3, ge=1, le=100)
    status_horizon_min_seconds: int = Field(default=3600, ge=60, le=86_400)
    status_horizon_max_seconds: int = Field(default=86_400, ge=60, le=604_800)
    status_silence_periods: int = Field(default=3, ge=1, le=100)
    status_error_streak: int = Field(default=3, ge=1, le=30)
    status_not_working_ticks: int = Field(default=3, ge=1, le=30)
    status_error_rate: float = Field(default=0.1, ge=0, le=1)
    status_error_rate_ticks: int = Field(default=20, ge=1)
    status_lock_periods: int = Field(default=2, ge=1, le=100)
    status_lock_min_seconds: int = Field(default=600, ge=1, le=86_400)

    environment: Environment = Environment.PRODUCTION
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.JSON

    @field_validator("admin_values", "cors_origins", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("database_ssl_root_cert")
    @classmethod
    def _root_certificate_is_one(cls, value: Path | None) -> Path | None:
        try:
            if value is not None:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(value)
        except ssl.SSLError as error:
            raise ValueError("must name a file with a certificate in PEM") from error
        except OSError as error:
            raise ValueError("names a file that cannot be read") from error
        return value

    @field_validator("database_url")
    @classmethod
    def _url_can_be_used(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        DatabaseUrl.read(value.get_secret_value(), info.data.get("database_ssl_root_cert"))
        return value

    @field_validator("database_role")
    @classmethod
    def _role_is_a_role(cls, value: str) -> str:
        if value.lower() == "none":
            raise ValueError("cannot be 'none', which Postgres reads as a reset; leave it empty to stay as logged in")
        if len(value.encode()) > LONGEST_ROLE:
            raise ValueError(f"cannot be longer than {LONGEST_ROLE} bytes, to which Postgres cuts a name")
        return value

    @field_validator("admin_claim")
    @classmethod
    def _claim_is_not_writable_by_users(cls, value: str) -> str:
        if value.split(".", maxsplit=1)[0] == "user_metadata":
            raise ValueError("must not lie in user_metadata, which users can change themselves")
        return value

    @field_validator("supabase_url", "jwks_url")
    @classmethod
    def _address_is_one(cls, value: str | None) -> str | None:
        """A query is refused, too: it may be a secret, and the address shows in messages."""
        if value is not None and not PLAIN_ADDRESS.fullmatch(value):
            raise ValueError("takes an http or https address without a user, a password, a query or a fragment")
        return value

    @field_validator("supabase_anon_key")
    @classmethod
    def _page_key_is_public(cls, value: str | None) -> str | None:
        if value is not None and _is_secret_api_key(value):
            raise ValueError("must be the anon or a publishable key: the page gives it to everyone")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins_are_exact(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}" or "*" in origin:
                raise ValueError("takes exact origins such as https://admin.acme.com, without a path or a wildcard")
        return value

    @field_validator("supabase_jwt_secret")
    @classmethod
    def _secret_is_no_public_key(cls, value: SecretStr | None) -> SecretStr | None:
        """Whoever knows a public key could sign with it, were it taken for a secret."""
        if value is not None and any(part in value.get_secret_value() for part in ("-----BEGIN ", '"kty"')):
            raise ValueError("must be the legacy secret, not a key in PEM or JSON: those belong to JWKS_URL")
        return value

    @field_validator("supabase_jwt_secret", "probe_token")
    @classmethod
    def _secrets_are_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < SHORTEST_SECRET:
            raise ValueError(f"must be at least {SHORTEST_SECRET} bytes long")
        return value

    @property
    def issuer(self) -> str | None:
        """The `iss` every token must have; None where it cannot be known."""
        if self.jwt_issuer is not None:
            return self.jwt_issuer
        return f"{self.supabase_url.rstrip('/')}/auth/v1" if self.supabase_url is not None else None

    @property
    def signing_keys_url(self) -> str | None:
        """Where the project publishes its public keys; None where it is not known to sign with any."""
        if self.jwks_url is not None or self.supabase_url is None:
            return self.jwks_url
        return f"{self.supabase_url.rstrip('/')}/auth/v1/.well-known/jwks.json"

    @property
    def reading_role(self) -> str | None:
        """The role to become for reading rows; None stays as logged in."""
        return self.database_role or None

    @property
    def profile_table(self) -> str | None:
        """The table whose rows make admins; None where only tokens do."""
        return self.admin_profile_table or None

    @property
    def timeout_seconds(self) -> float:
        return self.database_timeout_ms / 1000

    @property
    def database(self) -> DatabaseUrl:
        return DatabaseUrl.read(self.database_url.get_secret_value(), self.database_ssl_root_cert)

    def require_serving(self) -> None:
        """Raises ConfigurationError unless tokens can be verified with keys that are fit for the environment."""
        if self.signing_keys_url is None and self.supabase_jwt_secret is None:
            raise ConfigurationError(
                "None of SUPABASE_URL, JWKS_URL and SUPABASE_JWT_SECRET is set: there is nothing to verify tokens with."
            )
        if self.environment is Environment.DEVELOPMENT:
            return
        if self.signing_keys_url is not None and not _is_private_way(self.signing_keys_url):
            name = "SUPABASE_URL" if self.jwks_url is None else "JWKS_URL"
            raise ConfigurationError(
                f"{name} must be https: whoever sits on the way to the signing keys could replace them"
                " (JWKS_URL may name another place for them)."
            )
        for name, secret in (
            ("SUPABASE_JWT_SECRET", self.supabase_jwt_secret),
            ("PROBE_TOKEN", self.probe_token),
        ):
            if secret is not None and _is_placeholder(secret.get_secret_value()):
                raise ConfigurationError(
                    f"{name} is a placeholder: set the real one, or ENVIRONMENT=development on your own machine."
                )


def load_settings(*, env_file: Path | None = Path(".env"), **overrides: Any) -> Settings:  # noqa: ANN401 - see Settings
    """Settings from the environment and an optional file; an override that is None counts as not given.

    Raises ConfigurationError, which names each bad setting and echoes no value.
    """
    return _load(Settings, env_file, {name: value for name, value in overrides.items() if value is not None})


def load_contract_path(*, env_file: Path | None = Path(".env")) -> Path | None:
    """RUNNER_CONTRACT alone, for those who need no database. Raises ConfigurationError."""
    return _load(ContractSettings, env_file, {}).runner_contract


AnySettings = TypeVar("AnySettings", bound=ContractSettings)


def _load(kind: type[AnySettings], env_file: Path | None, given: dict[str, Any]) -> AnySettings:
    try:
        return kind(**{"_env_file": env_file, **given})
    except ValidationError as error:
        raise ConfigurationError("; ".join(_described(error))) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{env_file} cannot be read as UTF-8 text.") from error


def _described(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        name = str(problem["loc"][0]).upper() if problem["loc"] else "settings"
        reason = "is required" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
        lines.append(f"{name}: {reason}" if reason[0].isupper() else f"{name} {reason}")
    return lines


def _is_placeholder(secret: str) -> bool:
    lowered = secret.lower()
    return any(part in lowered for part in PLACEHOLDERS) or len(set(secret)) == 1


def _is_private_way(address: str) -> bool:
    """Encrypted, or it does not leave this machine."""
    parts = urlsplit(address)
    return parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1")


def _is_secret_api_key(key: str) -> bool:
    """Of the new kind by its prefix, of the old kind by the role that its payload names."""
    if key.startswith("sb_secret_"):
        return True
    _, _, rest = key.partition(".")
    payload = rest.partition(".")[0]
    try:
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return False
    return isinstance(claims, dict) and claims.get("role") != "anon"
