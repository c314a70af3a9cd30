"""What must hold of every activity, not only of the stories."""

import itertools
import math
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.runner.figures import Window, bucket_of, distribution, series
from app.runner.model import BucketCounts, Run, Thresholds, Tick, history_of
from app.runner.slots import expected_and_missed
from app.runner.timeframes import EPOCH, LEAD, parse_timeframe, slot_of, slot_start
from app.runner.verdict import Verdict
from tests.runner.world import NOW, World, make_run, rules, served_by

TIMEFRAMES = ("1m", "5m", "90s", "1h", "1d", "odd")
ORDER = tuple(Verdict)
SECONDS = st.integers(0, 3 * 86_400).map(lambda seconds: timedelta(seconds=seconds))
STATUSES = st.sampled_from(("ok", "skipped", "blocked", "error"))
TICKS = st.lists(st.builds(lambda ago, status: Tick(NOW - ago, status), SECONDS, STATUSES), max_size=30)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    runs, ticks = [], {}
    for number in range(draw(st.integers(0, 4))):
        times = {name: NOW - draw(SECONDS) for name in ("created_at", "updated_at", "last_run_at")}
        run = make_run(number, draw(st.sampled_from(TIMEFRAMES)), draw(st.sampled_from(("active", "paused"))), **times)
        runs.append(run)
        ticks[run.id] = draw(TICKS)
    return World(tuple(runs), ticks)


@given(worlds(), st.data())
def test_no_verdict_gets_better_by_an_error_in_the_place_of_another_tick_or_beside_it(
    world: World, data: st.DataObject
) -> None:
    placed = [(run, n) for run, ticks in world.ticks.items() for n in range(len(ticks))]
    if not placed:
        return
    run, n = data.draw(st.sampled_from(placed))
    ticks = list(world.ticks[run])
    error = Tick(ticks[n].scheduled_at, "error")
    before = world.report().verdict
    for changed in ([*ticks[:n], error, *ticks[n + 1 :]], [*ticks, error]):
        after = replace(world, ticks={**world.ticks, run: changed}).report().verdict
        assert ORDER.index(after) >= ORDER.index(before)


@given(worlds(), st.integers(-3, 3).map(lambda days: timedelta(days=7 * days)))
def test_a_shifted_clock_shifts_every_answer(world: World, shift: timedelta) -> None:
    """By whole weeks, in which every period here fits."""

    def moved(run: Run) -> Run:
        times = {name: getattr(run, name) + shift for name in ("created_at", "updated_at", "last_run_at")}
        return replace(run, **times)

    later = replace(
        world,
        runs=tuple(moved(run) for run in world.runs),
        ticks={run: [replace(t, scheduled_at=t.scheduled_at + shift) for t in ts] for run, ts in world.ticks.items()},
        as_of=world.as_of + shift,
    )
    here, there = world.report(), later.report()
    assert (there.verdict, rules(there), there.ticks.missed) == (here.verdict, rules(here), here.ticks.missed)
    assert there.runs == here.runs
    assert [(row.next_expected_at - shift, row.late_by_seconds, row.streak, row.slots) for row in later.rows()] == [
        (row.next_expected_at, row.late_by_seconds, row.streak, row.slots) for row in world.rows()
    ]


@given(SECONDS, st.sampled_from(tuple(Window)), st.lists(SECONDS, max_size=40))
def test_buckets_tile_the_window_without_gap_or_overlap(
    offset: timedelta, window: Window, agos: list[timedelta]
) -> None:
    as_of = NOW + offset
    inside = [as_of - ago for ago in agos if ago < window.length]
    counts: BucketCounts = Counter((bucket_of(at, window.bucket), "ok", 1) for at in inside)
    buckets = series(counts, window, as_of)
    assert len(buckets) <= 120
    assert {after.at - before.at for before, after in itertools.pairwise(buckets)} <= {window.bucket}
    assert buckets[0].at <= as_of - window.length < buckets[0].at + window.bucket
    assert buckets[-1].at <= as_of < buckets[-1].at + window.bucket
    assert sum(bucket.ok for bucket in buckets) == len(inside)


@given(TICKS, SECONDS, SECONDS)
def test_what_two_windows_expect_and_miss_adds_up_to_what_their_sum_does(
    ticks: list[Tick], one: timedelta, other: timedelta
) -> None:
    run = make_run()
    near, far = sorted((NOW - one, NOW - other), reverse=True)
    found = served_by(run, ticks)
    grace = Thresholds().grace(run.period)
    whole = expected_and_missed(run, found, far, NOW, Thresholds())
    later = expected_and_missed(run, found, near, NOW, Thresholds())
    # The earlier window ends where the later one begins: a slot at that very moment belongs to the earlier one.
    earlier = expected_and_missed(run, found, far, near + grace + timedelta(microseconds=1), Thresholds())
    if near + grace + timedelta(microseconds=1) <= NOW:
        assert (earlier[0] + later[0], earlier[1] + later[1]) == whole


@given(st.lists(st.integers(0, 100), min_size=1))
def test_percentiles_are_those_of_nearest_rank(values: list[int]) -> None:
    found = distribution(Counter(values).items())
    ordered = sorted(values)
    assert found.count == len(values)
    assert (found.p50, found.p95, found.p99) == tuple(
        ordered[math.ceil(len(values) * percent / 100) - 1] for percent in (50, 95, 99)
    )
    assert found.max == ordered[-1]


@given(st.text() | st.from_regex(r"[0-9]{1,30}[smhdw]", fullmatch=True))
def test_no_timeframe_raises(text: str) -> None:
    seconds = parse_timeframe(text)
    assert seconds is None or 0 < seconds <= 366 * 86_400
    world = World((make_run(1, text),), {UUID(int=1): [Tick(NOW, "ok")]})
    assert world.rows()[0].state == "onTime"


@given(st.datetimes(EPOCH.replace(tzinfo=None)).map(lambda at: at.replace(tzinfo=EPOCH.tzinfo)), st.integers(1, 10**6))
def test_a_slot_begins_at_most_five_seconds_after_what_serves_it(at: object, period: int) -> None:
    assert isinstance(at, type(EPOCH))
    if at.year > 9000:
        return
    start = slot_start(slot_of(at, period), period)
    assert start <= at + LEAD < start + timedelta(seconds=period)


@given(TICKS)
def test_the_order_in_which_ticks_are_read_does_not_matter(ticks: list[Tick]) -> None:
    assert history_of(ticks) == history_of(ticks[::-1])
