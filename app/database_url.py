"""What DATABASE_URL says: where the database is, and how the way there is protected. Reads nothing.

People paste the URL that another program works with, and its options with it. The driver would send each option it does
not know as a start-up parameter, which servers refuse, PgBouncer refuses and Supavisor drops.
"""

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

UNREADABLE = (
    "cannot be parsed: postgresql://user:password@host:port/database is expected,"
    " with special characters in the password percent-encoded"
)

# What asyncpg takes itself.
# fmt: off
DRIVERS = frozenset((
    "host", "port", "user", "password", "database", "dbname", "passfile", "service", "target_session_attrs",
    "krbsrvname", "gsslib", "sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl",
    "sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version",
))
# What tunes other programs: their pools, their caches, their time limits, the name they give themselves. This service
# has limits and a pool of its own, and no cache.
FOREIGN = frozenset((
    # Prisma, and Supabase's notes to it.
    "pgbouncer", "connection_limit", "pool_timeout", "socket_timeout", "statement_cache_size", "sslaccept", "supa",
    "workaround",
    # libpq.
    "application_name", "fallback_application_name", "client_encoding", "connect_timeout", "gssencmode",
    "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "load_balance_hosts",
    "sslcompression", "sslsni", "tcp_user_timeout",
    # SQLAlchemy, JDBC, pgx, node-postgres.
    "prepared_statement_cache_size", "prepareThreshold", "default_query_exec_mode", "pool_max_conns",
    "uselibpqcompat",
))
# fmt: on

# What would change what is seen or whom it is seen from, and has its place in another setting.
ELSEWHERE = {
    "options": "start-up parameters do not pass poolers",
    "schema": "DATABASE_SCHEMA says it",
    "search_path": "DATABASE_SCHEMA says it",
    "role": "DATABASE_ROLE says it",
    "statement_timeout": "DATABASE_TIMEOUT_MS says it",
    "ssl": "sslmode says it",
}

# Which of several hosts is taken, by asyncpg's and libpq's names.
SESSION_ATTRIBUTES = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
USUAL_SSL_MODE = "prefer"
LONGEST_NAME = 40
MOST_PORT = 65_535
# A name, an IPv4 address, a socket's folder percent-encoded, or an IPv6 address in brackets; and perhaps a port.
HOST = re.compile(r"(?:\[(?P<address>[^][]+)\]|(?P<name>[^][:,]+))(?::(?P<port>[0-9]+))?")


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """`host` are the hosts it names, of which any may answer, None for a socket; `local` when none is another machine;
    `ssl_mode` as libpq has it. `for_driver` is the URL without what the driver would not understand.
    """

    host: str | None
    local: bool
    ssl_mode: str
    for_driver: str = field(repr=False)

    @classmethod
    def read(cls, url: str, root_certificate: Path | None = None) -> Self:
        """With a root certificate, the server is verified whatever the URL says.

        Raises ValueError. It repeats nothing of the URL, any part of which may be the password, but the name of an
        option where it is certain to be one.
        """
        parts = _split(url)
        options = _options(parts)
        if root_certificate is not None:
            options |= {"sslmode": "verify-full", "sslrootcert": str(root_certificate)}
        hosts = _hosts(parts, options)
        local, ssl_mode = all(map(_is_on_this_machine, hosts)), options.get("sslmode", USUAL_SSL_MODE)
        if options.get("channel_binding") == "require" and ssl_mode != "verify-full":
            raise ValueError(
                "has the option channel_binding=require, which the driver cannot meet: set DATABASE_SSL_ROOT_CERT,"
                " which keeps others out of the connection too, and it may stay"
            )
        kept = {name: value for name, value in options.items() if name in DRIVERS}
        return cls(", ".join(hosts) or None, local, ssl_mode, urlunsplit(parts._replace(query=urlencode(kept))))


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(UNREADABLE) from None
    hosts = _named(parts)
    readable = (
        parts.scheme in ("postgres", "postgresql")
        and (all(map(_is_host, hosts.split(","))) if hosts else "host=" in parts.query)
        # The rest of a password that holds an @, a # or a ?, and what comes after it.
        and parts.netloc.count("@") <= 1
        and not parts.fragment
        and "@" not in parts.query
    )
    if not readable:
        raise ValueError(UNREADABLE)
    return parts


def _options(parts: SplitResult) -> dict[str, str]:
    """Of a repeated one the last, as the driver has it."""
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name, value in options.items():
        if name in ELSEWHERE:
            raise ValueError(f"has the option {name}, which is not taken here: {ELSEWHERE[name]}")
        if name not in DRIVERS | FOREIGN | {"channel_binding"}:
            plain = name.isidentifier() and name.isascii() and len(name) <= LONGEST_NAME
            raise ValueError(f"has an option that this service does not know: {name if plain else 'of an odd name'}")
        if name == "sslmode" and value not in SSL_MODES:
            raise ValueError(f"has an sslmode that is none of {', '.join(SSL_MODES)}")
        if name == "target_session_attrs" and value not in SESSION_ATTRIBUTES:
            raise ValueError(f"has a target_session_attrs that is none of {', '.join(SESSION_ATTRIBUTES)}")
        if name == "sslrootcert" and value == "system":
            raise ValueError("has the option sslrootcert=system: name a file in DATABASE_SSL_ROOT_CERT instead")
    return options


def _named(parts: SplitResult) -> str:
    """The hosts of the URL itself, as they are written: what it has after the user."""
    return parts.netloc.rpartition("@")[2]


def _is_host(text: str) -> bool:
    found = HOST.fullmatch(text)
    return found is not None and 0 < int(found["port"] or 1) <= MOST_PORT


def _hosts(parts: SplitResult, options: dict[str, str]) -> list[str]:
    """An option counts where the URL has no host of its own, as the driver has it."""
    if named := _named(parts):
        return [unquote(_without_port(host)).lower() for host in named.split(",")]
    hosts = options.get("host", "").split(",")
    if len(hosts) > 1 and not all(hosts):
        raise ValueError(UNREADABLE)
    return list(map(_without_port, hosts))


def _without_port(host: str) -> str:
    """An address of IPv6 that an option names without brackets stays as it is."""
    found = HOST.fullmatch(host)
    return host if found is None else found["address"] or found["name"]


def _is_on_this_machine(host: str) -> bool:
    if host in ("", "localhost") or host.startswith("/"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
