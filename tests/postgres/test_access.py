"""Policies judged by what callers really see, whatever the policies say."""

import asyncio
import re
import time

import pytest

from app.contract.check import Outcome, Severity
from app.demo.database import LOGIN
from app.diagnostics import Diagnostics, SchemaReport
from app.postgres.pool import Database
from tests.databases import Project, in_turn, outcome
from tests.mutations import CONTRACT, POLICY

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN
TICKS = "strategy_tick_runs"
DROP = f"drop policy {POLICY} on {TICKS};"
ADMIN = "exists (select from user_profiles p where p.id = auth.uid() and p.role = 'admin')"

# name: (what is done to the documented database, what owner, other, admin and anonymous come to)
SCENARIOS = {
    "auth.uid() bare": (f"alter policy {POLICY} on {TICKS} using (auth.uid() = user_id or {ADMIN});", "pppp"),
    "a policy for ALL": (f"{DROP} create policy p on {TICKS} using (auth.uid() = user_id or {ADMIN});", "pppp"),
    "one policy for owners and one for admins": (
        f"""{DROP} create policy o on {TICKS} for select to authenticated using (auth.uid() = user_id);
        create policy a on {TICKS} for select to public using ({ADMIN});""",
        "pppp",
    ),
    "claims instead of profiles": (
        f"""{DROP} create policy p on {TICKS} for select to authenticated using (
          user_id = (auth.jwt() ->> 'sub')::uuid
          or (auth.jwt() -> 'app_metadata' ->> 'role') = 'admin' and auth.jwt() ->> 'aud' = 'authenticated');""",
        "pppp",
    ),
    "a function that looks up the profile past row security": (
        f"""create function is_admin() returns boolean language sql stable security definer set search_path = ''
          as $$ select exists (select from public.user_profiles where id = auth.uid() and role = 'admin') $$;
        {DROP} create policy p on {TICKS} for select to authenticated using (auth.uid() = user_id or is_admin());""",
        "pppp",
    ),
    "row security forced on the owner, too": (f"alter table {TICKS} force row level security;", "pppp"),
    "a restrictive policy that changes nothing": (
        f"create policy r on {TICKS} as restrictive for select using (status is not null);",
        "pppp",
    ),
    "a restrictive policy that shuts everyone out": (
        f"create policy r on {TICKS} as restrictive for select to authenticated using (false);",
        "fpfp",
    ),
    "a restrictive policy alone": (
        f"{DROP} create policy r on {TICKS} as restrictive for select using (true);",
        "fpfp",
    ),
    "USING (true) beside the good one": (
        f"create policy leak on {TICKS} for select to authenticated using (true);",
        "pfpp",
    ),
    "a leak of some rows": (
        f"create policy leak on {TICKS} for select to authenticated using (status = 'ok');",
        "pfpp",
    ),
    "a leak to users that have a profile": (
        f"""create policy leak on {TICKS} for select to authenticated using
        (exists (select from user_profiles p where p.id = auth.uid()));""",
        "pfpp",
    ),
    "a leak to users that have none": (
        f"""create policy leak on {TICKS} for select to authenticated using
        (not exists (select from user_profiles p where p.id = auth.uid()));""",
        "pfpp",
    ),
    "a hole for callers without claims": (
        f"grant select on {TICKS} to anon; create policy hole on {TICKS} for select using (auth.uid() is null);",
        "pppf",
    ),
    "anonymous visitors with a grant and no policy": (f"grant select on {TICKS} to anon;", "pppp"),
    "admins only": (f"alter policy {POLICY} on {TICKS} using ({ADMIN});", "fppp"),
    "owners only": (f"alter policy {POLICY} on {TICKS} using (auth.uid() = user_id);", "ppfp"),
    "profiles that nobody may read": ("revoke select on user_profiles from authenticated;", "fufp"),
    "profiles whose policy hides admins from themselves": (
        'drop policy "Users read their own profile" on user_profiles;',
        "ppfp",
    ),
    "row security off": (f"alter table {TICKS} disable row level security;", "pfpp"),
    "row security off, and anonymous visitors with a grant": (
        f"alter table {TICKS} disable row level security; grant select on {TICKS} to anon;",
        "pfpf",
    ),
    "no grant on the table": (f"revoke select on {TICKS} from authenticated;", "fpfp"),
    "a policy that raises": (
        f"create policy broken on {TICKS} for select to authenticated using (1 / (length(status) * 0) = 1);",
        "fufp",
    ),
    "a policy that recurses": (
        f"""create policy again on {TICKS} for select to authenticated using (
          exists (select from {TICKS} t where t.user_id = auth.uid()));""",
        "fufp",
    ),
    "profiles whose policy recurses": (
        """create policy again on user_profiles for select to authenticated using (
          exists (select from user_profiles p where p.id = auth.uid() and p.role = 'admin'));""",
        "fufp",
    ),
    "a policy for another command": (
        f"{DROP} create policy p on {TICKS} for insert to authenticated with check (true);",
        "fpfp",
    ),
    "a policy for another role": (
        f"{DROP} create policy p on {TICKS} for select to service_role using (true);",
        "fpfp",
    ),
    "columns that anonymous visitors may read, though not the key": (
        f"""grant select (user_id, reason) on {TICKS} to anon;
        create policy open on {TICKS} for select to anon using (true);""",
        "pppf",
    ),
    "columns that anonymous visitors may read, and no policy for them": (
        f"grant select (user_id, reason) on {TICKS} to anon;",
        "pppp",
    ),
    "columns that users may read, though not the key": (
        f"""revoke select on {TICKS} from authenticated;
        grant select (user_id, reason, scheduled_at) on {TICKS} to authenticated;""",
        "pppp",
    ),
    "columns that users may read, and a leak": (
        f"""revoke select on {TICKS} from authenticated;
        grant select (user_id, reason, scheduled_at) on {TICKS} to authenticated;
        create policy leak on {TICKS} for select to authenticated using (true);""",
        "pfpp",
    ),
    "a schema that anonymous visitors may not look into": (
        f"""grant select on {TICKS} to anon; revoke usage on schema public from public, anon;
        create policy open on {TICKS} for select to anon using (true);""",
        "pppp",
    ),
    "a leak of rows that are rare, or not there yet": (
        f"create policy leak on {TICKS} for select to authenticated using (status = 'error');",
        "pfpp",
    ),
    "a leak of one's rows to whoever has none of that kind": (
        f"create policy leak on {TICKS} for select to authenticated using (signal is null and status = 'skipped');",
        "pfpp",
    ),
    "owners who see the rows alone that went well": (
        f"alter policy {POLICY} on {TICKS} using ((auth.uid() = user_id and status = 'ok') or {ADMIN});",
        "fppp",
    ),
    "owners who see all but what is rare": (
        f"alter policy {POLICY} on {TICKS} using ((auth.uid() = user_id and status <> 'blocked') or {ADMIN});",
        "fppp",
    ),
    "admins who see all but what is rare": (
        f"alter policy {POLICY} on {TICKS} using (auth.uid() = user_id or ({ADMIN} and status <> 'error'));",
        "ppfp",
    ),
    "a rule on all the row": (
        f"""create function shown(t {TICKS}) returns boolean language sql stable
          as $$ select t.user_id = auth.uid() $$;
        alter policy {POLICY} on {TICKS} using (shown({TICKS}) or {ADMIN});""",
        "pppp",
    ),
    "a second factor for everyone": (
        f"""create policy mfa on {TICKS} as restrictive for select to authenticated
          using ((auth.jwt() ->> 'aal') = 'aal2');""",
        "pppp",
    ),
    "a leak that a second factor hides from those without": (
        f"""create policy mfa on {TICKS} as restrictive for select to authenticated
          using ((auth.jwt() ->> 'aal') = 'aal2');
        create policy leak on {TICKS} for select to authenticated using (true);""",
        "pfpp",
    ),
    "ticks as visible as the runs they belong to": (
        f"""alter policy {POLICY} on {TICKS} using (
          exists (select from strategy_runs r where r.id = strategy_run_id and r.user_id = auth.uid()) or {ADMIN});""",
        "pppp",
    ),
    "a policy for a role that authenticated is a member of": (
        f"""create policy leak on {TICKS} for select to pg_read_all_stats using (true);""",
        "pppp",
    ),
}
# Where what is seen of a row hangs on more than could be made up for one.
ON_NO_ROW = {"a rule on all the row": "pupp"}
LETTERS = {"p": PASS, "f": FAIL, "u": UNKNOWN}


def access(report: SchemaReport) -> dict[str, Outcome]:
    return {who: outcome(report, f"{TICKS}.access.{who}") for who in ("owner", "other", "admin", "anonymous")}


def expected(letters: str) -> dict[str, Outcome]:
    return dict(zip(("owner", "other", "admin", "anonymous"), (LETTERS[letter] for letter in letters), strict=True))


@pytest.mark.parametrize(("version", "name"), in_turn(SCENARIOS))
async def test_on_rows_callers_see_what_they_see(project: Project, name: str) -> None:
    sql, letters = SCENARIOS[name]
    await project.execute(sql)
    assert access(await project.check()) == expected(letters)


@pytest.mark.parametrize("name", SCENARIOS)
async def test_on_an_empty_table_the_policies_decide_about_a_row_that_need_not_exist(
    project: Project, name: str
) -> None:
    sql, letters = SCENARIOS[name]
    await project.execute(f"truncate {TICKS};" + sql)
    assert access(await project.check()) == expected(ON_NO_ROW.get(name, letters))


async def test_the_message_says_who_saw_what_and_names_the_policies(project: Project) -> None:
    await project.execute(SCENARIOS["USING (true) beside the good one"][0])
    report = await project.check()
    (check,) = [check for check in report.checks if check.key == f"{TICKS}.access.other"]
    assert re.search(
        r"another user sees (\d+) of \1 sampled rows; an unknown user sees (\d+) of \2 sampled rows", check.message
    )
    assert "leak" in check.message
    assert check.severity is Severity.ERROR


async def test_an_error_inside_a_policy_is_told_in_one_line(project: Project) -> None:
    await project.execute(SCENARIOS["a policy that recurses"][0])
    report = await project.check()
    (check,) = [check for check in report.checks if check.key == f"{TICKS}.access.owner"]
    assert "42P17 infinite recursion detected in policy" in check.message
    assert "\n" not in check.message


async def test_a_missing_grant_is_told_from_a_denial_inside_a_policy(project: Project) -> None:
    await project.execute(SCENARIOS["no grant on the table"][0])
    report = await project.check()
    (check,) = [check for check in report.checks if check.key == f"{TICKS}.access.owner"]
    assert "the owner has no SELECT on the table" in check.message
    await project.execute(
        f"grant select on {TICKS} to authenticated; revoke select on user_profiles from authenticated"
    )
    report = await project.check()
    (check,) = [check for check in report.checks if check.key == f"{TICKS}.access.owner"]
    assert "42501 permission denied for table user_profiles" in check.message


async def test_without_an_admin_to_try_the_admins_view_is_unknown_unless_a_claim_reads(project: Project) -> None:
    await project.execute("update user_profiles set role = 'user'")
    assert access(await project.check())["admin"] is UNKNOWN
    await project.execute(SCENARIOS["claims instead of profiles"][0])
    assert access(await project.check())["admin"] is PASS


async def test_where_only_claims_make_admins_only_they_are_tried(project: Project) -> None:
    assert access(await project.check(admin_profile_table=""))["admin"] is FAIL
    await project.execute(SCENARIOS["claims instead of profiles"][0])
    assert access(await project.check(admin_profile_table=""))["admin"] is PASS
    assert access(await project.check(admin_claim="user_role"))["admin"] is FAIL


async def test_a_user_without_company_is_no_reason_to_doubt(project: Project) -> None:
    """A platform with one user has no other one to try."""
    await project.execute("delete from user_profiles where display_name in ('Cleo', 'Dan')")
    assert access(await project.check()) == expected("pppp")


async def test_callers_the_login_may_not_become_are_unknown_by_name(project: Project) -> None:
    await project.execute(f"revoke authenticated, anon from {LOGIN}")
    try:
        report = await project.check()
    finally:
        await project.execute(f"grant authenticated, anon to {LOGIN}")
    assert access(report) == expected("uuuu")
    (check,) = [check for check in report.checks if check.key == f"{TICKS}.access.owner"]
    assert "the login cannot become authenticated" in check.message
    assert report.conformant is None


@pytest.mark.parametrize("rows", ["", f"truncate {TICKS};"])
async def test_a_policy_that_sleeps_is_unknown_in_time_and_hides_nothing_else(project: Project, rows: str) -> None:
    await project.execute(
        f"""{rows}
        create function slow() returns boolean language plpgsql as $$ begin perform pg_sleep(60); return true; end $$;
        create policy sleepy on {TICKS} for select to authenticated using (slow());
        """
    )
    started = time.monotonic()
    report = await project.check(database_timeout_ms=4000)
    assert time.monotonic() - started < 4.0
    found = access(report)
    # Who is let in by a condition before it may never meet the one that sleeps.
    assert found.pop("owner") in (PASS, UNKNOWN)
    assert set(found.values()) == {UNKNOWN}
    assert outcome(report, f"{TICKS}.primary_key") is PASS
    assert outcome(report, f"{TICKS}.column.status.values") is PASS


@pytest.mark.parametrize("scope", ["true", "false"])
async def test_a_policy_that_changes_the_role_is_unknown_and_the_role_does_not_stay(
    project: Project, scope: str
) -> None:
    await project.execute(
        f"""
        create function become() returns boolean language plpgsql as $$
          begin perform set_config('role', 'service_role', {scope}); return true; end $$;
        create policy hostile on {TICKS} for select to authenticated using (become());
        """
    )
    for _ in range(2):
        report = await project.check(database_pool_size=1)
        assert access(report) == expected("uuuu")
        assert "changed the role" in next(c.message for c in report.checks if c.key == f"{TICKS}.access.owner")
        assert outcome(report, "user_profiles.access.promote") is PASS


async def test_a_policy_that_writes_is_stopped(project: Project) -> None:
    await project.execute(
        f"""
        create table written (at timestamptz);
        grant all on written to public;
        create function write() returns boolean language sql as $$ insert into written values (now()) returning true $$;
        create policy writer on {TICKS} for select to authenticated using (write());
        """
    )
    assert access(await project.check())["owner"] is FAIL
    async with project.connect() as connection:
        assert await connection.fetchval("select count(*) from written") == 0


ADMINS_ALL = f"update user_profiles set role = 'admin' where id in (select user_id from {TICKS});"
LEAK = f"create policy leak on {TICKS} for select to authenticated using (status = 'ok');"


async def test_strangers_are_tried_on_rows_that_are_there_whoever_owns_them(project: Project) -> None:
    """Where all owners are admins, there is no owner to try, and rows to keep strangers from."""
    await project.execute(ADMINS_ALL + LEAK)
    report = await project.check()
    assert access(report)["other"] is FAIL
    (check,) = [check for check in report.checks if check.key == f"{TICKS}.access.other"]
    assert re.search(r"an unknown user sees \d+ of 24 sampled rows", check.message)


async def test_where_all_owners_are_admins_the_documented_policy_passes(project: Project) -> None:
    await project.execute(ADMINS_ALL)
    assert access(await project.check()) == expected("pppp")


@pytest.mark.parametrize("rows", ["", f"truncate {TICKS};"])
@pytest.mark.parametrize(
    "sql",
    ["alter role anon bypassrls", f"grant usage on schema public to anon; alter table {TICKS} owner to anon"],
)
async def test_a_caller_above_row_security_sees_what_no_policy_shows(project: Project, rows: str, sql: str) -> None:
    await project.execute(f"{rows} grant select on {TICKS} to anon; {sql}")
    try:
        assert access(await project.check())["anonymous"] is FAIL
    finally:
        await project.execute("alter role anon nobypassrls")


async def test_without_profiles_the_other_user_is_one_who_has_rows_too(project: Project) -> None:
    await project.execute(
        f"""create policy leak on {TICKS} for select to authenticated
          using (exists (select from user_profiles p where p.id = auth.uid()));"""
    )
    report = await project.check(admin_profile_table="")
    assert access(report)["other"] is FAIL
    (check,) = [check for check in report.checks if check.key == f"{TICKS}.access.other"]
    assert "another user sees" in check.message


@pytest.mark.parametrize(
    ("condition", "other"), [("reason = 'cooldown'", UNKNOWN), ("latency_ms > 100", UNKNOWN), ("meta = '{}'", FAIL)]
)
async def test_on_no_row_a_condition_on_what_was_guessed_proves_nothing_but_a_leak(
    project: Project, condition: str, other: Outcome
) -> None:
    await project.execute(
        f"truncate {TICKS}; create policy more on {TICKS} for select to authenticated using ({condition});"
    )
    found = access(await project.check())
    assert (found["owner"], found["other"], found["admin"]) == (PASS, other, PASS)


async def test_an_owner_of_no_run_is_no_owner_who_is_shut_out(project: Project) -> None:
    """Who sees a tick through its run is not known where there is neither."""
    await project.execute(
        SCENARIOS["ticks as visible as the runs they belong to"][0] + "truncate strategy_runs cascade;"
    )
    found = access(await project.check())
    assert (found["owner"], found["other"], found["admin"]) == (UNKNOWN, UNKNOWN, PASS)


async def test_the_message_names_the_second_factor_it_took(project: Project) -> None:
    await project.execute(SCENARIOS["a second factor for everyone"][0])
    report = await project.check()
    (check,) = [check for check in report.checks if check.key == f"{TICKS}.access.owner"]
    assert re.fullmatch(r"the owner sees (\d+) of \1 sampled rows, with a second factor \(aal2\)\.", check.message)


async def test_the_message_names_what_is_too_rare_to_be_sampled(project: Project) -> None:
    await project.execute(SCENARIOS["a leak of rows that are rare, or not there yet"][0])
    report = await project.check()
    (check,) = [check for check in report.checks if check.key == f"{TICKS}.access.other"]
    assert "an unknown user sees 0 of 24 sampled rows, and would see them with status 'error'" in check.message
    await project.execute(
        "drop policy leak on strategy_tick_runs;" + SCENARIOS["owners who see all but what is rare"][0]
    )
    report = await project.check()
    (check,) = [check for check in report.checks if check.key == f"{TICKS}.access.owner"]
    assert "and would not see them with status 'blocked'" in check.message


async def test_rows_that_are_deleted_while_callers_are_tried_are_not_missed(project: Project) -> None:
    await project.execute(
        f"""insert into {TICKS} (strategy_run_id, user_id, scheduled_at, started_at, status)
        select run.id, run.user_id, now() - number * interval '1 second', now(), 'ok'
        from strategy_runs as run, generate_series(1, 3000) as number;"""
    )
    stop = asyncio.Event()

    async def purge() -> None:
        async with project.connect() as connection:
            while not stop.is_set():
                await connection.execute(
                    f"delete from {TICKS} where id in (select id from {TICKS} order by id limit 20)"
                )

    task = asyncio.create_task(purge())
    try:
        for _ in range(15):
            found = access(await project.check())
            assert FAIL not in found.values()
    finally:
        stop.set()
        await task


async def test_a_lock_that_a_policy_takes_for_the_session_is_given_back(project: Project) -> None:
    await project.execute(
        f"""create function lock_it(text) returns boolean language plpgsql as $$
          begin
            perform pg_advisory_lock(42);
            if $1 = 'skipped' then raise exception 'no'; end if;
            return false;
          end $$;
        create policy locking on {TICKS} for select to authenticated using (lock_it(status));"""
    )
    settings = project.settings()
    database = Database(settings)
    try:
        await Diagnostics(settings, CONTRACT, database).check_schema()
        async with project.connect() as connection:
            assert await connection.fetchval("select count(*) from pg_locks where locktype = 'advisory'") == 0
    finally:
        await database.close()


async def test_names_of_policies_cannot_break_a_line(project: Project) -> None:
    await project.execute(f"""create policy "a\nb\u202ec" on {TICKS} for select to authenticated using (true);""")
    report = await project.check()
    messages = [text for check in report.checks for text in (check.message, check.actual, check.hint) if text]
    assert any("a\\nb\\u202ec" in message for message in messages)
    assert not any("\n" in message or "\u202e" in message for message in messages)
