"""What a person reads in a terminal, and that nothing from a database can take the terminal over."""

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contract.identifiers import printable
from app.diagnostics import SchemaReport
from app.render.text import schema_report_text
from tests.databases import Project

EXPECTED = """\
✗ DRIFT  public on 127.0.0.1 as service_role · PG 18.0 · 7 ms

✗ error    strategy_runs.column.last_run_at.present
           expected  a column last_run_at timestamptz
           actual    no such column
           why       strategy_runs has no column last_run_at.
           next      20260129170000_unify_runner_strategy_runs.sql brings it,
                     and has not been applied. The fix mends it: part 1,
                     statement 3.
✗ error    strategy_tick_runs.column.strategy_run_id.present
           expected  a column strategy_run_id uuid
           actual    no such column
           why       strategy_tick_runs has no column strategy_run_id.
           next      20260129170000_unify_runner_strategy_runs.sql brings it,
                     and has not been applied. The fix mends it: part 1,
                     statement 4.
✗ error    strategy_tick_runs.column.strategy_id.absent
           expected  no such column
           actual    uuid NOT NULL, references strategies(id)
           why       strategy_tick_runs.strategy_id is still there: the runner
                     no longer fills this column; while it is required, every
                     audit insert fails.
           next      The fix mends it: part 1, statement 2.
✗ error    strategy_locks.column.strategy_run_id.present
           expected  a column strategy_run_id uuid
           actual    no such column
           why       strategy_locks has no column strategy_run_id.
           next      20260129170000_unify_runner_strategy_runs.sql brings it,
                     and has not been applied. The fix mends it: part 1,
                     statement 1.
✗ error    strategy_locks.primary_key
           expected  strategy_run_id
           actual    strategy_id
           why       The primary key of strategy_locks is (strategy_id); the
                     runner expects (strategy_run_id).
           next      20260129170000_unify_runner_strategy_runs.sql brings it,
                     and has not been applied. The fix mends it: part 1,
                     statement 1.
! warning  migrations.20260129170000
           expected  20260129170000_unify_runner_strategy_runs.sql is applied
           actual    missing
           why       20260129170000_unify_runner_strategy_runs.sql is not
                     recorded, and of what it brings is not there:
                     strategy_runs.last_run_at,
                     strategy_tick_runs.strategy_run_id,
                     strategy_locks.strategy_run_id.
           next      The fix leaves it to you: decision 1. Never edit it. Apply
                     it, and this clears; or bring what is missing with a new
                     migration, and then mark it as applied: supabase migration
                     repair --status applied 20260129170000
- skipped  2 checks behind strategy_runs.column.last_run_at.present
- skipped  2 checks behind strategy_tick_runs.column.strategy_run_id.present
- skipped  2 checks behind strategy_locks.column.strategy_run_id.present

TABLE                PASS  FAIL  WARN  UNKNOWN  SKIPPED
strategy_runs          35     1     0        0        2
strategy_events         1     0     0        0        0
strategies              1     0     0        0        0
strategy_tick_runs     35     2     0        0        2
strategy_risk_state     1     0     0        0        0
strategy_locks         11     2     0        0        2
user_profiles           1     0     0        0        0
connection              1     0     0        0        0
role                    3     0     0        0        0
migrations              4     0     1        0        0

5 errors, 1 warning, 0 unknown, 93 passed, 6 skipped. Exit code 1.
A fix is ready that mends 5 of the 6 failed checks:
  runner-diagnostics fix --output supabase/migrations
The other one waits for your decision, which the fix explains:
  migrations.20260129170000
"""


def shown(report: SchemaReport) -> str:
    """Without what differs from run to run."""
    fixed = replace(report, duration_ms=7, database=replace(report.database, server_version="18.0"))
    return schema_report_text(fixed).plain


@pytest.mark.parametrize("template", ["two_migrations"])
async def test_a_report_of_drift_reads_like_this(project: Project) -> None:
    assert shown(await project.check()) == EXPECTED


async def test_what_is_unknown_is_always_printed_with_the_reason(project: Project) -> None:
    await project.execute("revoke all on supabase_migrations.schema_migrations from runner_diagnostics")
    text = shown(await project.check())
    assert "? unknown  migrations.order\n" in text
    assert "4 unknown" in text


async def test_hostile_names_are_escaped_wherever_they_stand(project: Project) -> None:
    await project.execute(
        """
        create domain "evil\x1b[2J\u202e" as numeric;
        alter table strategy_runs alter column symbol type "evil\x1b[2J\u202e" using 1;
        """
    )
    text = shown(await project.check())
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "evil\\x1b[2J\\u202e" in text


@given(st.text())
def test_whatever_a_database_says_is_shown_and_not_obeyed(text: str) -> None:
    escaped = printable(text)
    assert not [character for character in escaped if unicodedata.category(character).startswith("C")]
    assert printable(escaped) == escaped


def test_escapes_are_readable() -> None:
    assert printable("a\x1b[31mb\u202ec\r\n") == "a\\x1b[31mb\\u202ec\\r\\n"
    assert printable("Grüße, 世界 [/x]") == "Grüße, 世界 [/x]"


def test_what_is_escaped_is_what_unicode_calls_other_or_a_separator_of_lines() -> None:
    for character in map(chr, range(0x3100)):
        obeyed = unicodedata.category(character).startswith("C") or unicodedata.category(character) in ("Zl", "Zp")
        assert (printable(character) != character) is obeyed
