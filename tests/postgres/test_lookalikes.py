"""Databases that look wrong and are not, and some that look right and are not."""

import pytest

from app.contract.check import Severity
from tests.databases import VERSIONS, Project, failures

# Each must pass every check: what the document leaves open is never a finding.
ALIKE = {
    "another column order, and columns dropped and added again": """
        alter table strategy_runs drop column last_run_at, drop column last_signal_at, drop column leverage;
        alter table strategy_runs add column last_signal_at timestamptz, add column leverage int4,
          add column last_run_at timestamptz;
    """,
    "further columns, also with awkward names": """
        alter table strategy_tick_runs add column "Status" text, add column "strategy_id " uuid,
          add column "a""b.c$$d" text not null default '';
    """,
    "other names of constraints and indexes": """
        alter table strategy_tick_runs rename constraint strategy_tick_runs_pkey to "PK; drop table x";
        alter table strategy_tick_runs rename constraint strategy_tick_runs_strategy_run_id_fkey to fk;
        alter index strategy_tick_runs_scheduled_at rename to "an ""odd"" name";
    """,
    "a second, wrong foreign key beside the right one": """
        alter table strategy_tick_runs add constraint wrong foreign key (strategy_run_id) references strategies (id)
          not valid;
    """,
    "a foreign key over two columns beside the right one": """
        alter table strategy_runs add unique (id, user_id);
        alter table strategy_tick_runs add foreign key (strategy_run_id, user_id) references
          strategy_runs (id, user_id);
    """,
    "domains over the documented types, one over another": """
        create domain run_id as uuid;
        create domain tick_run_id as run_id check (value is not null or true);
        create domain "A ""Moment"" " as timestamptz(3) not null;
        alter table strategy_locks alter column locked_until type "A ""Moment"" ";
        alter table strategy_locks alter column locked_until drop not null;
        alter table strategy_locks alter column strategy_run_id type tick_run_id;
    """,
    "another precision": """
        alter table strategy_runs alter column order_size_pct type numeric(20, 10);
        alter table strategy_locks alter column updated_at type timestamptz(0);
    """,
    "other nullability where none is documented, and defaults": """
        alter table strategy_tick_runs alter column meta drop not null, alter column latency_ms set default 0;
        alter table strategy_runs alter column user_id drop not null, alter column symbol set default 'x';
    """,
    "another ON DELETE": """
        alter table strategy_tick_runs drop constraint strategy_tick_runs_strategy_run_id_fkey,
          add foreign key (strategy_run_id) references strategy_runs (id) on delete restrict deferrable;
    """,
    "an ascending index that goes on, instead of the descending one": """
        drop index strategy_tick_runs_scheduled_at;
        create index on strategy_tick_runs (scheduled_at, strategy_run_id) include (status);
    """,
    "namesakes in a schema that comes first in everyone's search_path": """
        create schema aaa;
        create table aaa.strategy_runs (x int);
        create view aaa.strategy_tick_runs as select 1 as strategy_id;
        create table aaa.strategy_locks (strategy_id uuid primary key);
        create function aaa.equal(name, name) returns boolean language sql as 'select false';
        create operator aaa.= (function = aaa.equal, leftarg = name, rightarg = name);
        grant usage on schema aaa to public;
        do $$ begin
          execute format('alter database %I set search_path = aaa, public, pg_catalog', current_database());
        end $$;
    """,
    "namesakes with other case": """
        create table "Strategy_Runs" (x int);
        create table "STRATEGY_LOCKS" (strategy_id uuid);
    """,
    "ticks partitioned by time, whose key holds the partition key": """
        create table ticks (like strategy_tick_runs including defaults including constraints)
          partition by range (scheduled_at);
        create table ticks_all partition of ticks default;
        alter table ticks add primary key (scheduled_at, id);
        alter table ticks add foreign key (strategy_run_id) references strategy_runs (id),
          add foreign key (user_id) references user_profiles (id);
        create index on ticks (scheduled_at);
        alter table ticks enable row level security;
        create policy everything on ticks
          using (user_id = auth.uid() or auth.jwt() #>> '{app_metadata,role}' = 'admin');
        grant select on ticks to authenticated;
        insert into ticks select * from strategy_tick_runs;
        drop table strategy_tick_runs;
        alter table ticks rename to strategy_tick_runs;
        grant select, insert on strategy_tick_runs to service_role;
    """,
    "runs partitioned, so that each foreign key on them has copies": """
        create table runs (like strategy_runs including defaults including constraints) partition by hash (id);
        create table runs_0 partition of runs for values with (modulus 2, remainder 0);
        create table runs_1 partition of runs for values with (modulus 2, remainder 1);
        alter table runs add primary key (id);
        alter table runs add foreign key (user_id) references user_profiles (id),
          add foreign key (exchange_connection_id) references user_exchange_connections (id);
        insert into runs select * from strategy_runs;
        alter table strategy_events drop constraint strategy_events_strategy_run_id_fkey;
        alter table strategy_tick_runs drop constraint strategy_tick_runs_strategy_run_id_fkey;
        alter table strategy_locks drop constraint strategy_locks_strategy_run_id_fkey;
        drop table strategy_runs;
        alter table runs rename to strategy_runs;
        grant select, update on strategy_runs to service_role;
        alter table strategy_tick_runs add foreign key (strategy_run_id) references strategy_runs (id);
        alter table strategy_locks add foreign key (strategy_run_id) references strategy_runs (id);
    """,
    "a further column of a domain that refuses null": """
        create domain always as text not null check (value <> '');
        alter table strategy_runs add column label always default 'x';
        alter table strategy_tick_runs add column label always default 'x';
    """,
    "a table that is itself a partition": """
        create table all_locks (like strategy_locks) partition by list (strategy_run_id);
        alter table all_locks add foreign key (strategy_run_id) references strategy_runs (id);
        alter table strategy_locks drop constraint strategy_locks_strategy_run_id_fkey;
        alter table all_locks attach partition strategy_locks default;
    """,
    "grants on every column instead of on the table": """
        revoke all on strategy_runs from service_role;
        do $$ declare names text; begin
          select string_agg(quote_ident(attname), ', ') into names from pg_attribute
          where attrelid = 'strategy_runs'::regclass and attnum > 0 and not attisdropped;
          execute format('grant select (%1$s), update (%1$s) on strategy_runs to service_role', names);
        end $$;
    """,
    "no rows at all": "truncate strategy_runs, strategy_tick_runs, strategy_events, strategies cascade;",
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ALIKE)
async def test_what_the_document_leaves_open_is_no_finding(project: Project, name: str) -> None:
    await project.execute(ALIKE[name])
    report = await project.check()
    assert failures(report) == {}
    assert report.conformant is True


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


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", UNLIKE)
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


async def test_the_runner_tables_may_lie_in_another_schema(project: Project) -> None:
    await project.execute("alter schema public rename to trading")
    assert failures(await project.check(database_schema="trading")) == {}


async def test_without_the_schema_every_table_is_missing_and_says_why(project: Project) -> None:
    report = await project.check(database_schema="trading")
    found = failures(report)
    assert all(key.endswith(".table") or key.startswith("migrations.") for key in found)
    assert found["strategy_runs.table"].message == "There is no schema trading in this database."
