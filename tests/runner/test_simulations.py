"""A runner played slot by slot: at no moment is a healthy one accused of anything, nor a dead one excused."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from app.runner.model import Run, Thresholds, Tick
from app.runner.schedule import State
from app.runner.timeframes import EPOCH
from tests.runner.world import HOUR, LONG_AGO, MINUTE, NOW, SECOND, World, make_run, rules

PLAYED = 5 * HOUR
TIMEFRAMES = ("1m", "1m", "5m", "15m", "1h")
# No cycle takes longer, or its last ticks were overdue.
LONGEST_CYCLE = 50 * SECOND


@dataclass(frozen=True)
class Platform:
    """Strategies that a runner ticks, each from its activation on; `now` is when it is looked at."""

    seed: int
    now: datetime
    runs: tuple[Run, ...]
    dead_for: timedelta = timedelta()
    silent: frozenset[UUID] = frozenset()
    """If any, only these are left out from when on the runner would be dead."""
    resumed_after: timedelta | None = None
    """How long the strategies that were switched on had been paused, after they had run before."""

    def world(self) -> World:
        ticks: dict[UUID, list[Tick]] = defaultdict(list)
        last_run_at: dict[UUID, datetime] = {}
        for run, tick, ended_at in self._ticks():
            if ended_at <= self.now:
                ticks[run.id].append(tick)
                if tick.status == "ok":
                    last_run_at[run.id] = ended_at
        runs = tuple(replace(run, last_run_at=last_run_at.get(run.id)) for run in self.runs)
        return World(runs, ticks, as_of=self.now)

    def _ticks(self) -> Iterator[tuple[Run, Tick, datetime]]:
        """Every minute a cycle starts up to 5 s before the boundary, and writes its rows one after another."""
        random = Random(self.seed)
        boundary = EPOCH + (self.now - PLAYED - EPOCH) // MINUTE * MINUTE
        while boundary <= self.now + MINUTE:
            started_at = ended_at = boundary - random.randrange(1, 5_000_001) * timedelta(microseconds=1)
            step = random.choice((SECOND / 100, LONGEST_CYCLE / len(self.runs)))
            for run in random.sample(self.runs, len(self.runs)):
                due = (boundary - EPOCH) % timedelta(seconds=run.period) == timedelta()
                if due and self._is_active(run, started_at) and not self._is_left_out(run, started_at):
                    ended_at += step
                    yield run, Tick(started_at, random.choice(("ok", "ok", "ok", "skipped"))), ended_at
            boundary += MINUTE

    def _is_active(self, run: Run, at: datetime) -> bool:
        assert run.updated_at is not None
        before = self.resumed_after is not None and at < run.updated_at - self.resumed_after
        return before or run.updated_at <= at

    def _is_left_out(self, run: Run, at: datetime) -> bool:
        return at > self.now - self.dead_for and (not self.silent or run.id in self.silent)


@st.composite
def platforms(draw: st.DrawFn) -> Platform:
    """Looked at in any microsecond of a day. Some strategies were switched on, or on again, within the last hours."""
    now = NOW + draw(st.integers(0, 86_400_000_000)) * timedelta(microseconds=1)
    runs = []
    for number, timeframe in enumerate(draw(st.lists(st.sampled_from(TIMEFRAMES), min_size=1, max_size=5)), 1):
        ago = draw(st.none() | st.integers(0, 4 * 3_600_000_000))
        switched_on = LONG_AGO if ago is None else now - ago * timedelta(microseconds=1)
        runs.append(make_run(number, timeframe, updated_at=switched_on))
    return Platform(draw(st.integers(0, 10**6)), now, tuple(runs))


def without_idle(found: list[str]) -> list[str]:
    """That three skips in a row are not working is a rule, and here they are chance."""
    return [rule for rule in found if rule != "not_working"]


@settings(max_examples=60, deadline=None)
@given(platforms(), st.none() | st.integers(1, 7200))
def test_a_healthy_runner_is_accused_of_nothing_at_any_moment(platform: Platform, paused: int | None) -> None:
    """Nor a strategy that is resumed, while another one shows that the runner is at work."""
    if paused is not None:
        runs = (*platform.runs, make_run(100, "1m"))
        platform = replace(platform, runs=runs, resumed_after=paused * SECOND)
    world = platform.world()
    report = world.report()
    assert without_idle(rules(report)) == []
    assert report.ticks.missed == 0
    periods = {run.id: run.period * SECOND for run in platform.runs}
    for row in world.rows():
        assert row.state is not State.OVERDUE
        assert row.missed((PLAYED - HOUR) // periods[row.strategy_run_id]) == 0


@settings(max_examples=60, deadline=None)
@given(platforms(), st.integers(0, 3 * 3600))
def test_a_dead_runner_is_down_once_a_slot_was_due_and_not_served(platform: Platform, seconds: int) -> None:
    """And no strategy is blamed for it."""
    dead = replace(platform, dead_for=seconds * SECOND)
    shortest = min(run.period for run in dead.runs) * SECOND
    quiet = 3 * shortest + Thresholds().grace(shortest // SECOND)
    settled = all(run.updated_at is not None and run.updated_at < dead.now - dead.dead_for - HOUR for run in dead.runs)
    report = dead.world().report()
    if settled and dead.dead_for > quiet + shortest:
        assert (report.verdict, without_idle(rules(report))) == ("down", ["scheduler_silent"])
    if settled and report.verdict == "down":
        assert dead.dead_for > quiet - shortest


@settings(max_examples=60, deadline=None)
@given(platforms(), st.integers(0, 3 * 3600), st.data())
def test_one_silent_strategy_is_overdue_and_nothing_else_is_said(
    platform: Platform, seconds: int, data: st.DataObject
) -> None:
    """Among others that are ticked no less often."""
    chosen = data.draw(st.sampled_from(platform.runs))
    companion = make_run(100, "1m")
    one = replace(platform, runs=(*platform.runs, companion), dead_for=seconds * SECOND, silent=frozenset({chosen.id}))
    world = one.world()
    row, found = world.row(chosen), without_idle(rules(world.report()))
    period = timedelta(seconds=chosen.period)
    since = max(one.now - one.dead_for, chosen.updated_at or one.now)
    if one.now - since > 2 * period + Thresholds().grace(chosen.period):
        assert (row.state, found) == (State.OVERDUE, ["overdue"])
        assert row.late_by_seconds > Thresholds().grace(chosen.period).total_seconds()
    elif one.dead_for < MINUTE:
        assert row.state is not State.OVERDUE
    assert {other.state for other in world.rows() if other.strategy_run_id != chosen.id} <= {State.ON_TIME, State.LATE}
