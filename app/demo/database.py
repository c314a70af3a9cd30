"""From an empty cluster to a Supabase-like project with the runner's tables, recorded migrations and some activity."""

from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import TypeAlias

import asyncpg
import sqlparse

from app.demo.scripts import script
from app.demo.seed import seed_past_day
from app.demo.server import EmbeddedPostgres

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

DATABASE = "postgres"
OWNER = "postgres"
LOGIN = "runner_diagnostics"
API_LOGIN = "authenticator"
LOGINS = (OWNER, LOGIN, API_LOGIN)
ADMIN_ID = "00000000-0000-4000-8000-000000000001"
ALL_MIGRATIONS = 3


@dataclass(frozen=True, slots=True)
class Drift:
    """A way in which the demo's database is not as documented: only the first `migrations`, or a script run on top."""

    about: str
    migrations: int = ALL_MIGRATIONS
    script: str | None = None


DRIFTS = {
    "two-migrations": Drift("the third migration was never applied", migrations=2),
    "policy-recurses": Drift("a policy on ticks asks for ticks, and so raises", script="drift_policy_recurses.sql"),
    "policy-leaks": Drift("a second policy shows every user's ticks to everyone", script="drift_policy_leaks.sql"),
    "policy-locks-out": Drift("the policy on ticks lets only admins in", script="drift_policy_locks_out.sql"),
    "self-promotion": Drift("users may write the column that makes admins", script="drift_self_promotion.sql"),
}


async def create_roles(server: EmbeddedPostgres) -> None:
    """The roles of a Supabase project, once for a cluster; those that log in get the cluster's password."""
    connection: Connection = await asyncpg.connect(server.url())
    try:
        await connection.execute(script("sql", "1_roles.sql"))
        for login in LOGINS:
            # ALTER ROLE takes no parameters; format() quotes what it is given.
            command = await connection.fetchval(
                "select format('alter role %I password %L', $1::text, $2::text)", login, server.password
            )
            await connection.execute(command)
    finally:
        await connection.close()


NO_DRIFT = Drift("everything is as documented")


async def create_project(
    server: EmbeddedPostgres,
    *,
    database: str = DATABASE,
    drift: Drift = NO_DRIFT,
    active_until: datetime | None = None,
) -> None:
    """Fill an empty database: Supabase's schemas, the platform's tables, the migrations with their record, activity.

    That is an hour of a few strategies. With `active_until` it is the day of many until then, where the third migration
    is applied.
    """
    connection: Connection = await asyncpg.connect(server.url(database=database))
    try:
        await connection.execute(script("sql", "2_supabase.sql"))
    finally:
        await connection.close()
    connection = await asyncpg.connect(server.url(OWNER, database))
    try:
        await connection.execute(script("sql", "3_platform.sql"))
        for file in migration_files()[: drift.migrations]:
            await apply_migration(connection, file)
        await connection.execute(script("sql", "4_people.sql"))
        if drift.migrations != ALL_MIGRATIONS:
            await connection.execute(script("sql", "5_legacy_ticks.sql"))
        elif active_until is None:
            await connection.execute(script("sql", "5_ticks.sql"))
        else:
            await seed_past_day(connection, active_until)
        if drift.script is not None:
            await connection.execute(script("sql", drift.script))
    finally:
        await connection.close()


async def apply_migration(connection: Connection, file: str) -> None:
    """Apply one migration and record it as the Supabase CLI does: its version, statements and name."""
    text = script("migrations", file)
    version, _, name = file.removesuffix(".sql").partition("_")
    async with connection.transaction():
        await connection.execute(text)
        await connection.execute(
            "insert into supabase_migrations.schema_migrations (version, statements, name) values ($1, $2, $3)",
            version,
            sqlparse.split(text, strip_semicolon=True),
            name,
        )


def migration_files() -> list[str]:
    """The names of the demo's migrations, in their order."""
    folder = resources.files("app.demo") / "migrations"
    return sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
