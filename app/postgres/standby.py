"""Whether a standby keeps up with its primary: what it has not got yet would look as if it had not happened."""

import asyncio
from datetime import timedelta

from app.postgres.pool import Connection
from app.postgres.statements import statement

# The end of what was sent may be half a record, which waits for its other half: the primary's WAL writer sends that
# within some 0.4 s.
LOOKS, PAUSE_SECONDS = 10, 0.1


async def age_of_what_is_known(connection: Connection, most: timedelta) -> timedelta | None:
    """How old the last commit is that a standby has, where it is older than that and others may have followed it.

    None, too, where all that was sent is replayed, or is within a second: then nothing was committed since, however
    long ago that was. Without a receiver nothing is sent, and it cannot know.
    """
    (first,) = await connection.fetch(statement("standby"))
    age: timedelta = first["last_commit_age"]
    if age <= most:
        return None
    looked = first
    for _ in range(LOOKS):
        if not looked["receiving"]:
            return age
        if looked["replayed"] >= first["sent"]:
            return None
        await asyncio.sleep(PAUSE_SECONDS)
        (looked,) = await connection.fetch(statement("standby"))
    return age
