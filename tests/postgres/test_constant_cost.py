"""What a report reads of strategy_tick_runs does not grow with it. Rows and buffers are counted, for they are the same
on a machine that is busy; seconds are for `make bench`.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from app.contract.check import Outcome
from app.demo.database import LOGIN, OWNER
from app.demo.server import EmbeddedPostgres
from app.diagnostics import SchemaReport
from tests.databases import Project, new_project, outcome
from tests.mutations import POLICY
from tests.postgres.test_access import TICKS, access

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN

# A sample of 200, and another where policies are tried for a fix; then at most 24 rows by key for each caller, and for
# those who miss some, again. Far below what one look at a whole table would be.
MOST_ROWS = 800
# Each row by itself: a page of the table, and the way down an index to it.
MOST_BUFFERS = 2500
COUNTS = (0, 1_000, 200_000)

FILL = """
set session_replication_role = replica;
truncate strategy_tick_runs;
insert into strategy_tick_runs (strategy_run_id, user_id, scheduled_at, started_at, finished_at, status, latency_ms)
select run.id, run.user_id, tick.at, tick.at, tick.at, 'ok', 100
from (
  select number, now() - number * interval '1 second' as at from generate_series(1, {count}) as number
) as tick
join (
  select id, user_id, row_number() over (order by id) - 1 as number, count(*) over () as total from strategy_runs
) as run on run.number = tick.number % run.total;
"""
READ = """
select
  coalesce(sum(tables.seq_tup_read + tables.idx_tup_fetch), 0)::bigint as rows,
  coalesce(sum(pages.heap_blks_read + pages.heap_blks_hit + pages.idx_blks_read + pages.idx_blks_hit), 0)::bigint
    as buffers
from pg_stat_user_tables as tables
join pg_statio_user_tables as pages using (relid)
where tables.relid in (
  select 'strategy_tick_runs'::regclass union all
  select inhrelid from pg_inherits where inhparent = 'strategy_tick_runs'::regclass
)
"""
PARTITIONED = """
create table parted (like strategy_tick_runs including defaults including constraints)
  partition by range (scheduled_at);
create table parted_old partition of parted for values from (minvalue) to (now() - interval '1 hour');
create table parted_new partition of parted for values from (now() - interval '1 hour') to (maxvalue);
insert into parted select * from strategy_tick_runs;
drop table strategy_tick_runs;
alter table parted rename to strategy_tick_runs;
alter table strategy_tick_runs add primary key ({key});
alter table strategy_tick_runs add foreign key (strategy_run_id) references strategy_runs (id) on delete set null;
alter table strategy_tick_runs add foreign key (user_id) references user_profiles (id) on delete cascade;
alter table strategy_tick_runs enable row level security;
create policy "Users read their own ticks, admins all" on strategy_tick_runs for select to authenticated using (
  (select auth.uid()) = user_id
  or exists (select from user_profiles where id = (select auth.uid()) and role = 'admin')
);
grant select on strategy_tick_runs to authenticated;
grant all on strategy_tick_runs to service_role;
analyze strategy_tick_runs;
"""


@dataclass(frozen=True)
class Read:
    """What a report has read of the ticks."""

    report: SchemaReport
    rows: int
    buffers: int


async def counted(project: Project, **overrides: object) -> Read:
    """A session's counts are complete once it has ended."""
    async with project.connect() as connection:
        before = await connection.fetchrow(READ)
        report = await project.check(**overrides)
        deadline = time.monotonic() + 20
        query = "select count(*) from pg_stat_activity where usename = $1 and datname = current_database()"
        while await connection.fetchval(query, LOGIN) > 0:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        after = await connection.fetchrow(READ)
    assert before is not None
    assert after is not None
    return Read(report, after["rows"] - before["rows"], after["buffers"] - before["buffers"])


@pytest.fixture(scope="session")
def filled() -> set[tuple[int, str]]:
    """The templates that were made, by the port of their cluster."""
    return set()


@pytest.fixture(params=COUNTS)
def count(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
async def ticks(cluster: EmbeddedPostgres, filled: set[tuple[int, str]], count: int) -> AsyncIterator[Project]:
    """A documented database with that many ticks."""
    template = f"ticks_{count}"
    if (cluster.port, template) not in filled:
        connection = await asyncpg.connect(cluster.url())
        try:
            await connection.execute(f"create database {template} template documented owner {OWNER} strategy file_copy")
        finally:
            await connection.close()
        await Project(cluster, template).execute(FILL.format(count=count))
        await Project(cluster, template).execute("vacuum analyze")
        filled.add((cluster.port, template))
    async with new_project(cluster, template) as project:
        yield project


# name: (what is done, what access.owner, other, admin and anonymous come to when there are rows)
POLICIES = {
    "as documented": ("", (PASS, PASS, PASS, PASS)),
    "a leak that no index serves": (
        f"create policy leak on {TICKS} for select to authenticated using (status <> 'never');",
        (PASS, FAIL, PASS, PASS),
    ),
    "everybody locked out": (f"alter policy {POLICY} on {TICKS} using (false);", (FAIL, PASS, FAIL, PASS)),
    "owners locked out by what no index serves": (
        f"alter policy {POLICY} on {TICKS} using (latency_ms < 0);",
        (FAIL, PASS, FAIL, PASS),
    ),
    "row security off": (f"alter table {TICKS} disable row level security;", (PASS, FAIL, PASS, PASS)),
    "a function that takes five milliseconds for each row": (
        f"""create function slow(status text) returns boolean language plpgsql
          as $$ begin perform pg_sleep(0.005); return status = 'never'; end $$;
        create policy slow on {TICKS} for select to authenticated using (slow(status));""",
        (PASS, PASS, PASS, PASS),
    ),
    "a function that takes longer than anybody waits": (
        f"""create function endless(status text) returns boolean language plpgsql
          as $$ begin perform pg_sleep(30); return true; end $$;
        alter policy {POLICY} on {TICKS} using (endless(status));""",
        (UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),
    ),
}


@pytest.mark.parametrize("name", POLICIES)
async def test_a_report_reads_a_constant_number_of_ticks_whatever_the_policies(
    ticks: Project, count: int, name: str
) -> None:
    sql, expected = POLICIES[name]
    if sql:
        await ticks.execute(sql)
    read = await counted(ticks)
    assert read.rows <= MOST_ROWS
    assert read.buffers <= MOST_BUFFERS
    if count:
        assert read.rows >= 200  # So that it was really counted.
        assert tuple(access(read.report).values()) == expected


@pytest.mark.parametrize("count", [200_000])
@pytest.mark.parametrize("key", ["id, scheduled_at", "scheduled_at, id"])
async def test_on_a_partitioned_table_it_is_as_constant_if_the_partition_key_leads(ticks: Project, key: str) -> None:
    await ticks.execute(PARTITIONED.format(key=key))
    read = await counted(ticks)
    assert set(access(read.report).values()) == {PASS}
    assert 200 <= read.rows <= MOST_ROWS
    assert read.buffers <= MOST_BUFFERS


@pytest.mark.parametrize("count", [200_000])
async def test_statistics_that_are_missing_change_nothing(ticks: Project) -> None:
    await ticks.execute(FILL.format(count=200_000) + f"alter table {TICKS} set (autovacuum_enabled = off);")
    read = await counted(ticks)
    assert 200 <= read.rows <= MOST_ROWS
    assert read.buffers <= MOST_BUFFERS


@pytest.mark.parametrize("count", [200_000])
async def test_a_reading_role_that_policies_hide_everything_from_does_not_look_through_it_all(ticks: Project) -> None:
    """A sample of what a policy shows would be sought in every row."""
    read = await counted(ticks, database_role="authenticated")
    assert read.rows <= MOST_ROWS
    assert read.buffers <= MOST_BUFFERS
    assert outcome(read.report, "role.bypasses_row_security") is FAIL


@pytest.mark.parametrize("count", [1_000])
async def test_an_admin_who_cannot_be_found_in_time_costs_only_what_needs_one(ticks: Project) -> None:
    """Nothing tells where among the profiles an admin is: where there is none, all of them are looked at."""
    await ticks.execute("delete from user_profiles where role = 'admin'")
    await ticks.execute(
        """
        insert into user_profiles (display_name) select 'User ' || number from generate_series(1, 60) as number;
        alter table user_profiles rename to profiles;
        create function slow(role text) returns text language plpgsql
          as $$ begin perform pg_sleep(0.05); return role; end $$;
        create view user_profiles as select id, slow(role) as role from profiles;
        grant select on user_profiles to service_role;
        """
    )
    found = access((await counted(ticks)).report)
    assert (found["owner"], found["other"], found["admin"]) == (PASS, PASS, UNKNOWN)
