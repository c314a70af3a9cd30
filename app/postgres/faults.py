"""From what asyncpg and the socket raise to the errors of this product, in words that give nothing away."""

import socket
import ssl

import asyncpg

from app.errors import DatabaseError, DatabaseTimeoutError, DatabaseUnavailableError

# What a query and its connection are known to raise.
QUERY_FAULTS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
    EOFError,
)
# Connecting, besides that, reports a URL it cannot use as ValueError.
CONNECT_FAULTS = (*QUERY_FAULTS, ValueError)

# Someone holds a lock, what was called is too slow, or a standby gave the query up for what its primary sent: nothing
# is known, and trying on would cost as much again.
IN_THE_WAY = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError, asyncpg.TransactionRollbackError)

# A role that the login is no member of, or that does not exist.
ROLE_REFUSED = (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError)

# By SQLSTATE or its class. The server's own words are not passed on: they may repeat a name or a part of the URL.
_SQLSTATES = {
    "28P01": "the login was refused: wrong password or unknown user",
    "28000": "the login was refused: the server does not accept this user from here",
    "3D000": "there is no database of that name",
    "53300": "the database has no connection left",
    "57P01": "the connection was closed by the database",
    "57P03": "the database is starting up or shutting down",
}
_CLASSES = {
    "08": "the connection was lost",
    "28": "the login was refused",
    "53": "the database is out of resources",
    "57": "the database stopped the query",
}

NOTHING_LISTENS = "nothing listens on its port"
LOST = "the connection could not be made or was lost"
_KINDS = {
    socket.gaierror: "its host name does not resolve",
    ConnectionRefusedError: NOTHING_LISTENS,
    ssl.SSLCertVerificationError: "the server's certificate is not one that DATABASE_SSL_ROOT_CERT vouches for",
    ssl.SSLError: "the encrypted connection could not be set up",
    ValueError: "DATABASE_URL cannot be used as it is",
}


def fault(error: BaseException) -> DatabaseError:
    """The error of ours for one of the faults above. The text of the original is never part of it."""
    if isinstance(error, asyncpg.PostgresConnectionError) and error.__cause__ is not None:
        # What the server said before it closed the connection, where that is known.
        said = error.__cause__
        error = said if isinstance(said, IN_THE_WAY) or _told(said) else error
    if isinstance(error, asyncpg.QueryCanceledError):
        return DatabaseTimeoutError("The database did not finish a query in time.")
    if isinstance(error, asyncpg.TransactionRollbackError):
        return DatabaseTimeoutError("The standby gave up a query for what its primary sent it; ask again.")
    if isinstance(error, TimeoutError):
        return DatabaseTimeoutError("The database did not answer in time.")
    reason = _reason(error)
    if reason is None:
        return DatabaseError("The database refused a query of this service.")
    return DatabaseUnavailableError(f"The database is out of reach: {reason}.")


def refused(error: BaseException) -> DatabaseError:
    """The same for what connecting raised: whatever the reason, there is no connection."""
    found = fault(error)
    if isinstance(found, DatabaseUnavailableError):
        return found
    state = error.sqlstate if isinstance(error, asyncpg.PostgresError) else None
    return DatabaseUnavailableError(f"The database refused the connection (SQLSTATE {state or 'unknown'}).")


def _told(error: BaseException) -> str | None:
    """What one of the server's own errors means, if it is one of those that are known."""
    state = (error.sqlstate or "") if isinstance(error, asyncpg.PostgresError) else ""
    return _SQLSTATES.get(state) or _CLASSES.get(state[:2])


def _reason(error: BaseException) -> str | None:
    if isinstance(error, asyncpg.PostgresError):
        return _told(error)
    # With several addresses for a host, asyncio joins what each connect said in one OSError of no type of its own.
    if isinstance(error, OSError) and "Connect call failed" in str(error):
        return NOTHING_LISTENS
    if isinstance(error, ConnectionError) and "rejected SSL" in str(error):
        return "the server does not encrypt, as it must here"
    return next((reason for kind, reason in _KINDS.items() if isinstance(error, kind)), LOST)
