"""The floor for a report: the statements it sends, recorded from the service itself and sent again by bare asyncpg."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.contract.load import load_contract
from app.diagnostics import Diagnostics
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


async def record(settings: Settings) -> tuple[Statement, ...]:
    """Every statement of one report, connection by connection, transaction control included."""
    contract = load_contract(settings.runner_contract)
    database = RecordingDatabase(settings)
    try:
        diagnostics = Diagnostics(settings, contract, database)
        # The first report on a connection is not like the others: asyncpg also asks for types it does not know yet.
        await diagnostics.check_schema()
        database.lent.clear()
        await diagnostics.check_schema()
        return tuple(statement for statements in database.lent for statement in statements)
    finally:
        await database.close()


async def replay(connection: Connection, statements: tuple[Statement, ...]) -> None:
    """Send them one after another, each by the protocol it was first sent by: the simple one for transactions.

    What failed in the report, as a trial may on purpose, fails here in the same way; any other failure is raised.
    """
    for statement in statements:
        with suppress(*([statement.raised] if statement.raised is not None else [])):
            if statement.text.upper().startswith(TRANSACTION_CONTROL):
                await connection.execute(statement.text)
            else:
                await connection.fetch(statement.text, *statement.parameters)
