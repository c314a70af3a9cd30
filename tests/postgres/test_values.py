"""What a column accepts is found by letting Postgres accept it, however the rule is written."""

import pytest

from app.contract.check import Check, Outcome, Severity
from tests.databases import VERSIONS, Project, in_turn

KEY = "strategy_tick_runs.column.signal.values"
DROP = "alter table strategy_tick_runs drop constraint if exists strategy_tick_runs_signal_check;"
ADD = DROP + "alter table strategy_tick_runs add check "
ENUM = """
create type signal as enum ('buy', 'sell', 'hold'{more});
alter table strategy_tick_runs alter column signal type signal using signal::signal;
"""

PASSING = {
    "IN": ADD + "(signal in ('buy', 'sell', 'hold'));",
    "OR": ADD + "(signal = 'buy' or signal = 'sell' or signal = 'hold');",
    "a regular expression": ADD + "(signal ~ '^(buy|sell|hold)$');",
    "a CASE": ADD + "(signal is null or case when signal in ('buy', 'sell', 'hold') then true else false end);",
    "several CHECKs together": ADD + "(length(signal) in (3, 4));"
    "alter table strategy_tick_runs add check (signal in ('buy', 'sell', 'hold', 'none!'));",
    "a function": f"""
        create function known(text) returns boolean language sql immutable as
          $$ select $1 = any ('{{buy,sell,hold}}') $$;
        {ADD} (known(signal));
    """,
    "a domain": f"""{DROP}
        create domain signal as text check (value in ('buy', 'sell', 'hold'));
        alter table strategy_tick_runs alter column signal type signal;
    """,
    "null refused": ADD + "(signal is not null and signal in ('buy', 'sell', 'hold')) not valid;",
    "a list that is one literal": ADD + "(signal = any ('{buy,sell,hold}'::text[]));",
    "a column that is called like the row it is tried on": ADD
    + "(signal in ('buy', 'sell', 'hold')); alter table strategy_tick_runs add existing text default 'x';",
    "an odd constraint name": DROP
    + """alter table strategy_tick_runs add constraint "a'b"";--" check (signal in ('buy', 'sell', 'hold'));""",
    "a column that is called like ours": ADD
    + "(signal in ('buy', 'sell', 'hold')); alter table strategy_tick_runs add value text, add tried text;",
}
REFUSING = {
    "one value left out": (ADD + "(signal in ('buy', 'sell')) not valid;", "'hold'"),
    "another spelling": (ADD + "(signal in ('BUY', 'SELL', 'HOLD')) not valid;", "'buy', 'sell', 'hold'"),
    "too short": (
        DROP + "update strategy_tick_runs set signal = null;"
        "alter table strategy_tick_runs alter column signal type varchar(3);",
        "'sell', 'hold'",
    ),
    "a second CHECK that contradicts": (
        "alter table strategy_tick_runs add check (signal <> 'hold') not valid;",
        "'hold'",
    ),
    "an enum without it": (
        DROP + "update strategy_tick_runs set signal = null;"
        "create type signal as enum ('buy', 'sell');"
        "alter table strategy_tick_runs alter column signal type signal using signal::signal;",
        "'hold'",
    ),
    "a CHECK that raises": (
        """create function picky(text) returns boolean language plpgsql as
          $$ begin if $1 = 'hold' then raise exception 'not today'; end if; return $1 in ('buy', 'sell'); end $$;
        """
        + ADD
        + "(picky(signal)) not valid;",
        "'hold'",
    ),
    "a domain that refuses it": (
        f"""{DROP} update strategy_tick_runs set signal = null;
        create domain signal as text check (value in ('buy', 'sell'));
        alter table strategy_tick_runs alter column signal type signal;""",
        "'hold'",
    ),
}
ACCEPTING = {
    "one value more": (ADD + "(signal in ('buy', 'sell', 'hold', 'panic'));", "also accepts 'panic'"),
    "an enum with one more": (DROP + ENUM.format(more=", 'panic'"), "also accepts 'panic'"),
    "one more, in a list that is one literal": (
        ADD + "(signal = any ('{buy,sell,hold,panic}'::text[]));",
        "also accepts 'panic'",
    ),
    "one more, in a regular expression": (ADD + "(signal ~ '^(buy|sell|hold|panic)$');", "also accepts 'panic'"),
    "one more, with a quote in it": (ADD + "(signal in ('buy', 'sell', 'hold', 'don''t'));", 'also accepts "don\'t"'),
    "any case": (ADD + "(lower(signal) in ('buy', 'sell', 'hold'));", "also accepts 'BUY', 'Buy'"),
    "any letters": (ADD + "(signal ~ '^[a-z]*$');", "also accepts 'bu', 'buyx', ''"),
    "nothing enforced": (DROP, "not enforced"),
    "only a CHECK on the whole row": (
        """create function known(t strategy_tick_runs) returns boolean language sql immutable
          as $$ select t.signal is null or t.signal in ('buy', 'sell', 'hold') $$;
        """
        + ADD
        + "(known(strategy_tick_runs) and signal <> 'x');",
        "not enforced",
    ),
    "only a CHECK with another column": (
        ADD + "(signal in ('buy', 'sell', 'hold') or status <> 'ok');",
        "not enforced",
    ),
}


async def judged(project: Project, sql: str) -> Check:
    await project.execute(sql)
    report = await project.check()
    return next(check for check in report.checks if check.key == KEY)


@pytest.mark.parametrize(("version", "name"), in_turn(PASSING))
async def test_any_way_to_write_the_rule_passes(project: Project, name: str) -> None:
    check = await judged(project, PASSING[name])
    assert (check.outcome, check.message) == (Outcome.PASS, check.message)


@pytest.mark.parametrize(("version", "name"), in_turn(REFUSING))
async def test_a_documented_value_that_is_refused_is_an_error_that_names_it(project: Project, name: str) -> None:
    sql, refused = REFUSING[name]
    check = await judged(project, sql)
    assert (check.outcome, check.severity, check.actual) == (Outcome.FAIL, Severity.ERROR, f"refuses {refused}")


@pytest.mark.parametrize(("version", "name"), in_turn(ACCEPTING))
async def test_other_values_that_are_accepted_are_a_warning_that_names_them(project: Project, name: str) -> None:
    sql, accepted = ACCEPTING[name]
    check = await judged(project, sql)
    assert (check.outcome, check.severity, check.actual) == (Outcome.FAIL, Severity.WARNING, accepted)


@pytest.mark.parametrize("template", ["documented"])
@pytest.mark.parametrize("name", PASSING)
async def test_on_an_empty_table_the_rule_is_judged_as_well(project: Project, name: str) -> None:
    check = await judged(project, "truncate strategy_tick_runs;" + PASSING[name])
    assert check.outcome is Outcome.PASS


async def test_checks_over_several_columns_are_named_and_not_judged(project: Project) -> None:
    check = await judged(
        project, "alter table strategy_tick_runs add constraint pair check (signal <> 'x' or reason = 'y');"
    )
    assert check.outcome is Outcome.PASS
    assert "Not judged: pair, over several columns." in check.message


async def test_whether_null_is_accepted_is_told_and_is_no_finding(project: Project) -> None:
    assert "null is accepted" in (await judged(project, PASSING["IN"])).message
    assert "null is refused" in (await judged(project, PASSING["null refused"])).message


async def test_a_check_that_is_not_enforced_enforces_nothing(project: Project) -> None:
    """Since Postgres 18."""
    check = await judged(project, ADD + "(signal in ('buy', 'sell', 'hold')) not enforced;")
    assert check.actual == "not enforced"


async def test_a_check_that_never_ends_is_unknown(project: Project) -> None:
    await project.execute(
        """
        create function slow(text) returns boolean language sql as $$ select pg_sleep(60) is not null $$;
        alter table strategy_tick_runs add check (slow(signal)) not valid;
        """
    )
    report = await project.check(database_timeout_ms=4000)
    assert next(check for check in report.checks if check.key == KEY).outcome is Outcome.UNKNOWN


async def test_the_message_counts_what_was_tried(project: Project) -> None:
    message = (await judged(project, PASSING["IN"])).message
    assert "accepts each of its values and none of the 8 others that were tried" in message


PARTITIONED = """
create table ticks (like strategy_tick_runs including defaults) partition by range (scheduled_at);
create table ticks_old partition of ticks for values from (minvalue) to ('2000-01-01');
create table ticks_new partition of ticks for values from ('2000-01-01') to (maxvalue);
alter table ticks add primary key (scheduled_at, id), add check (status in ('ok', 'skipped', 'blocked', 'error'));
alter table ticks add foreign key (strategy_run_id) references strategy_runs (id),
  add foreign key (user_id) references user_profiles (id);
create index on ticks (scheduled_at);
alter table ticks enable row level security;
create policy everything on ticks using (user_id = auth.uid() or auth.jwt() #>> '{app_metadata,role}' = 'admin');
grant select on ticks to authenticated;
insert into ticks select * from strategy_tick_runs;
drop table strategy_tick_runs;
alter table ticks rename to strategy_tick_runs;
grant select, insert on strategy_tick_runs to service_role;
"""
LISTED = "check (signal in ('buy', 'sell', 'hold'))"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_partition_whose_own_check_refuses_a_documented_value(project: Project) -> None:
    check = await judged(
        project,
        PARTITIONED
        + f"alter table strategy_tick_runs add {LISTED};"
        + "alter table ticks_new add check (signal <> 'hold') not valid;",
    )
    assert (check.outcome, check.severity, check.actual) == (Outcome.FAIL, Severity.ERROR, "refuses 'hold'")
    assert "a CHECK of a partition is false (there are further ones on ticks_new)" in check.message


async def test_partitions_that_each_enforce_what_the_table_does_not(project: Project) -> None:
    both = f"alter table ticks_old add {LISTED}; alter table ticks_new add {LISTED};"
    assert (await judged(project, PARTITIONED + both)).outcome is Outcome.PASS


async def test_a_partition_that_enforces_nothing(project: Project) -> None:
    check = await judged(project, PARTITIONED + f"alter table ticks_old add {LISTED};")
    assert check.actual == "not enforced"


NULLS = {
    "a CHECK that refuses null where null is documented": (
        """update strategy_runs set last_run_at = now() where last_run_at is null;
        alter table strategy_runs add check (last_run_at is not null);""",
        "strategy_runs.column.last_run_at.nullability",
        (Outcome.FAIL, Severity.ERROR, "refused by a CHECK"),
    ),
    "a CHECK that does not": (
        "alter table strategy_runs add check (last_run_at > '2000-01-01');",
        "strategy_runs.column.last_run_at.nullability",
        (Outcome.PASS, Severity.ERROR, "nullable"),
    ),
    "a CHECK in place of NOT NULL": (
        """alter table strategy_locks alter locked_until drop not null;
        alter table strategy_locks add check (locked_until is not null);""",
        "strategy_locks.column.locked_until.nullability",
        (Outcome.PASS, Severity.ERROR, "refused by a CHECK"),
    ),
    "a CHECK in place of NOT NULL that old rows may break": (
        """alter table strategy_locks alter locked_until drop not null;
        alter table strategy_locks add check (locked_until is not null) not valid;""",
        "strategy_locks.column.locked_until.nullability",
        (Outcome.FAIL, Severity.WARNING, "refused by a CHECK, NOT VALID"),
    ),
    "a CHECK on something else in place of NOT NULL": (
        """alter table strategy_locks alter lock_owner drop not null;
        alter table strategy_locks add check (length(lock_owner) > 0);""",
        "strategy_locks.column.lock_owner.nullability",
        (Outcome.FAIL, Severity.ERROR, "nullable"),
    ),
    "a CHECK that never ends": (
        """create function slow(timestamptz) returns boolean language sql as $$ select pg_sleep(60) is not null $$;
        alter table strategy_runs add check (slow(last_run_at)) not valid;""",
        "strategy_runs.column.last_run_at.nullability",
        (Outcome.UNKNOWN, Severity.ERROR, None),
    ),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", NULLS)
async def test_a_check_may_refuse_null_whatever_the_column_says(project: Project, name: str) -> None:
    sql, key, expected = NULLS[name]
    await project.execute(sql)
    report = await project.check(database_timeout_ms=4000)
    check = next(check for check in report.checks if check.key == key)
    assert (check.outcome, check.severity, check.actual) == expected
