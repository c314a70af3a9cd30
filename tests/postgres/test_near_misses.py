"""Databases that look right and are not."""

import pytest

from app.contract.check import Severity
from tests.databases import VERSIONS, Project, failures, in_turn

# Each looks documented at first sight; the keys are all that may fail, with what the message must say.
UNLIKE = {
    "a view in a table's place": (
        "alter table strategy_events rename to events; create view strategy_events as select * from events;",
        {"strategy_events.table": "a view"},
    ),
    "a materialized view in a table's place": (
        """
        alter table strategy_events rename to events;
        create materialized view strategy_events as select * from events;
        """,
        {"strategy_events.table": "a materialized view"},
    ),
    "a sequence in a table's place": (
        "alter table strategy_events rename to events; create sequence strategy_events;",
        {"strategy_events.table": "no such table"},
    ),
    "a foreign key to a namesake in another schema": (
        """
        create schema other;
        create table other.strategy_runs (id uuid primary key);
        alter table strategy_locks drop constraint strategy_locks_strategy_run_id_fkey;
        alter table strategy_locks add foreign key (strategy_run_id) references other.strategy_runs (id);
        """,
        {"strategy_locks.column.strategy_run_id.references": "references other.strategy_runs(id)"},
    ),
    "a foreign key to another column of the right table": (
        """
        alter table strategy_runs add column other uuid unique;
        alter table strategy_tick_runs drop constraint strategy_tick_runs_strategy_run_id_fkey;
        alter table strategy_tick_runs add foreign key (strategy_run_id) references strategy_runs (other) not valid;
        """,
        {"strategy_tick_runs.column.strategy_run_id.references": "references strategy_runs(other)"},
    ),
    "a foreign key to the legacy table": (
        """
        alter table strategy_tick_runs drop constraint strategy_tick_runs_strategy_run_id_fkey;
        alter table strategy_tick_runs add foreign key (strategy_run_id) references strategies (id) not valid;
        """,
        {"strategy_tick_runs.column.strategy_run_id.references": "references strategies(id)"},
    ),
    "a foreign key over two columns only": (
        """
        alter table strategy_tick_runs drop constraint strategy_tick_runs_strategy_run_id_fkey;
        alter table strategy_runs add unique (id, user_id);
        alter table strategy_tick_runs add foreign key (strategy_run_id, user_id) references
          strategy_runs (id, user_id);
        """,
        {"strategy_tick_runs.column.strategy_run_id.references": "has no foreign key"},
    ),
    "a foreign key whose triggers are disabled": (
        "alter table strategy_locks disable trigger all;",
        {"strategy_locks.column.strategy_run_id.references": "not enforced"},
    ),
    "a namesake with other case in place of the column": (
        'alter table strategy_runs rename column symbol to "Symbol";',
        {"strategy_runs.column.symbol.present": "no such column"},
    ),
    "an array of the documented type": (
        "alter table strategy_runs alter column symbol type text[] using array[symbol];",
        {"strategy_runs.column.symbol.type": "text[]"},
    ),
    "a type of the documented name in another schema": (
        """
        create type public.uuid as enum ('x');
        alter table strategy_tick_runs drop column finished_at, add column finished_at public.uuid;
        """,
        {"strategy_tick_runs.column.finished_at.type": "uuid"},
    ),
    "a domain that forbids null where null is documented": (
        """
        create domain always as timestamptz not null;
        update strategy_runs set last_signal_at = now();
        alter table strategy_runs alter column last_signal_at type always;
        """,
        {"strategy_runs.column.last_signal_at.nullability": "NOT NULL"},
    ),
    "a primary key that holds one column more": (
        """
        alter table strategy_locks drop constraint strategy_locks_pkey, add primary key (strategy_run_id, lock_owner);
        """,
        {"strategy_locks.primary_key": "strategy_run_id, lock_owner"},
    ),
    "a unique index where a primary key is documented": (
        """
        alter table strategy_locks drop constraint strategy_locks_pkey;
        alter table strategy_locks add unique (strategy_run_id), alter column strategy_run_id set not null;
        """,
        {"strategy_locks.primary_key": "no primary key"},
    ),
    "an index on some rows only": (
        """
        drop index strategy_tick_runs_scheduled_at;
        create index on strategy_tick_runs (scheduled_at) where status = 'ok';
        """,
        {"strategy_tick_runs.indexes": "no such index"},
    ),
    "an index on an expression": (
        """
        drop index strategy_tick_runs_scheduled_at;
        create index on strategy_tick_runs ((scheduled_at at time zone 'utc'));
        """,
        {"strategy_tick_runs.indexes": "no such index"},
    ),
    "an index that only ends in the column": (
        "drop index strategy_tick_runs_scheduled_at; create index on strategy_tick_runs (user_id, scheduled_at);",
        {"strategy_tick_runs.indexes": "no such index"},
    ),
    "an index of a kind that cannot order": (
        "drop index strategy_tick_runs_scheduled_at; create index on strategy_tick_runs using brin (scheduled_at);",
        {"strategy_tick_runs.indexes": "no such index"},
    ),
    "an index whose building failed": (
        "update pg_index set indisvalid = false where indexrelid = 'strategy_tick_runs_scheduled_at'::regclass;",
        {"strategy_tick_runs.indexes": "only the invalid strategy_tick_runs_scheduled_at"},
    ),
    "a grant on all columns but one": (
        """
        revoke select on strategy_locks from service_role;
        grant select (strategy_run_id, locked_until, lock_owner) on strategy_locks to service_role;
        """,
        {"role.privileges.strategy_locks": "lacks SELECT"},
    ),
}


@pytest.mark.parametrize(("version", "name"), in_turn(UNLIKE))
async def test_what_only_looks_documented_is_found(project: Project, name: str) -> None:
    sql, expected = UNLIKE[name]
    await project.execute(sql)
    found = failures(await project.check())
    assert found.keys() == expected.keys()
    for key, actual in expected.items():
        assert actual in str(found[key].actual)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_foreign_key_that_is_only_not_valid_is_a_warning(project: Project) -> None:
    await project.execute(
        """
        alter table strategy_tick_runs drop constraint strategy_tick_runs_strategy_run_id_fkey;
        alter table strategy_tick_runs add foreign key (strategy_run_id) references strategy_runs (id) not valid;
        """
    )
    report = await project.check()
    (check,) = failures(report).values()
    assert check.key == "strategy_tick_runs.column.strategy_run_id.references"
    assert check.severity is Severity.WARNING
    assert report.conformant is True
    assert report.summary.warning == 1


async def test_a_not_null_that_is_not_valid_is_a_warning(project: Project) -> None:
    """Since Postgres 18."""
    await project.execute(
        """
        alter table strategy_locks alter column lock_owner drop not null;
        alter table strategy_locks add constraint owned not null lock_owner not valid;
        """
    )
    (check,) = failures(await project.check()).values()
    assert (check.key, check.severity) == ("strategy_locks.column.lock_owner.nullability", Severity.WARNING)
    assert check.actual == "NOT NULL NOT VALID"


async def test_a_foreign_key_that_is_not_enforced_is_an_error(project: Project) -> None:
    """Since Postgres 18."""
    await project.execute(
        """
        alter table strategy_locks drop constraint strategy_locks_strategy_run_id_fkey;
        alter table strategy_locks add foreign key (strategy_run_id) references strategy_runs (id) not enforced;
        """
    )
    (check,) = failures(await project.check()).values()
    assert (check.key, check.severity) == ("strategy_locks.column.strategy_run_id.references", Severity.ERROR)


async def test_the_message_says_what_is_there_and_what_is_expected(project: Project) -> None:
    await project.execute(UNLIKE["a foreign key to the legacy table"][0])
    (check,) = failures(await project.check()).values()
    assert check.message == (
        "strategy_tick_runs.strategy_run_id references strategies(id); the runner expects strategy_runs(id)."
    )
    assert check.hint is not None
    assert "20260129170000_unify_runner_strategy_runs.sql" in check.hint


ORPHAN = """
insert into strategy_locks (strategy_run_id, locked_until, lock_owner)
values ('99999999-0000-4000-8000-000000000000', now(), 'nobody');
"""
PARTITIONED_LOCKS = """
create table locks (like strategy_locks including defaults) partition by hash (strategy_run_id);
create table locks_0 partition of locks for values with (modulus 1, remainder 0);
alter table locks add primary key (strategy_run_id);
alter table locks add foreign key (strategy_run_id) references strategy_runs (id);
drop table strategy_locks;
alter table locks rename to strategy_locks;
grant select, insert, update, delete on strategy_locks to service_role;
"""
REPLICA_ONLY = """
do $$ declare name text; begin
  for name in select tgname from pg_trigger where tgrelid = 'strategy_locks'::regclass and tgisinternal loop
    execute format('alter table strategy_locks enable replica trigger %I', name);
  end loop;
end $$;
"""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "sql",
    [
        "alter table strategy_locks disable trigger all;",
        REPLICA_ONLY,
        PARTITIONED_LOCKS + "alter table locks_0 disable trigger all;",
    ],
    ids=["disabled", "fired only while replicating", "disabled on a partition"],
)
async def test_a_foreign_key_that_lets_an_orphan_in_is_not_enforced(project: Project, sql: str) -> None:
    """Whatever the catalogue says of the key itself: the row is really inserted."""
    await project.execute(sql + ORPHAN)
    found = failures(await project.check())
    assert found.keys() == {"strategy_locks.column.strategy_run_id.references"}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_primary_key_that_no_partition_enforces_is_none(project: Project) -> None:
    await project.execute(
        PARTITIONED_LOCKS
        + """
        alter table strategy_locks drop constraint locks_pkey;
        alter table only strategy_locks add primary key (strategy_run_id);
        insert into strategy_locks (strategy_run_id, locked_until, lock_owner)
        select id, now(), 'twice' from strategy_runs, generate_series(1, 2);
        """
    )
    found = failures(await project.check())
    assert found.keys() == {"strategy_locks.primary_key"}
