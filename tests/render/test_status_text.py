"""The status as text: what needs a look comes first, it fits 79 columns, and hostile text stays text."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from app.render.status_text import status_exit_code, status_text
from app.render.text import ASCII
from app.runner.figures import Window
from app.runner.grid import runs_report
from app.runner.model import Lock, Section, Tick
from app.runner.status import unreachable_report
from app.runner.verdict import Verdict
from tests.runner.world import NOW, World, every, make_run

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
HEALTHY = tuple(make_run(number) for number in range(1, 9))
TICKS = {run.id: every(60, 2 * HOUR) for run in HEALTHY}
LATE = make_run(20, "5m")
FAILING = make_run(21)
BROKEN = World(
    (*HEALTHY, LATE, FAILING),
    {
        **TICKS,
        LATE.id: every(300, 2 * HOUR, 17 * MINUTE),
        FAILING.id: [*every(60, HOUR, 10 * MINUTE), *every(60, 10 * MINUTE, status="error")],
    },
    (Lock(LATE.id, "runner-2", NOW + MINUTE, NOW - 21 * MINUTE, "active", "BTC-USD", "5m"),),
)


def text(world: World, *, everything: bool = False) -> str:
    runs = runs_report(world.situation, duration_ms=1)
    return status_text(world.report(), runs, error_streak=3, everything=everything).plain


def test_a_healthy_runner_takes_few_lines() -> None:
    shown = text(World(HEALTHY, TICKS))
    assert shown.startswith("✓ OK  8 strategies, none overdue   window 1h · as of 12:00:30Z\n\n")
    assert "STATE" not in shown
    assert shown.endswith("Exit code 0.\n")


def test_what_is_wrong_comes_first_with_its_rule_its_runs_and_their_cause() -> None:
    shown = text(BROKEN)
    lines = shown.splitlines()
    assert lines[0] == "! DEGRADED  1 overdue, 1 failing of 10 strategies   window 1h · as of 12:00:30Z"
    assert [line.split()[1] for line in lines if line.startswith("! ")][1:] == [
        *("overdue", "error_streak", "not_working", "lock_overlong"),
    ]
    overdue = next(line for line in lines if line.startswith("overdue"))
    assert overdue == "overdue   BTC-USD 5m  11:39 (20m ago)  11:45  15m 30s       3  ■■■■■■■■□□□·"
    assert "  cause: locked by runner-2 since 11:39" in lines
    assert next(line for line in lines if line.startswith("erroring")).endswith("■■xxxxxxxxxx")
    assert "8 more (--all shows them)" in lines
    assert "LOCKS    1 held   1 overlong (BTC-USD 5m, runner-2, 21m 00s)   0 orphaned" in shown
    assert text(BROKEN, everything=True).count("on time") == 8


def test_no_line_is_wider_than_79_columns_and_ascii_is_enough() -> None:
    for world in (BROKEN, World(HEALTHY, TICKS), replace(BROKEN, broken=tuple(Section))):
        for everything in (False, True):
            shown = text(world, everything=everything)
            assert max(len(line) for line in shown.splitlines()) <= 79
            assert shown.translate(ASCII).isascii()


def test_text_of_the_database_cannot_command_the_terminal() -> None:
    hostile = replace(make_run(30, "\x1b[2J\n[/x]"), symbol="\u202eevil")
    ticks = [Tick(NOW - 20 * MINUTE, "blocked", "\x1b]0;title\x07[/x]")]
    lock = Lock(UUID(int=31), "\x1b[31m", NOW + MINUTE, NOW - HOUR, None, None, None)
    shown = text(World((*HEALTHY, hostile), {**TICKS, hostile.id: ticks}, (lock,)))
    for character in ("\x1b", "\x07", "\u202e"):
        assert character not in shown
    assert "[/x]" in shown


def test_what_could_not_be_read_is_always_said() -> None:
    shown = text(replace(BROKEN, broken=(Section.RISK, Section.ACTIVITY)))
    assert "10 strategies, when they ticked is unknown" in shown.replace("\n  ", " ")
    assert "? unknown  activity: it is locked." in shown
    assert "? unknown  risk: it is locked." in shown
    down = status_text(
        unreachable_report("Out of reach.", Window.HOUR, enabled=None, duration_ms=0), None, error_streak=3
    )
    assert down.plain.startswith("✗ DOWN")
    assert "database_unreachable" in down.plain


@pytest.mark.parametrize(
    ("verdict", "code"), [(Verdict.OK, 0), (Verdict.DEGRADED, 1), (Verdict.DOWN, 1), (Verdict.UNKNOWN, 2)]
)
def test_exit_codes_follow_the_verdict(verdict: Verdict, code: int) -> None:
    assert status_exit_code(verdict) == code
