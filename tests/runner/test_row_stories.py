"""What locks, rows and sections tell, and what must be claimed of it, and what must not."""

from datetime import timedelta
from uuid import UUID

from app.runner.causes import CauseKind
from app.runner.model import Lock, Section, Tick
from tests.runner.world import (
    DAY,
    HEALTHY,
    HOUR,
    MINUTE,
    NOW,
    QUIET,
    RUN,
    SECOND,
    World,
    every,
    make_run,
    rules,
)


def lock(run: UUID, *, held: timedelta, left: timedelta, status: str | None = "active") -> Lock:
    return Lock(run, "runner-2", NOW + left, NOW - held, status, "BTC-USD", "5m")


def test_locks_are_judged_only_while_they_hold() -> None:
    held = lock(RUN.id, held=90 * SECOND, left=30 * SECOND)
    assert rules(World((RUN,), HEALTHY.ticks, (held,)).report()) == []
    expired = lock(RUN.id, held=DAY, left=-HOUR, status=None)
    assert rules(World((RUN,), HEALTHY.ticks, (expired,)).report()) == []
    overlong = lock(RUN.id, held=11 * MINUTE, left=MINUTE)
    assert rules(World((RUN,), HEALTHY.ticks, (overlong,)).report()) == ["lock_overlong"]
    orphaned = [lock(UUID(int=9), held=SECOND, left=MINUTE, status=status) for status in (None, "paused")]
    for one in orphaned:
        assert rules(World((RUN,), HEALTHY.ticks, (one,)).report()) == ["lock_orphaned"]


def test_an_overdue_run_behind_a_lock_says_by_whom_and_since_when() -> None:
    held = lock(QUIET.id, held=21 * MINUTE, left=MINUTE)
    world = World((RUN, QUIET), HEALTHY.ticks, (held,))
    cause = world.row(QUIET).cause
    assert cause is not None
    assert (cause.kind, cause.by, cause.since) == (CauseKind.LOCKED, "runner-2", NOW - 21 * MINUTE)


def test_an_unreadable_timeframe_is_judged_as_five_minutes_and_named() -> None:
    for timeframe in (None, "", "5 min", "0m", "1M", "m", "-5m", "99999999w", "\uff15m"):
        odd = make_run(2, timeframe)
        report = World((RUN, odd), {**HEALTHY.ticks, odd.id: every(300, 2 * HOUR)}).report()
        assert (report.verdict, rules(report)) == ("degraded", ["unparsable_timeframe"])


def test_a_high_rate_of_errors_counts_from_twenty_ticks_on() -> None:
    runs = tuple(make_run(number, last_run_at=NOW - MINUTE) for number in range(1, 31))

    def world(errors: int, number: int) -> World:
        ticks = {
            run.id: [Tick(NOW - 34 * SECOND, "error" if n < errors else "ok")] for n, run in enumerate(runs[:number])
        }
        return World(runs[:number], ticks)

    assert rules(world(3, 20).report()) == ["error_rate"]
    assert rules(world(2, 20).report()) == []
    assert rules(world(19, 19).report()) == []


def test_what_could_not_be_read_is_unknown_and_never_hides_what_was_found() -> None:
    for section in (Section.ACTIVITY, Section.RISK, Section.STORED):
        report = World((RUN,), HEALTHY.ticks, broken=(section,)).report()
        assert (report.verdict, rules(report)) == ("unknown", ["section_unreadable"])
    orphan = lock(UUID(int=9), held=SECOND, left=MINUTE, status=None)
    worse = World((RUN,), HEALTHY.ticks, (orphan,), broken=(Section.ACTIVITY,)).report()
    assert (worse.verdict, rules(worse)) == ("degraded", ["lock_orphaned", "section_unreadable"])
    assert worse.runs.active is None
    assert worse.streaks is None
