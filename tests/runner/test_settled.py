"""What is kept of a window: sums that can be added to and taken from, and when they may be used."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.runner.served import NONE_SERVED, ServedSlots
from app.runner.settled import (
    MOST_KEYS,
    READ_WHOLE_EVERY,
    SETTLES_AFTER,
    Counts,
    ServedRuns,
    Settled,
    Span,
    Steps,
    settled,
    steps,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LENGTH = timedelta(hours=24)
COUNTS = st.dictionaries(st.sampled_from("abc"), st.integers(1, 5)).map(Counts)


def window(as_of: datetime) -> Span:
    return Span(as_of - LENGTH, as_of)


def kept_at(as_of: datetime, table: str = "t") -> Settled[Counts[str]]:
    kept = settled(steps(None, window(as_of), as_of, table), Counts({"a": 1}), [], as_of, table)
    assert kept is not None
    return kept


def test_the_first_time_all_is_read_and_what_is_old_is_kept() -> None:
    taken: Steps[Counts[str]] = steps(None, window(NOW), NOW, "t")
    border = NOW - SETTLES_AFTER
    assert taken == Steps(None, None, Span(NOW - LENGTH, border), Span(border, NOW))
    assert kept_at(NOW) == Settled(Counts({"a": 1}), Span(NOW - LENGTH, border), NOW, "t")


@given(st.lists(st.integers(0, 280), min_size=1, max_size=20))
def test_the_spans_of_a_refresh_tile_what_came_and_what_went(seconds: list[int]) -> None:
    """Nothing is read twice that is kept, nothing left out, however often it is read in five minutes."""
    kept = kept_at(NOW)
    for after in sorted(seconds):
        as_of = NOW + timedelta(seconds=after)
        taken = steps(kept, window(as_of), as_of, "t")
        assert taken.leaving == Span(kept.span.after, as_of - LENGTH)
        assert taken.entering == Span(kept.span.until, as_of - SETTLES_AFTER)
        assert taken.open == Span(as_of - SETTLES_AFTER, as_of)
        following = settled(taken, Counts({"a": 1}), [Counts()], as_of, "t")
        assert following is not None
        assert following.span == Span(as_of - LENGTH, as_of - SETTLES_AFTER)
        assert following.whole_at == NOW
        kept = following


@pytest.mark.parametrize(
    ("as_of", "table"),
    [
        (NOW + READ_WHOLE_EVERY, "t"),
        (NOW - timedelta(microseconds=1), "t"),
        (NOW + timedelta(hours=1), "t"),
        (NOW, "another"),
    ],
    ids=["too old", "a clock that was set back", "a clock that was set ahead", "DDL or a deletion"],
)
def test_what_is_kept_is_not_used_after(as_of: datetime, table: str) -> None:
    assert steps(kept_at(NOW), window(as_of), as_of, table).kept is None


@given(COUNTS, COUNTS)
def test_what_was_added_can_be_taken_away_again(one: Counts[str], other: Counts[str]) -> None:
    assert one.plus(other).minus(other) == one
    assert one.plus(other) == other.plus(one)


def test_more_cannot_be_taken_away_than_there_is() -> None:
    assert Counts({"a": 1}).minus(Counts({"a": 2})) is None
    assert Counts({"a": 1}).minus(Counts({"b": 1})) is None
    taken = steps(kept_at(NOW), window(NOW), NOW, "t")
    assert settled(taken, Counts(), [Counts({"a": 2})], NOW, "t") is None


def test_too_much_is_not_kept() -> None:
    everything = Counts(dict.fromkeys(range(MOST_KEYS + 1), 1))
    assert settled(steps(None, window(NOW), NOW, "t"), everything, [], NOW, "t") is None


def test_slots_are_served_by_either_of_two_spans() -> None:
    run, other = UUID(int=1), UUID(int=2)
    early, late = ServedSlots(64, 0b01, 0b01, 0, 0), ServedSlots(66, 0b11, 0, 0b10, 0b01)
    both = ServedRuns({run: late}).plus(ServedRuns({run: early, other: early}))
    assert both == ServedRuns({run: ServedSlots(64, 0b1101, 0b0001, 0b1000, 0b0100), other: early})
    assert both.of({other}) == ServedRuns({other: early})
    assert ServedRuns({run: NONE_SERVED}).plus(ServedRuns({run: early})) == ServedRuns({run: early})
