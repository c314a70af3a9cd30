"""DATABASE_URL as people have it: from other programs, with their options."""

from inspect import signature
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from asyncpg import connect_utils
from asyncpg.connect_utils import SessionAttribute
from hypothesis import given
from hypothesis import strategies as st

from app.database_url import DatabaseUrl
from app.errors import ConfigurationError
from tests.databases import Project
from tests.test_settings import load

PLAIN = "postgresql://u:p%40ss@db.acme.co:6543/postgres"
ROOT_CERTIFICATE = Path("/ca file.pem")


@pytest.mark.parametrize(
    "options",
    [
        "pgbouncer=true",
        "pgbouncer=true&connection_limit=1&pool_timeout=0",
        "channel_binding=prefer",
        "supa=base-pooler.x",
        "workaround=supabase-pooler.vercel",
        "connect_timeout=10&application_name=dashboard",
        "pgbouncer",
        "pgbouncer=",
        "&pgbouncer=true&",
    ],
)
def test_options_of_other_programs_are_left_out(options: str) -> None:
    assert DatabaseUrl.read(f"{PLAIN}?{options}").for_driver == PLAIN
    kept = DatabaseUrl.read(f"{PLAIN}?sslmode=require&{options}").for_driver
    assert kept == f"{PLAIN}?sslmode=require"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("options=-c%20statement_timeout%3D0", "options"),
        ("options=reference%3Dabcdefgh", "options"),
        ("search_path=private", "search_path.*DATABASE_SCHEMA"),
        ("schema=private", "schema.*DATABASE_SCHEMA"),
        ("role=postgres", "role.*DATABASE_ROLE"),
        ("statement_timeout=0", "statement_timeout.*DATABASE_TIMEOUT_MS"),
        ("ssl=true", "ssl.*sslmode"),
        ("sslmode=on", "sslmode"),
        ("target_session_attrs=replica", "target_session_attrs.*prefer-standby"),
        ("sslrootcert=system", "sslrootcert=system.*DATABASE_SSL_ROOT_CERT"),
        ("channel_binding=require", "channel_binding=require.*DATABASE_SSL_ROOT_CERT"),
        ("sslmode=require&channel_binding=require", "channel_binding=require"),
        ("geqo=off", "geqo"),
    ],
)
def test_an_option_that_would_change_something_is_named(options: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"DATABASE_URL has .*{named}"):
        load(database_url=f"{PLAIN}?{options}")


@pytest.mark.parametrize(
    "url",
    [
        # Half of a password that was not percent-encoded is no option.
        "postgresql://u:1234?sesame=x@h/x",
        "postgresql://u:1234?sesame@h/x",
        "postgresql://u:1234#sesame@h/x",
        "postgresql://h/x?sesame+open=1",
        "postgresql://h/x?" + "sesame" * 20 + "=1",
        "postgresql://h/x?statement_timeout=sesame",
        "postgresql://h/x?sslmode=sesame",
        "postgresql://h/x?target_session_attrs=sesame",
    ],
)
def test_nothing_of_a_url_is_repeated_but_the_name_of_an_option(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL") as caught:
        load(database_url=url)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "host", "local"),
    [
        ("postgresql://127.0.0.1/x", "127.0.0.1", True),
        ("postgresql://127.8.8.8/x", "127.8.8.8", True),
        ("postgresql://LOCALHOST/x", "localhost", True),
        ("postgresql://[::1]:5432/x", "::1", True),
        ("postgresql://%2Fvar%2Frun/x", "/var/run", True),
        ("postgresql:///x?host=/var/run", "/var/run", True),
        ("postgresql:///x?host=localhost", "localhost", True),
        ("postgresql:///x?host=localhost:5433", "localhost", True),
        ("postgresql:///x?host=::1", "::1", True),
        ("postgresql:///x?host=[::1]:5433", "::1", True),
        ("postgresql:///x?host=[::1],[2001:db8::1]:5433", "::1, 2001:db8::1", False),
        ("postgresql:///x?host=localhost,db.acme.co", "localhost, db.acme.co", False),
        ("postgresql://db.acme.co/x?host=localhost", "db.acme.co", False),
        ("postgresql://localhost.acme.co/x", "localhost.acme.co", False),
        ("postgresql://10.0.0.1/x", "10.0.0.1", False),
        ("postgresql://[2001:db8::1]/x", "2001:db8::1", False),
        ("postgresql://u:p@127.0.0.1:5432,[::1]:5433/x", "127.0.0.1, ::1", True),
        ("postgresql://u:p@db.acme.co:5432,replica.acme.co:6432/x", "db.acme.co, replica.acme.co", False),
        ("postgresql://localhost,db.acme.co:5433/x", "localhost, db.acme.co", False),
    ],
)
def test_what_is_on_this_machine_is_told_from_what_is_not(url: str, host: str, local: bool) -> None:
    read = DatabaseUrl.read(url)
    assert (read.host, read.local) == (host, local)


names = st.from_regex(r"[a-z][a-z0-9-]{0,8}(\.[a-z]{2,3}){0,2}", fullmatch=True)
addresses = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map("[{}]".format)
ports = st.none() | st.integers(1, 65_535)


@given(st.lists(st.tuples(names | addresses, ports), min_size=1, max_size=4), st.booleans())
def test_the_driver_goes_to_the_hosts_that_were_read(named: list[tuple[str, int | None]], with_user: bool) -> None:
    listed = ",".join(host if port is None else f"{host}:{port}" for host, port in named)
    read = DatabaseUrl.read(
        f"postgresql://{'u:p%40@' if with_user else ''}{listed}/x?target_session_attrs=prefer-standby"
    )
    # The driver has no public way to ask; its type information leaves this one out.
    parse = connect_utils._parse_connect_dsn_and_args  # type: ignore[attr-defined]  # noqa: SLF001
    addresses, parameters = parse(**dict.fromkeys(signature(parse).parameters) | {"dsn": read.for_driver})
    assert addresses == [(host.strip("[]"), port or 5432) for host, port in named]
    assert read.host == ", ".join(host for host, _ in addresses)
    assert parameters.target_session_attrs is SessionAttribute.prefer_standby


@pytest.mark.parametrize("hosts", ["a:0", "a:65536", "a:b", "a,,b", "a,", ",a", "[::1", "::1", "a:5432,b:", "p@ss@a"])
def test_hosts_that_the_driver_would_stumble_over_are_none(hosts: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL cannot be parsed"):
        load(database_url=f"postgresql://u:{hosts}" if "@" in hosts else f"postgresql://u@{hosts}/x")


def test_an_empty_host_among_those_of_an_option_is_none() -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL cannot be parsed"):
        load(database_url="postgresql:///x?host=a,,b")


def test_a_root_certificate_wins_over_what_the_url_says_of_encryption() -> None:
    read = DatabaseUrl.read(f"{PLAIN}?sslmode=disable&sslcert=/c&channel_binding=require", ROOT_CERTIFICATE)
    assert read.ssl_mode == "verify-full"
    query = parse_qs(urlsplit(read.for_driver).query)
    assert query == {"sslmode": ["verify-full"], "sslcert": ["/c"], "sslrootcert": ["/ca file.pem"]}


def test_the_text_of_what_was_read_shows_no_password() -> None:
    assert "p%40ss" not in repr(DatabaseUrl.read(PLAIN))


def test_a_root_certificate_must_be_one(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    with pytest.raises(ConfigurationError, match="DATABASE_SSL_ROOT_CERT must name a file with a certificate"):
        load(database_ssl_root_cert=empty)
    with pytest.raises(ConfigurationError, match="DATABASE_SSL_ROOT_CERT names a file that cannot be read"):
        load(database_ssl_root_cert=tmp_path / "missing.pem")


@pytest.mark.parametrize("options", ["pgbouncer=true&connection_limit=1", "channel_binding=prefer", "sslmode=prefer"])
async def test_a_pasted_url_works(project: Project, options: str) -> None:
    assert (await project.check(database_url=f"{project.url()}?{options}")).conformant is True
