"""Databases that look wrong and are not."""

import pytest

from tests.databases import Project, failures, in_turn

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
        -- Every tick once more, by another id: whatever tells rows apart by less than their key takes two for one.
        insert into strategy_tick_runs (strategy_run_id, user_id, scheduled_at, started_at, status)
        select strategy_run_id, user_id, scheduled_at, started_at, status from strategy_tick_runs;
    """,
    "ticks partitioned twice, so that the key holds three columns": """
        create table ticks (like strategy_tick_runs including defaults including constraints)
          partition by range (scheduled_at);
        create table ticks_all partition of ticks default partition by hash (user_id);
        create table ticks_all_0 partition of ticks_all for values with (modulus 1, remainder 0);
        alter table ticks add primary key (scheduled_at, id, user_id);
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
        -- Every tick once more, by another id: whatever tells rows apart by less than their key takes two for one.
        insert into strategy_tick_runs (strategy_run_id, user_id, scheduled_at, started_at, status)
        select strategy_run_id, user_id, scheduled_at, started_at, status from strategy_tick_runs;
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


@pytest.mark.parametrize(("version", "name"), in_turn(ALIKE))
async def test_what_the_document_leaves_open_is_no_finding(project: Project, name: str) -> None:
    await project.execute(ALIKE[name])
    report = await project.check()
    assert failures(report) == {}
    assert report.conformant is True


async def test_the_runner_tables_may_lie_in_another_schema(project: Project) -> None:
    await project.execute("alter schema public rename to trading")
    assert failures(await project.check(database_schema="trading")) == {}


async def test_without_the_schema_every_table_is_missing_and_says_why(project: Project) -> None:
    report = await project.check(database_schema="trading")
    found = failures(report)
    assert all(key.endswith(".table") or key.startswith("migrations.") for key in found)
    assert found["strategy_runs.table"].message == "There is no schema trading in this database."
