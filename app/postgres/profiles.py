"""Whether a user is an admin by their row in the platform's profile table."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from app.errors import AdminLookupError
from app.postgres.faults import IN_THE_WAY
from app.postgres.pool import Database
from app.postgres.statements import statement
from app.settings import Settings

AdminLookup: TypeAlias = Callable[[UUID], Coroutine[Any, Any, bool]]

# Projects that keep the role in the token need no such table: without it nobody is an admin by profile.
NO_SUCH_PROFILE = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InvalidSchemaNameError)


def admin_lookup(database: Database, settings: Settings) -> AdminLookup | None:
    """A function from a user's id to whether they are an admin; None when profiles make no admins.

    It raises AdminLookupError when the profiles may not be read, and what `Database.connection` raises.
    """
    if not settings.admin_profile_table:
        return None
    query = statement(
        "admin_profile",
        {
            "schema": settings.database_schema,
            "profile_table": settings.admin_profile_table,
            "profile_column": settings.admin_profile_column,
        },
    )
    role, values = settings.reading_role, frozenset(settings.admin_values)

    async def look_up(user_id: UUID) -> bool:
        async with database.connection() as connection:
            try:
                async with database.transaction(connection, role):
                    return await connection.fetchval(query, user_id) in values
            except NO_SUCH_PROFILE:
                return False
            except (asyncpg.SyntaxOrAccessError, asyncpg.DataError, *IN_THE_WAY) as error:
                # Lost grants, row security, an unassumable role, an id of another type: the answer is not "no".
                raise AdminLookupError("Whether the caller is an admin could not be read.") from error

    return look_up
