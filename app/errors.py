"""The one tree of errors this product raises on purpose. It knows no HTTP; `api/problems.py` maps it to status codes.

Every message is safe to show: it never repeats a secret, a token, a DSN or a value a caller sent.
"""


class DiagnosticsError(Exception):
    """Base of everything raised on purpose. `str(error)` is one line for a person."""


class ConfigurationError(DiagnosticsError):
    """A setting is missing or cannot be used; the process cannot do its work until it is changed."""


class ContractError(ConfigurationError):
    """A contract file cannot be read; the message names the line or the key."""


class DatabaseError(DiagnosticsError):
    """The watched database did not give the answer that was asked of it."""


class DatabaseUnavailableError(DatabaseError):
    """No connection could be had, or it was lost."""


class DatabaseTimeoutError(DatabaseUnavailableError):
    """The database was reached, but did not answer within the time a request may take."""


class CatalogueChangingError(DatabaseError):
    """DDL ran during every attempt to read the catalogue, so no two readings agreed."""


class SchemaDriftError(DatabaseError):
    """What was asked for is not in the database, or not as documented; the message names it."""


class AdminLookupError(DatabaseError):
    """Whether a user is an admin could not be read."""


class NoSuchPartError(DiagnosticsError):
    """A part of a fix was asked for that the fix does not have."""


class SigningKeysUnavailableError(DiagnosticsError):
    """The keys that tokens are verified with could not be had, so a token can be called neither good nor bad."""


class AccessError(DiagnosticsError):
    """A caller may not have what it asked for."""


class UnauthenticatedError(AccessError):
    """No credential was presented, or it is not a valid one."""

    def __init__(self, message: str, *, presented: bool) -> None:
        super().__init__(message)
        self.presented = presented


class ForbiddenError(AccessError):
    """The caller is known, and is not an admin."""


class BusyError(DiagnosticsError):
    """As many of these as may run at a time are running."""
