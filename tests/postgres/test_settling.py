"""One moment or none: what is read while DDL runs, and while someone holds a lock."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest

from app.contract.check import Outcome
from app.contract.observed import Observation
from app.diagnostics import Diagnostics
from app.errors import CatalogueChangingError
from app.postgres.catalogue import CatalogueReader
from app.postgres.pool import Connection, Database
from tests.databases import VERSIONS, Project, failures, in_turn, with_outcome
from tests.mutations import CONTRACT

# Two states of the database, each changed to the other in one transaction. Whoever sees a new column without its
# type's change, or one table before and another after, has seen a state that never was.
FORTH = """
alter table strategy_runs rename column symbol to symbol_old;
alter table strategy_locks rename column lock_owner to lock_owner_old;
alter table strategy_tick_runs rename column reason to reason_old;
"""
BACK = """
alter table strategy_runs rename column symbol_old to symbol;
alter table strategy_locks rename column lock_owner_old to lock_owner;
alter table strategy_tick_runs rename column reason_old to reason;
"""
TORN = {
    "strategy_runs.column.symbol.present",
    "strategy_locks.column.lock_owner.present",
    "strategy_tick_runs.column.reason.present",
}


@asynccontextmanager
async def changing(project: Project, pause: float) -> AsyncIterator[None]:
    """The two states in turn, for as long as the block runs."""

    async def change() -> None:
        async with project.connect() as connection:
            while True:
                for sql in (FORTH, BACK):
                    async with connection.transaction():
                        await connection.execute(sql)
                    await asyncio.sleep(pause)

    task = asyncio.create_task(change())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize("version", VERSIONS)
async def test_ddl_during_the_reading_never_shows_two_moments_at_once(project: Project) -> None:
    settings = project.settings()
    database = Database(settings)
    reader = CatalogueReader(database, settings, CONTRACT)
    seen = set()
    try:
        async with changing(project, 0.03):
            for _ in range(40):
                try:
                    async with database.connection() as connection:
                        observation = await reader.read(connection)
                except CatalogueChangingError:
                    continue
                seen.add(_missing(observation))
    finally:
        await database.close()
    assert seen <= {frozenset(), frozenset(TORN)}
    assert seen


def _missing(observation: Observation) -> frozenset[str]:
    return frozenset(
        key
        for key in TORN
        if observation.catalogue.relations and observation.table(key.split(".")[0]).column(key.split(".")[2]) is None
    )


class RestlessDatabase(Database):
    """Somebody changes a table before each of our first transactions: no load does that reliably."""

    def __init__(self, project: Project, changes: int, turns: Iterable[str] = (FORTH, BACK)) -> None:
        super().__init__(project.settings())
        self._project = project
        self._turns = itertools.islice(itertools.cycle(turns), changes)

    @asynccontextmanager
    async def transaction(self, connection: Connection, role: str | None = None) -> AsyncIterator[None]:
        for turn in itertools.islice(self._turns, 1):
            await self._project.execute(turn)
        async with super().transaction(connection, role):
            yield


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_change_of_table_and_history_is_never_seen_by_half(project: Project) -> None:
    """Two states again, now with a row of the history; changes come and go faster than a reading takes."""
    record = "delete from supabase_migrations.schema_migrations where version = '20260129170000';"
    again = "insert into supabase_migrations.schema_migrations (version) values ('20260129170000');"
    settings = project.settings()
    database = Database(settings)
    reader = CatalogueReader(database, settings, CONTRACT)
    seen = set()

    async def change() -> None:
        async with project.connect() as connection:
            for number in itertools.count():
                async with connection.transaction():
                    await connection.execute(FORTH + record if number % 2 == 0 else BACK + again)
                await asyncio.sleep(0.001 * (number % 40))

    task = asyncio.create_task(change())
    try:
        for _ in range(50):
            try:
                async with database.connection() as connection:
                    observation = await reader.read(connection)
            except CatalogueChangingError:
                continue
            seen.add((bool(_missing(observation)), len(observation.history.recorded)))
    finally:
        task.cancel()
        await asyncio.wait([task])
        await database.close()
    assert seen <= {(True, 2), (False, 3)}


async def test_a_catalogue_that_comes_to_rest_in_time_is_judged(project: Project) -> None:
    """Three changes before the first three readings; the fourth is equal to the third."""
    database = RestlessDatabase(project, changes=3)
    try:
        report = await Diagnostics(project.settings(), CONTRACT, database).check_schema()
    finally:
        await database.close()
    assert failures(report).keys() == TORN


UNDONE = {
    "a grant on a table that inherits": "grant select on older to anon; revoke select on older from anon",
    "a policy of a table that inherits": """
        alter policy nobody on older using (true); alter policy nobody on older using (false);
    """,
}


@pytest.mark.parametrize(("version", "name"), in_turn(UNDONE))
async def test_what_was_changed_and_changed_back_is_no_moment_either(project: Project, name: str) -> None:
    """What was read in between is the same each time, and may yet be a mixture."""
    await project.execute(
        """
        create table older () inherits (strategy_tick_runs);
        alter table older enable row level security;
        create policy nobody on older using (false);
        """
    )
    database = RestlessDatabase(project, changes=100, turns=(UNDONE[name],))
    try:
        report = await Diagnostics(project.settings(), CONTRACT, database).check_schema()
    finally:
        await database.close()
    assert {check.outcome for check in report.checks} == {Outcome.UNKNOWN}


async def test_a_catalogue_that_never_holds_still_makes_every_check_unknown(project: Project) -> None:
    database = RestlessDatabase(project, changes=100)
    try:
        report = await Diagnostics(project.settings(), CONTRACT, database).check_schema()
    finally:
        await database.close()
    assert {check.outcome for check in report.checks} == {Outcome.UNKNOWN}
    assert report.conformant is None
    assert len(report.checks) > 80


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("table", ["strategy_runs", "strategy_tick_runs", "strategy_locks"])
async def test_a_table_locked_by_someone_else_hides_nothing(project: Project, table: str) -> None:
    async with project.connect() as other, other.transaction():
        await other.execute(f"lock table {table} in access exclusive mode")
        report = await project.check(database_timeout_ms=4000)
    assert failures(report) == {}
    # What can only be tried is unknown, for that table alone.
    unknown = with_outcome(report, Outcome.UNKNOWN)
    assert {check.table for check in unknown.values()} <= {table}
    assert all(".access." in key or key.endswith(".values") for key in unknown)


async def test_a_table_that_is_dropped_and_made_again_all_the_time_raises_nothing_unforeseen(project: Project) -> None:
    settings = project.settings()
    database = Database(settings)
    reader = CatalogueReader(database, settings, CONTRACT)

    async def churn() -> None:
        async with project.connect() as connection:
            for _ in range(50):
                await connection.execute(
                    "drop table strategy_locks;"
                    "create table strategy_locks (strategy_run_id uuid primary key references strategy_runs (id),"
                    " locked_until timestamptz not null, lock_owner text not null, updated_at timestamptz not null)"
                )

    task = asyncio.create_task(churn())
    try:
        while not task.done():
            try:
                async with database.connection() as connection:
                    observation = await reader.read(connection)
            except CatalogueChangingError:
                continue
            assert observation.table("strategy_locks").primary_key == ("strategy_run_id",)
        await task
    finally:
        await database.close()
