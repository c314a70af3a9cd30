"""What is expected of the way to the database, whatever is found at its end."""

from dataclasses import dataclass

from app.contract.check import Expectation, Judgement, Severity, failed, passed
from app.contract.observed import Observation

ADVICE = (
    "Set DATABASE_SSL_ROOT_CERT to the certificate of the authority that issued the server's"
    " (Supabase: Database settings, SSL configuration)."
)
# By sslmode, where libpq's meaning of it leaves somebody a place in between.
UNPROTECTED = {
    "require": ("not verified", "The connection is encrypted with whoever answers: no certificate is looked at."),
    "verify-ca": (
        "issuer verified, host not",
        "The connection is encrypted, but the server's certificate may be made out to any host of its issuer.",
    ),
}
OPEN = ("not required", "The connection may be in the clear: whoever is on its way could read the login and every row.")


@dataclass(frozen=True, slots=True)
class Way:
    """How the database is reached: `local` without leaving the machine; `ssl_mode` as libpq has it."""

    local: bool
    ssl_mode: str


def connection_expectation(way: Way) -> Expectation:
    """The `connection.encrypted` check. The settings answer it: a server behind a pooler knows another connection."""

    def judge(_observation: Observation) -> Judgement:
        if way.local:
            return passed("local", "The connection does not leave this machine.")
        if way.ssl_mode == "verify-full":
            return passed("verified", "The connection is encrypted, the server's certificate and name verified.")
        actual, message = UNPROTECTED.get(way.ssl_mode, OPEN)
        return failed(actual, message, hint=ADVICE)

    return Expectation("connection.encrypted", None, Severity.WARNING, "encrypted and verified, or local", judge)
