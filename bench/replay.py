"""The floor for what we read: the statements we send, recorded from our own code and sent again by bare asyncpg."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from app.postgres.pool import Connection, Database
from app.settings import Settings

if TYPE_CHECKING:
    from asyncpg.connection import LoggedQuery

TRANSACTION_CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


@dataclass(frozen=True, slots=True)
class Statement:
    """What was sent; `raised` is the type of the error it ended in, or None."""

    text: str
    parameters: tuple[Any, ...]
    raised: type[BaseException] | None

    @property
    def controls(self) -> bool:
        """It is about the transaction, and goes by the simple protocol."""
        return self.text.upper().startswith(TRANSACTION_CONTROL)


class RecordingDatabase(Database):
    """Keeps what is sent over the connections it lends, which may be several at the same time."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.lent: list[list[Statement]] = []

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        statements: list[Statement] = []
        self.lent.append(statements)

        def keep(logged: "LoggedQuery") -> None:
            raised = type(logged.exception) if logged.exception is not None else None
            statements.append(Statement(logged.query, logged.args, raised))

        async with super().connection() as connection:
            connection.add_query_logger(keep)
            try:
                yield connection
            finally:
                connection.remove_query_logger(keep)


Reader: TypeAlias = Callable[[Database], Callable[[], Awaitable[object]]]
"""Makes of a database what reads it."""


async def record(settings: Settings, reader: Reader) -> tuple[Statement, ...]:
    """Every statement of one reading, connection by connection, transaction control included."""
    database = RecordingDatabase(settings)
    try:
        read = reader(database)
        # The first reading on a connection is not like the others: asyncpg also asks for types it does not know yet.
        await read()
        database.lent.clear()
        await read()
        return tuple(statement for statements in database.lent for statement in statements)
    finally:
        await database.close()


async def replay(connection: Connection, statements: tuple[Statement, ...], *, later: timedelta = timedelta()) -> None:
    """Send them one after another, each by the protocol it was first sent by: the simple one for transactions.

    Times among the parameters are moved by how much `later` it is, so that "the last hour" is still that.

    What failed in the report, as a trial may on purpose, fails here in the same way; any other failure is raised.
    """
    for statement in statements:
        with suppress(*([statement.raised] if statement.raised is not None else [])):
            if statement.controls:
                await connection.execute(statement.text)
            else:
                await connection.fetch(statement.text, *(_moved(value, later) for value in statement.parameters))


def _moved(value: Any, later: timedelta) -> Any:  # noqa: ANN401 - whatever a statement is given
    if isinstance(value, datetime):
        return value + later
    return [_moved(item, later) for item in value] if isinstance(value, list) else value
