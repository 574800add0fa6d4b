"""A bucket is one number; whatever comes when, no more goes through than it held and what it has gained since."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.rates.gcra import SECOND, Pace, remaining, take, wait

TEN_A_SECOND = Pace.of(limit=10, window=1, burst=3)


@pytest.mark.parametrize(
    ("limit", "window", "interval"),
    [
        (10, 1, 100_000),
        (1, 1, SECOND),
        (60, 60, SECOND),
        (7, 60, 8_571_429),
        (3, 1, 333_334),
        (1, 86_400, 86_400 * SECOND),
    ],
)
def test_the_interval_is_rounded_so_that_no_more_than_the_limit_passes(limit: int, window: int, interval: int) -> None:
    assert Pace.of(limit=limit, window=window, burst=1) == Pace(interval, 1)


#: microseconds of each request, and whether it passes, for ten a second and three at once
ARRIVALS = [
    ("three at once, and no fourth", [(0, True), (0, True), (0, True), (0, False)]),
    ("one more for each tenth", [(0, True), (0, True), (0, True), (99_999, False), (100_000, True), (100_000, False)]),
    ("refused ones cost nothing", [(0, True)] * 3 + [(1, False)] * 50 + [(100_000, True)]),
    ("a pause fills it, and no more than that", [(0, True)] * 3 + [(9 * SECOND, True)] * 3 + [(9 * SECOND, False)]),
    ("an even pace passes for ever", [(number * 100_000, True) for number in range(50)]),
    (
        "a clock that goes back asks for an empty bucket's wait, no more",
        [(9 * SECOND, True), (0, False), (100_000, True)],
    ),
]


@pytest.mark.parametrize(("arrivals"), [arrivals for _, arrivals in ARRIVALS], ids=[name for name, _ in ARRIVALS])
def test_what_passes(arrivals: list[tuple[int, bool]]) -> None:
    full_at = 0
    for at, passes in arrivals:
        taken = take((full_at,), (TEN_A_SECOND,), now=1_000 * SECOND + at)
        assert (not taken.empty) == passes, at
        (full_at,) = taken.full_at


def test_what_is_left_and_how_long_it_takes() -> None:
    told = []
    full_at = 0
    for _ in range(5):
        (full_at,) = take((full_at,), (TEN_A_SECOND,), now=7).full_at
        told.append((remaining(full_at, TEN_A_SECOND, now=7), wait(full_at, TEN_A_SECOND, now=7)))
    assert told == [(2, 0), (1, 0), (0, 100_000), (0, 100_000), (0, 100_000)]
    assert (remaining(full_at, TEN_A_SECOND, now=100_007), wait(full_at, TEN_A_SECOND, now=100_006)) == (1, 1)
    assert (remaining(0, TEN_A_SECOND, now=7), wait(0, TEN_A_SECOND, now=7)) == (3, 0)


def test_of_several_buckets_one_is_taken_out_of_all_or_of_none() -> None:
    one = Pace.of(limit=1, window=60, burst=1)
    first = take((0, 0), (TEN_A_SECOND, one), now=5)
    assert (first.empty, first.full_at) == ((), (100_005, 60 * SECOND + 5))
    second = take(first.full_at, (TEN_A_SECOND, one), now=5)
    assert (second.empty, second.full_at) == ((1,), first.full_at)
    both = take((300_005, 60 * SECOND + 5), (TEN_A_SECOND, one), now=5)
    assert both.empty == (0, 1)


@given(
    limit=st.integers(1, 50),
    window=st.integers(1, 60),
    burst=st.integers(1, 20),
    gaps=st.lists(st.integers(0, 20 * SECOND) | st.integers(0, 50_000), max_size=80),
)
def test_no_window_has_more_than_the_burst_and_what_was_gained_in_it(
    limit: int, window: int, burst: int, gaps: list[int]
) -> None:
    pace = Pace.of(limit=limit, window=window, burst=burst)
    now, full_at = 1_700_000_000 * SECOND, 0
    passed: list[int] = []
    for gap in gaps:
        now += gap
        taken = take((full_at,), (pace,), now=now)
        (full_at,) = taken.full_at
        assert (wait(full_at, pace, now=now) > 0) or not taken.empty
        assert 0 <= remaining(full_at, pace, now=now) <= burst
        if not taken.empty:
            passed.append(now)
    for start, began in enumerate(passed):
        for end in range(start, len(passed)):
            seconds = (passed[end] - began) / SECOND
            assert end - start + 1 <= burst + limit * seconds / window


@given(burst=st.integers(1, 20), gaps=st.lists(st.integers(0, SECOND), max_size=60))
def test_whoever_waits_as_long_as_it_is_told_passes(burst: int, gaps: list[int]) -> None:
    pace = Pace.of(limit=3, window=1, burst=burst)
    now, full_at = 1_700_000_000 * SECOND, 0
    for gap in gaps:
        now += gap
        taken = take((full_at,), (pace,), now=now)
        if taken.empty:
            now += wait(taken.full_at[0], pace, now=now)
            taken = take(taken.full_at, (pace,), now=now)
        assert not taken.empty
        (full_at,) = taken.full_at
