"""Whether a standby keeps up with its primary: what it has not got yet would look as if it had not happened."""

import asyncio
from datetime import timedelta

import asyncpg

from app.postgres.pool import Connection, Database
from app.postgres.statements import statement

PAUSE_SECONDS = 0.1

# Of the write-ahead log. Few records are longer than the three pages that a split of an index may hold.
PAGE_BYTES = 8192
LONGEST_RECORD = 4 * PAGE_BYTES


class Standby:
    """One that may be `most` behind, and is waited for up to `patience`, in seconds, where it seems to be more.

    Each look is a transaction of its own, for a snapshot may be what keeps it from going on.
    """

    def __init__(self, database: Database, most: timedelta, patience: float) -> None:
        self._database = database
        self._most = most
        self._patience = patience

    async def obstacle(self, connection: Connection) -> str | None:
        """Why nothing can be told of the present; None where it keeps up.

        It does, too, where its last commit is old, and all that it had been sent is replayed, or is within the
        patience: then nothing was committed since. Without a receiver it is sent nothing, and cannot know.
        """
        ends_at = asyncio.get_running_loop().time() + self._patience
        looked = await self._look(connection)
        age, sent = looked["last_commit_age"], looked["sent"]
        if age <= self._most:
            return None
        while looked["receiving"]:
            if looked["replayed"] >= _whole_records(sent):
                return None
            if asyncio.get_running_loop().time() >= ends_at:
                break
            await asyncio.sleep(PAUSE_SECONDS)
            looked = await self._look(connection)
        return f"the database is a standby that does not keep up; what it has is {age.total_seconds():.0f} s old"

    async def _look(self, connection: Connection) -> asyncpg.Record:
        async with self._database.transaction(connection):
            (row,) = await connection.fetch(statement("standby"))
        return row


def _whole_records(sent: int) -> int:
    """Up to where there are no parts of a record. What ends with a page may end with one, for the primary writes whole
    pages where nothing is committed, and the rest of it when the next page is full. A commit is written where it ends.
    """
    return sent - LONGEST_RECORD if sent % PAGE_BYTES == 0 else sent
