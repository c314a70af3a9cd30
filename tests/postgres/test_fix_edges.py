"""What a fix must not do, each on a database where it would do harm."""

import pytest

from app.contract.check import Outcome
from app.contract.fix.model import HazardKind, Statement
from app.demo.scripts import script
from app.diagnostics import SchemaReport
from tests.databases import Project, failures, outcome
from tests.mutations import POLICY
from tests.proof import prove

TICKS = "strategy_tick_runs"
OWN = "(select auth.uid()) = user_id"
INSERT = f"""
insert into {TICKS} (strategy_run_id, user_id, scheduled_at, started_at, status)
select id, user_id, now(), now(), 'ok' from strategy_runs limit 1
"""


def statements(report: SchemaReport, part: int = 1) -> list[Statement]:
    found = report.fix.part(part)
    return list(found.statements) if found is not None else []


def mending(report: SchemaReport, key: str) -> Statement:
    return next(one for number in (1, 2) for one in statements(report, number) if key in one.mends)


def kinds(statement: Statement) -> set[HazardKind]:
    return {hazard.kind for hazard in statement.hazards}


def all_sql(report: SchemaReport) -> str:
    return "\n".join(one.sql for number in (1, 2) for one in statements(report, number))


async def test_a_grant_that_would_open_a_leak_is_a_decision(project: Project) -> None:
    await project.execute(
        f"revoke select on {TICKS} from authenticated; create policy all_in on {TICKS} for select using (true)"
    )
    report = await project.check()
    assert f"{TICKS}.access.owner" in report.fix.leaves
    assert "grant select" not in all_sql(report)
    await project.apply(report)
    assert outcome(await project.check(), f"{TICKS}.access.other") is Outcome.PASS


async def test_one_grant_lets_owners_and_admins_in(project: Project) -> None:
    await project.execute(f"revoke select on {TICKS} from authenticated")
    report = await project.check()
    assert all_sql(report).count("grant select") == 1
    assert {f"{TICKS}.access.owner", f"{TICKS}.access.admin"} <= report.fix.mends
    await project.apply(report)
    assert failures(await project.check()).keys() == set()


async def test_a_policy_that_would_go_in_circles_is_not_made(project: Project) -> None:
    """The profiles' own policy reads the ticks: an admin policy of the ticks that reads profiles would never end."""
    await project.execute(
        f"""
        drop policy {POLICY} on {TICKS};
        create policy owners on {TICKS} for select to authenticated using ({OWN});
        create policy active on user_profiles for select to authenticated
          using (exists (select from {TICKS} as tick where tick.user_id = user_profiles.id));
        """
    )
    report = await project.check()
    assert outcome(report, f"{TICKS}.access.owner") is Outcome.PASS
    await project.apply(report)
    after = await project.check()
    assert outcome(after, f"{TICKS}.access.owner") is Outcome.PASS
    assert f"{TICKS}.access.admin" not in failures(after) or f"{TICKS}.access.admin" in report.fix.leaves


async def test_where_profiles_are_hidden_from_admins_the_claim_makes_them(project: Project) -> None:
    await project.execute(
        f"""
        drop policy {POLICY} on {TICKS};
        create policy owners on {TICKS} for select to authenticated using ({OWN});
        create policy nobody on user_profiles as restrictive for select to authenticated using (false);
        """
    )
    report = await project.check()
    assert "auth.jwt()" in mending(report, f"{TICKS}.access.admin").sql
    await project.apply(report)
    assert failures(await project.check()).keys() == set()


async def test_what_the_old_key_required_the_runner_need_not_write(project: Project) -> None:
    await project.execute(
        f"""
        alter table {TICKS} drop constraint strategy_tick_runs_pkey;
        alter table {TICKS} add column number bigint;
        update {TICKS} set number = ordinal from (
          select id as tick, row_number() over () as ordinal from {TICKS}
        ) as numbered where tick = id;
        alter table {TICKS} add primary key (number);
        """
    )
    report = await project.check()
    assert HazardKind.DROPS_RULE in kinds(mending(report, f"{TICKS}.primary_key"))
    await project.apply(report)
    assert failures(await project.check()).keys() == set()
    await project.execute(INSERT)


async def test_a_check_that_would_refuse_what_the_runner_writes_goes_with_its_column(project: Project) -> None:
    await project.execute(
        f"""
        alter table {TICKS} add column strategy_id uuid, add column other text;
        update {TICKS} set strategy_id = gen_random_uuid();
        alter table {TICKS} add constraint known check (strategy_id is not null);
        alter table {TICKS} add constraint either check (strategy_id is not null or other is not null or status = 'ok');
        """
    )
    report = await project.check()
    key = f"{TICKS}.column.strategy_id.absent"
    statement = mending(report, key)
    messages = " ".join(hazard.message for hazard in statement.hazards)
    assert '"known"' in messages
    assert '"either"' in messages
    await project.apply(report)
    assert failures(await project.check()).keys() == set()
    await project.execute(INSERT)


async def test_row_security_is_not_enabled_over_a_reader_that_does_not_bypass_it(project: Project) -> None:
    await project.execute(f"alter table {TICKS} disable row level security")
    reader = "plain_reader"
    await project.execute(
        f"""
        create role {reader} nologin; grant {reader} to runner_diagnostics;
        grant usage on schema public to {reader}; grant select on all tables in schema public to {reader};
        """
    )
    try:
        report = await project.check(database_role=reader)
        assert "role.bypasses_row_security" in failures(report)
        assert f"{TICKS}.row_security" in report.fix.leaves
        assert "enable row level security" not in all_sql(report)
    finally:
        await project.execute(f"drop owned by {reader}; drop role {reader}")


async def test_with_orphans_no_foreign_key_is_added(project: Project) -> None:
    await project.execute(
        f"""
        do $$ declare name text; begin
          for name in select conname from pg_constraint where conrelid = '{TICKS}'::regclass and contype = 'f' loop
            execute format('alter table {TICKS} drop constraint %I', name);
          end loop;
        end $$;
        update {TICKS} set strategy_run_id = gen_random_uuid() where id = (select id from {TICKS} limit 1);
        """
    )
    report = await project.check()
    key = f"{TICKS}.column.strategy_run_id.references"
    assert key in report.fix.leaves
    assert 'foreign key ("strategy_run_id")' not in all_sql(report)


async def test_old_rows_are_read_before_anything_is_locked_and_locks_come_last_in_the_second_part(
    project: Project,
) -> None:
    await project.execute(
        f"""
        alter table {TICKS} alter column user_id drop not null, alter column scheduled_at drop not null;
        alter table {TICKS} drop constraint strategy_tick_runs_status_check;
        alter table {TICKS} add constraint narrow check (status in ('ok', 'skipped')) not valid;
        """
    )
    report = await project.check()
    assert "select from" in statements(report)[0].sql
    assert all("as old where" not in one.sql for one in statements(report)[1:])
    shapes = ["validate" if "validate constraint" in one.sql else "set" for one in statements(report, 2)]
    assert shapes == sorted(shapes, reverse=True)
    assert {"validate", "set"} == set(shapes)
    await project.apply(report)
    assert failures(await project.check()).keys() == set()


async def test_a_fix_planned_anew_between_its_parts_takes_up_what_the_first_part_has_added(project: Project) -> None:
    await project.execute(
        f"""
        alter table {TICKS} alter column scheduled_at drop not null;
        alter table {TICKS} drop constraint strategy_tick_runs_status_check;
        alter table {TICKS} add constraint narrow check (status in ('ok', 'skipped')) not valid;
        """
    )
    await project.apply(await project.check(), 1)
    await project.apply(await project.check())
    assert failures(await project.check()).keys() == set()
    async with project.connect() as connection:
        left = await connection.fetch(
            "select conname, convalidated from pg_constraint"
            " where conrelid = $1::regclass and conname like '%runner_fix%'",
            TICKS,
        )
    assert [(row["conname"], row["convalidated"]) for row in left] == [(f"{TICKS}_status_runner_fix_check", True)]


@pytest.mark.parametrize(
    "index",
    [
        "create unique index ready on {} (id desc)",
        "create unique index ready on {} ((id::text))",
        "create unique index ready on {} (id) where status = 'ok'",
        "create unique index ready on {} (id) include (status)",
    ],
)
async def test_an_index_that_cannot_be_the_key_is_not_taken_for_it(project: Project, index: str) -> None:
    await project.execute(f"alter table {TICKS} drop constraint strategy_tick_runs_pkey; {index.format(TICKS)}")
    await project.apply(await project.check())
    assert failures(await project.check()).keys() == set()


async def test_a_unique_index_that_is_there_becomes_the_key(project: Project) -> None:
    await project.execute(
        f"alter table {TICKS} drop constraint strategy_tick_runs_pkey; create unique index ready on {TICKS} (id)"
    )
    await project.apply(await project.check())
    async with project.connect() as connection:
        named = await connection.fetchval(
            "select class.relname from pg_index join pg_class as class on class.oid = indexrelid"
            " where indrelid = $1::regclass and indisprimary",
            TICKS,
        )
        indexes = await connection.fetchval(
            "select count(*) from pg_index where indrelid = $1::regclass and indkey::text = '1'", TICKS
        )
    # The index goes by the name of the constraint that took it; a second one was not built.
    assert named is not None
    assert indexes == 1


@pytest.mark.parametrize(
    "hanging",
    [
        "alter table {} add column twice numeric generated always as (latency_ms * 2) stored",
        "create publication told for table {} where (latency_ms > 0)",
    ],
)
async def test_a_type_that_something_hangs_on_is_a_decision(project: Project, hanging: str) -> None:
    await project.execute(f"alter table {TICKS} alter column latency_ms type smallint; {hanging.format(TICKS)}")
    report = await project.check()
    assert f"{TICKS}.column.latency_ms.type" in report.fix.leaves
    await project.apply(report)


async def test_callers_of_the_api_are_granted_nothing_that_the_service_lacks(project: Project) -> None:
    report = await project.check(database_role="anon")
    assert "grant" not in all_sql(report)
    assert any("DATABASE_ROLE" in decision.why for decision in report.fix.decisions)


async def test_every_grant_says_that_it_changes_access(project: Project) -> None:
    await project.execute("revoke update on strategy_runs from service_role")
    report = await project.check()
    assert kinds(mending(report, "role.privileges.strategy_runs")) == {HazardKind.CHANGES_ACCESS}


async def test_what_public_may_do_is_taken_back_from_public(project: Project) -> None:
    await project.execute(
        f"grant select on {TICKS} to public; create policy open on {TICKS} for select to public using (true)"
    )
    report = await project.check()
    decision = next(one for one in report.fix.decisions if f"{TICKS}.access.anonymous" in one.leaves)
    assert 'from public, "anon"' in (decision.proposal or "")


@pytest.mark.parametrize("template", ["two_migrations"])
async def test_what_stays_with_a_table_that_is_set_aside_is_named(project: Project) -> None:
    await project.execute(
        """
        create index by_owner on strategy_locks (lock_owner);
        create rule watch as on delete to strategy_locks do also notify watched;
        create publication told for table strategy_locks;
        """
    )
    report = await project.check()
    messages = " ".join(hazard.message for one in statements(report) for hazard in one.hazards)
    assert "index by_owner, publication told, rule watch" in messages


@pytest.mark.parametrize("table", ["strategy_risk_state", "strategy_events"])
async def test_a_migration_whose_table_no_fix_makes_is_to_be_applied_and_never_only_marked(
    project: Project, table: str
) -> None:
    await project.execute(
        f"drop table {table} cascade;delete from supabase_migrations.schema_migrations where version < '20260129170000'"
    )
    report = await project.check()
    assert f"{table}.table" in report.fix.leaves
    said = [hazard.message for hazard in report.fix.hazards if f"this fix does not bring {table}" in hazard.message]
    assert len(said) == 1
    assert "mark" not in said[0]


@pytest.mark.parametrize("rows", ["truncate strategy_locks;", ""])
async def test_a_time_that_the_runner_never_writes_is_supplied_to_its_rows(project: Project, rows: str) -> None:
    """Its insert names a run, an end and an owner: a column required of it without a default would stop it."""
    await project.execute(f"alter table strategy_locks drop column updated_at; {rows}")
    report = await project.check()
    assert "strategy_locks.column.updated_at.present" in report.fix.mends
    await project.apply(report)
    async with project.connect() as connection:
        run = await connection.fetchval(
            "select id from strategy_runs where id not in (select strategy_run_id from strategy_locks) limit 1"
        )
        assert await connection.fetchval(script("sql", "runner_lock.sql"), run, "a runner") == run
        written = "select updated_at is not null from strategy_locks where strategy_run_id = $1"
        assert await connection.fetchval(written, run) is True


@pytest.mark.parametrize("granted", ["update (id)", "update (id, display_name)", "update (id, role)"])
async def test_what_is_proposed_against_promotion_leaves_no_id_to_be_changed(project: Project, granted: str) -> None:
    """An admin's profile could be made one's own by its id."""
    await project.execute(
        f"""
        grant {granted} on user_profiles to authenticated;
        create policy changed on user_profiles for update to authenticated using (true) with check (true);
        """
    )
    key = "user_profiles.access.promote"
    report = await project.check()
    assert outcome(report, key) is Outcome.FAIL
    (decision,) = (one for one in report.fix.decisions if key in one.leaves)
    assert decision.proposal is not None
    await project.execute(decision.proposal)
    assert outcome(await project.check(), key) is Outcome.PASS


async def test_row_security_that_would_shut_out_owners_says_so(project: Project) -> None:
    """They read everything while it is off, and a restrictive policy, which no other can outweigh, waits for it."""
    await project.execute(
        "alter table strategy_tick_runs disable row level security;"
        "create policy r on strategy_tick_runs as restrictive for select to authenticated using (false)"
    )
    before, after = await prove(project)
    assert "strategy_tick_runs.access.owner" in before.fix.leaves
    [enabling] = [one for one in before.fix.parts[0].statements if "strategy_tick_runs.row_security" in one.mends]
    assert any("Shuts out owners" in hazard.message for hazard in enabling.hazards)
    assert "strategy_tick_runs.access.owner" in failures(after)
