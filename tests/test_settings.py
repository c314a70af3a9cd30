"""Settings: what an empty value means, what is refused, and that no error repeats a value."""

import re
from pathlib import Path

import jwt
import pytest

from app.errors import ConfigurationError
from app.settings import Settings, load_settings

ROOT = Path(__file__).parent.parent
URL = "postgresql://user:password@127.0.0.1:5432/postgres"
SECRET = "0123456789abcdef0123456789abcdef0123"


def load(**values: object) -> Settings:
    given: dict[str, object] = {"database_url": URL, **values}
    return load_settings(env_file=None, **given)


def test_an_empty_value_is_the_same_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(name.upper(), "")
    monkeypatch.setenv("DATABASE_URL", URL)
    settings = load_settings(env_file=None)
    assert settings.database_timeout_ms == 5000
    assert settings.probe_token is None
    assert settings.admin_values == ("admin",)
    # These two say something by being empty: stay as logged in, and profiles make no admins.
    assert settings.reading_role is None
    assert settings.admin_profile_table == ""


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:Sesame-open-1@h/x",
        "postgresql://u:Sesame-open-1@h:port/x",
        "postgresql://u:Sesame#open-1@h/x",
        "postgresql://u:Sesame-open-1@[::1/x",
        "u:Sesame-open-1@h",
        "postgresql://",
    ],
)
def test_a_url_that_cannot_be_parsed_is_named_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(database_url=url)
    assert "DATABASE_URL cannot be parsed" in str(caught.value)
    assert "esame" not in str(caught.value)
    assert "open-1" not in str(caught.value)


def test_a_missing_url_is_named() -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL is required"):
        load_settings(env_file=None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_role", "none"),
        ("database_role", "é" * 32),
        ("database_pool_size", 0),
        ("database_timeout_ms", 1),
        ("supabase_jwt_secret", "too-short"),
        ("probe_token", "too-short"),
        ("admin_claim", "user_metadata.role"),
        ("supabase_url", "acme.supabase.co"),
        ("supabase_url", "https://u:too-short@acme.supabase.co"),
        ("jwks_url", "https://acme.supabase.co/keys?apikey=too-short"),
        ("jwks_url", "https://acme.supabase.co/keys#too-short"),
        ("jwks_url", "ftp://acme.supabase.co/keys"),
        ("jwks_url", "https://acme.supabase.co/a b"),
        ("supabase_jwt_secret", "-----BEGIN PUBLIC KEY-----\ntoo-shorttoo-shorttoo-short"),
        ("supabase_jwt_secret", '{"kty": "oct", "k": "too-shorttoo-shorttoo-short"}'),
        ("supabase_anon_key", "sb_secret_too-short"),
        ("supabase_anon_key", jwt.encode({"role": "service_role"}, SECRET)),
        ("supabase_anon_key", jwt.encode({"sub": "a user's own token"}, SECRET)),
        ("cors_origins", "*"),
        ("cors_origins", "https://a.example/path"),
        ("cors_origins", "https://*.acme.com"),
        ("environment", "staging"),
        ("log_level", "LOUD"),
    ],
)
def test_a_bad_value_is_named_and_not_repeated(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(**{name: value})
    assert name.upper() in str(caught.value)
    assert "too-short" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "https://admin.acme.com, http://localhost:3000")
    monkeypatch.setenv("ADMIN_VALUES", "admin,owner")
    settings = load()
    assert settings.cors_origins == ("https://admin.acme.com", "http://localhost:3000")
    assert settings.admin_values == ("admin", "owner")


def test_the_issuer_follows_from_the_project_unless_it_is_given() -> None:
    assert load().issuer is None
    assert load(supabase_url="https://acme.supabase.co/").issuer == "https://acme.supabase.co/auth/v1"
    assert load(supabase_url="https://acme.supabase.co", jwt_issuer="x").issuer == "x"


def test_serving_needs_something_to_verify_tokens_with() -> None:
    with pytest.raises(ConfigurationError, match="SUPABASE_JWT_SECRET"):
        load().require_serving()
    for given in (
        {"supabase_jwt_secret": SECRET},
        {"supabase_url": "https://acme.supabase.co"},
        {"jwks_url": "https://acme.supabase.co/keys"},
    ):
        load(**given).require_serving()


def test_the_address_of_the_signing_keys_follows_from_the_project_unless_it_is_given() -> None:
    assert load(jwt_issuer="https://acme.supabase.co/auth/v1").signing_keys_url is None
    derived = "https://acme.supabase.co/auth/v1/.well-known/jwks.json"
    assert load(supabase_url="https://acme.supabase.co/").signing_keys_url == derived
    given = load(supabase_url="https://acme.supabase.co", jwks_url="https://keys.acme.com/jwks")
    assert given.signing_keys_url == "https://keys.acme.com/jwks"


def test_signing_keys_come_over_an_encrypted_way_or_from_this_machine() -> None:
    for address in ("https://acme.supabase.co", "http://127.0.0.1:54321", "http://[::1]:54321", "http://localhost"):
        load(supabase_url=address).require_serving()
        load(jwks_url=address).require_serving()
    for name in ("supabase_url", "jwks_url"):
        with pytest.raises(ConfigurationError, match=f"^{name.upper()} must be https"):
            load(**{name: "http://acme.supabase.co"}, supabase_jwt_secret=SECRET).require_serving()
        load(**{name: "http://kong:8000"}, environment="development").require_serving()


def test_the_key_for_the_page_may_be_any_public_one() -> None:
    for key in (jwt.encode({"role": "anon"}, SECRET), "sb_publishable_0123456789", "a.b.c"):
        assert load(supabase_anon_key=key).supabase_anon_key == key


@pytest.mark.parametrize("name", ["supabase_jwt_secret", "probe_token"])
def test_a_placeholder_secret_is_refused_in_production_only(name: str) -> None:
    values = {"supabase_jwt_secret": SECRET, name: "change-me-change-me-change-me-change-me"}
    with pytest.raises(ConfigurationError, match=name.upper()):
        load(**values).require_serving()
    load(**values, environment="development").require_serving()


def test_neither_the_settings_nor_their_text_show_a_secret() -> None:
    settings = load(supabase_jwt_secret=SECRET, probe_token=SECRET[::-1])
    for shown in (repr(settings), str(settings)):
        assert SECRET not in shown
        assert SECRET[::-1] not in shown
        assert "password" not in shown.replace("database_url", "")
    assert settings.database.host == "127.0.0.1"


def _names_in(text: str, pattern: str) -> set[str]:
    return set(re.findall(pattern, text, re.MULTILINE))


def test_every_setting_is_in_the_example_file_and_in_the_readme() -> None:
    """And neither names one that does not exist."""
    names = {name.upper() for name in Settings.model_fields}
    assert _names_in((ROOT / ".env.example").read_text(), r"^#? ?([A-Z][A-Z_]+)=") == names
    # One row stands for all the thresholds of a status, some for two settings that belong together.
    rows = re.findall(r"^\| (`[A-Z][^|]*)", (ROOT / "README.md").read_text(), re.MULTILINE)
    shown = {name for row in rows for name in re.findall(r"`([A-Z][A-Z_.]+)`", row)} - {"GET"}
    assert shown == {"STATUS_..." if name.startswith("STATUS_") else name for name in names}


def test_the_example_file_works_unedited_for_local_development(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(env_file=ROOT / ".env.example")
    settings.require_serving()
    assert settings.environment == "development"


def test_the_defaults_in_the_example_file_are_the_defaults() -> None:
    """A line that is commented out shows what holds without it."""
    shown = dict(re.findall(r"^# ([A-Z][A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    given = {name.lower(): value for name, value in shown.items() if value}
    assert load(**given) == load()
