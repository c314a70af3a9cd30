"""What happens to runners, and what must be claimed of it, and what must not."""

from datetime import timedelta

import pytest

from app.runner.causes import CauseKind
from app.runner.model import Section, Tick
from app.runner.schedule import State
from app.runner.served import SlotOutcome
from tests.runner.world import (
    DAY,
    HEALTHY,
    HOUR,
    LONG_AGO,
    MINUTE,
    NOW,
    QUIET,
    RUN,
    SECOND,
    USER,
    World,
    every,
    make_run,
    rules,
)


def test_a_healthy_runner_is_ok_with_nothing_to_say() -> None:
    report = HEALTHY.report()
    assert (report.verdict, rules(report)) == ("ok", [])
    assert report.runs.active is not None
    assert report.runs.active.on_time == 1
    assert (report.ticks.expected, report.ticks.missed) == (59, 0)


def test_an_empty_database_is_ok_and_expects_nothing() -> None:
    report = World((), {}).report()
    assert (report.verdict, rules(report)) == ("ok", [])
    assert (report.active_strategies, report.ticks.expected) == (0, 0)


def test_a_run_activated_ten_seconds_ago_is_not_late_and_missed_nothing() -> None:
    """Not even where it was drafted a month ago, and is the only one."""
    fresh = make_run(updated_at=NOW - 10 * SECOND)
    world = World((fresh,), {})
    report = world.report()
    assert (report.verdict, rules(report)) == ("ok", [])
    assert report.ticks.missed == 0
    row = world.row(fresh)
    assert (row.state, row.late_by_seconds, row.cause) == (State.ON_TIME, 0, None)
    assert SlotOutcome.MISSED not in (row.slots or ())


def test_a_run_that_ran_at_once_after_its_activation_missed_nothing_before_it() -> None:
    """Though that is as close as a trigger's touch comes to the run that it follows."""
    fresh = make_run(updated_at=NOW - 50 * SECOND, last_run_at=NOW - 33 * SECOND)
    world = World((fresh,), {fresh.id: [Tick(NOW - 34 * SECOND, "ok")]})
    assert (world.report().verdict, world.report().ticks.missed) == ("ok", 0)
    assert world.row(fresh).slots == (SlotOutcome.OK,)


def test_a_run_paused_and_resumed_after_a_week_owes_nothing_for_that_week() -> None:
    resumed = make_run(2, updated_at=NOW - 10 * SECOND, last_run_at=NOW - 7 * DAY)
    for others in (HEALTHY, World((), {})):
        world = World((*others.runs, resumed), {**others.ticks, resumed.id: every(60, 8 * DAY, 7 * DAY)})
        report = world.report()
        assert (report.verdict, rules(report), report.ticks.missed) == ("ok", [], 0)
        assert world.row(resumed).state is State.ON_TIME


def test_a_resumed_run_still_owes_nothing_for_its_pause_once_it_ran_again() -> None:
    """Its last_run_at is newer than its updated_at then."""
    resumed = make_run(updated_at=NOW - 10 * MINUTE, last_run_at=NOW - 34 * SECOND)
    world = World((resumed,), {resumed.id: [*every(60, 2 * HOUR, HOUR), *every(60, 10 * MINUTE)]})
    assert world.report().ticks.missed == 0
    assert SlotOutcome.MISSED not in (world.row(resumed).slots or ())


def test_a_trigger_that_touches_the_row_on_every_run_hides_no_missed_slot() -> None:
    touched = make_run(updated_at=NOW - 33 * SECOND, last_run_at=NOW - 34 * SECOND)
    world = World((touched,), {touched.id: [*every(60, 2 * HOUR, 30 * MINUTE), *every(60, 20 * MINUTE)]})
    assert world.report().ticks.missed == 10


def test_a_paused_users_run_blocked_for_days_is_no_fault() -> None:
    world = World((RUN,), {RUN.id: every(60, 3 * DAY, status="blocked")}, paused=(USER,))
    report = world.report()
    assert (report.verdict, rules(report)) == ("ok", [])
    assert report.blocked_users_count == 1
    unreadable = World((RUN,), {RUN.id: every(60, 3 * DAY, status="blocked")}, broken=(Section.RISK,)).report()
    assert (unreadable.verdict, rules(unreadable)) == ("unknown", ["section_unreadable"])


def test_blocked_without_a_paused_user_is_not_working() -> None:
    report = World((RUN,), {RUN.id: every(60, 2 * HOUR, status="blocked")}).report()
    assert (report.verdict, rules(report)) == ("degraded", ["not_working"])


def test_one_silent_run_among_healthy_ones_is_overdue_and_the_scheduler_is_not_blamed() -> None:
    world = HEALTHY.with_ticks(QUIET, every(60, 3 * HOUR, 2 * HOUR))
    world = World((*HEALTHY.runs, QUIET), world.ticks)
    report = world.report()
    assert (report.verdict, rules(report)) == ("degraded", ["overdue"])
    (reason,) = report.reasons
    assert (reason.count, reason.examples, reason.threshold) == (1, (str(QUIET.id),), 60)
    row = world.row(QUIET)
    assert row.cause is not None
    assert row.cause.kind is CauseKind.UNKNOWN
    assert report.runs.active is not None
    assert (report.runs.active.on_time, report.runs.active.overdue) == (1, 1)


def test_all_silent_is_one_reason_and_down_not_one_for_each_run() -> None:
    runs = tuple(make_run(number, last_run_at=NOW - 2 * HOUR) for number in range(1, 21))
    world = World(runs, {run.id: every(60, 3 * HOUR, 2 * HOUR) for run in runs})
    report = world.report()
    assert (report.verdict, rules(report)) == ("down", ["scheduler_silent"])
    assert report.reasons[0].count == 20
    assert len(report.reasons[0].examples) == 5
    assert {row.cause.kind for row in world.rows() if row.cause} == {CauseKind.SCHEDULER_SILENT}


def test_silence_is_claimed_only_of_more_than_three_periods_and_the_grace() -> None:
    for ago, verdict in ((4 * MINUTE, "degraded"), (4 * MINUTE + timedelta(microseconds=1), "down")):
        report = World((QUIET,), {QUIET.id: [Tick(NOW - ago, "ok")]}).report()
        assert (report.verdict, len(report.reasons)) == (verdict, 1)


def test_a_job_that_touches_every_row_does_not_hide_a_silent_scheduler() -> None:
    runs = tuple(make_run(number, last_run_at=NOW - 2 * HOUR, updated_at=NOW - SECOND) for number in range(1, 4))
    report = World(runs, {run.id: every(60, 3 * HOUR, 2 * HOUR) for run in runs}).report()
    assert (report.verdict, rules(report)) == ("down", ["scheduler_silent"])


def test_silence_is_not_claimed_while_a_run_that_was_just_stopped_ticked() -> None:
    report = World((QUIET,), {QUIET.id: every(60, 3 * HOUR, 2 * HOUR)}, others_newest_at=NOW - MINUTE).report()
    assert rules(report) == ["overdue"]


def test_a_scheduler_that_never_ticked_at_all_is_silent() -> None:
    report = World((make_run(created_at=NOW - HOUR, updated_at=NOW - HOUR),), {}).report()
    assert (report.verdict, rules(report)) == ("down", ["scheduler_silent"])


def test_a_switched_off_runner_is_said_to_be_off_not_silent() -> None:
    report = World((QUIET,), {}, enabled=False).report()
    assert (report.verdict, rules(report)) == ("degraded", ["runner_disabled"])


def test_a_cron_that_misses_every_other_window_is_not_down_but_its_misses_are_counted() -> None:
    ticks = [tick for tick in every(60, 2 * HOUR) if (tick.scheduled_at.minute + 1) % 2 == 0]
    world = World((RUN,), {RUN.id: ticks})
    report = world.report()
    assert "scheduler_silent" not in rules(report)
    assert "overdue" not in rules(report)
    assert (report.ticks.expected, report.ticks.missed) == (59, 30)


def test_a_cron_that_comes_after_every_boundary_is_on_time_and_misses_nothing() -> None:
    """Its ticks are scheduled 20 s into the slot that they serve."""
    ticks = [Tick(tick.scheduled_at + 24 * SECOND, "ok") for tick in every(60, 2 * HOUR, 30 * SECOND)]
    report = World((RUN,), {RUN.id: ticks}).report()
    assert (report.verdict, rules(report), report.ticks.missed) == ("ok", [], 0)


def test_a_runner_whose_cron_misses_every_window_is_silent_and_no_strategy_is_blamed() -> None:
    """It is alive and finds nothing due: it writes no row. What it did before the change of its cron is not held
    against it, nor is its last tick an error because it was the last.
    """
    runs = tuple(make_run(n, frame, last_run_at=NOW - 40 * MINUTE) for n, frame in enumerate(("1m", "5m", "1m"), 1))
    world = World(runs, {run.id: every(run.period, 3 * HOUR, 40 * MINUTE) for run in runs})
    report = world.report()
    assert (report.verdict, rules(report)) == ("down", ["scheduler_silent"])
    assert report.streaks == ()
    assert report.ticks.missed is not None
    assert report.ticks.missed > 0


def test_audits_lost_by_all_while_trading_goes_on_are_no_silent_scheduler() -> None:
    runs = tuple(make_run(number, last_run_at=NOW - 34 * SECOND) for number in range(1, 4))
    report = World(runs, {run.id: every(60, 2 * HOUR, 20 * MINUTE) for run in runs}).report()
    assert (report.verdict, rules(report)) == ("degraded", ["audit_missing"])
    assert report.reasons[0].count == 3


def test_a_lost_audit_while_trading_goes_on_is_named_and_the_run_is_not_called_overdue() -> None:
    trading = make_run(2, last_run_at=NOW - 34 * SECOND)
    world = World((RUN, trading), {**HEALTHY.ticks, trading.id: every(60, 2 * HOUR, 20 * MINUTE)})
    report = world.report()
    assert (report.verdict, rules(report)) == ("degraded", ["audit_missing"])
    assert world.row(trading).state is State.ON_TIME


def test_retention_that_deletes_old_ticks_is_no_lost_audit() -> None:
    """Nor is a run that is paused over it an error."""
    idle = make_run(2, "1w", last_run_at=NOW - 3 * DAY)
    world = World((RUN, idle), HEALTHY.ticks)
    report = world.report()
    assert (report.verdict, rules(report)) == ("ok", [])


def test_a_run_paused_after_errors_is_named_and_one_paused_by_its_user_is_not() -> None:
    failed, wanted = make_run(2, status="paused"), make_run(3, status="paused")
    errors = [Tick(NOW - 5 * MINUTE, "error"), Tick(NOW - 6 * MINUTE, "error"), Tick(NOW - 7 * MINUTE, "error")]
    world = World((RUN, failed, wanted), {**HEALTHY.ticks, failed.id: errors, wanted.id: every(60, HOUR, 20 * MINUTE)})
    report = world.report()
    assert (report.verdict, rules(report)) == ("degraded", ["paused_after_errors"])
    assert report.reasons[0].examples == (str(failed.id),)
    assert report.streaks == ()


def test_errors_in_a_row_are_a_streak_that_skips_do_not_break_and_an_ok_does() -> None:
    good = every(60, 2 * HOUR, 10 * MINUTE)
    bad = every(60, 10 * MINUTE)
    mixed = [Tick(tick.scheduled_at, ("error", "skipped")[n % 2]) for n, tick in enumerate(bad)]
    report = World((RUN,), {RUN.id: [*good, *mixed]}).report()
    assert rules(report) == ["error_streak", "not_working"]
    assert report.streaks is not None
    (streak,) = report.streaks
    assert streak.errors == sum(tick.status == "error" for tick in mixed)
    assert (streak.since, streak.last_ok_at) == (mixed[0].scheduled_at, good[-1].scheduled_at)
    healed = World((RUN,), {RUN.id: [*good, *mixed[:-1], Tick(mixed[-1].scheduled_at, "ok")]}).report()
    assert healed.streaks == ()
    assert rules(healed) == []


@pytest.mark.parametrize("order", [1, -1])
def test_of_ticks_of_one_moment_an_error_is_the_latest_and_an_ok_hides_it_not(order: int) -> None:
    """Two runners at work write such; in which order their rows are read says nothing."""
    good, now = every(60, 2 * HOUR, 2 * MINUTE), NOW - 34 * SECOND
    both = [Tick(now, status) for status in ("error", "ok", "skipped")][::order]
    before = [Tick(now - n * MINUTE, "error") for n in (1, 2)]
    (streak,) = World((RUN,), {RUN.id: [*good, *before, Tick(now, "error")]}).report().streaks or ()
    assert streak.errors == 3
    assert World((RUN,), {RUN.id: [*good, *before, *both]}).row(RUN).streak == 1


def test_an_hourly_strategy_among_minutely_ones_is_on_time_between_its_hours() -> None:
    hourly = make_run(2, "1h", last_run_at=NOW - HOUR)
    world = World((RUN, hourly), {**HEALTHY.ticks, hourly.id: every(3600, 5 * HOUR)})
    report = world.report()
    assert (report.verdict, rules(report)) == ("ok", [])
    assert world.row(hourly).state is State.ON_TIME
    assert (world.row(hourly).slots or ())[-1] is SlotOutcome.OK


@pytest.mark.parametrize("timeframe", ["1d", "1w"])
def test_a_strategy_of_a_longer_timeframe_than_the_horizon_is_on_time_by_what_is_stored(timeframe: str) -> None:
    period = {"1d": 86_400, "1w": 604_800}[timeframe]
    slow = make_run(2, timeframe)
    ticks = every(period, 40 * DAY, status="skipped")
    world = World((RUN, slow), {**HEALTHY.ticks, slow.id: ticks})
    assert world.row(slow).state is State.ON_TIME
    assert rules(world.report()) == ["not_working"]
    blind = World((RUN, slow), world.ticks, broken=(Section.STORED,)).report()
    assert (blind.verdict, rules(blind)) == ("unknown", ["section_unreadable"])


def test_a_changed_timeframe_owes_no_slot_from_before_the_change() -> None:
    changed = make_run(2, "1m", updated_at=NOW - 20 * SECOND, last_run_at=NOW - 34 * SECOND - 30 * MINUTE)
    world = World((RUN, changed), {**HEALTHY.ticks, changed.id: [Tick(NOW - 30 * MINUTE - 34 * SECOND, "ok")]})
    report = world.report()
    assert (report.verdict, rules(report), report.ticks.missed) == ("ok", [], 0)


def test_a_runner_whose_clock_is_ahead_is_told_so_and_serves_slots_as_they_come() -> None:
    ahead = World((RUN,), {RUN.id: [*every(60, 2 * HOUR), *every(60, timedelta(), -HOUR)]})
    report = ahead.report()
    assert (report.verdict, rules(report)) == ("degraded", ["clock_ahead"])
    assert report.reasons[0].count == 60


def test_forged_ticks_of_next_year_make_no_silent_run_on_time() -> None:
    forged = World((RUN, QUIET), {**HEALTHY.ticks, QUIET.id: [Tick(NOW + 365 * DAY, "ok")]})
    assert rules(forged.report()) == ["overdue", "clock_ahead"]
    future = make_run(2, last_run_at=NOW + 365 * DAY)
    assert rules(World((RUN, future), HEALTHY.ticks).report()) == ["overdue"]


def test_ticks_of_a_foreign_user_are_reported() -> None:
    report = World((RUN,), HEALTHY.ticks, foreign={RUN.id: 3}).report()
    assert (report.verdict, rules(report), report.reasons[0].observed) == ("degraded", ["foreign_ticks"], 3)


def test_a_runner_whose_clock_is_behind_by_an_hour_leaves_its_slots_unserved() -> None:
    behind = make_run(last_run_at=NOW - HOUR)
    report = World((behind,), {behind.id: every(60, 3 * HOUR, HOUR)}).report()
    assert (report.verdict, rules(report)) == ("down", ["scheduler_silent"])


def test_duplicate_ticks_serve_one_slot_and_hide_no_missed_one() -> None:
    ticks = every(60, 2 * HOUR)
    assert World((RUN,), {RUN.id: [*ticks, *ticks]}).report().ticks.missed == 0
    gap = [*ticks[:-6], *ticks[-1:]]
    assert World((RUN,), {RUN.id: [*gap, *gap]}).report().ticks.missed == 5


@pytest.mark.parametrize(("month", "day"), [(3, 29), (10, 25)])
def test_an_hour_that_clocks_repeat_or_skip_is_like_any_other(month: int, day: int) -> None:
    """Slots are counted from the epoch, in UTC. Europe's clocks change at 01:00Z of these days."""
    change = NOW.replace(month=month, day=day, hour=1, minute=30, second=30)
    world = World(
        (make_run(created_at=LONG_AGO - 360 * DAY, updated_at=LONG_AGO - 360 * DAY),),
        {RUN.id: [Tick(tick.scheduled_at + (change - NOW), tick.status) for tick in every(60, 2 * HOUR)]},
        as_of=change,
    )
    report = world.report()
    assert (report.verdict, report.ticks.expected, report.ticks.missed) == ("ok", 59, 0)
