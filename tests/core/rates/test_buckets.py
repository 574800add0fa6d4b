import pytest

from gateway.core.rates.buckets import MAX_BUCKETS, Buckets
from gateway.core.rates.gcra import SECOND, Pace

ONE = (Pace.of(limit=1, window=60, burst=1),)
TWO = (Pace.of(limit=2, window=60, burst=2),)
NOW = 1_000 * SECOND


def test_each_key_has_a_bucket_of_its_own() -> None:
    buckets = Buckets()
    assert buckets.take((b"a",), ONE, now=NOW).empty == ()
    assert buckets.take((b"a",), ONE, now=NOW).empty == (0,)
    assert buckets.take((b"b",), ONE, now=NOW).empty == ()
    assert repr(buckets) == f"<Buckets: 2 of {MAX_BUCKETS}>"


def test_looking_takes_nothing_and_refused_is_not_taken() -> None:
    buckets = Buckets()
    for _ in range(3):
        assert buckets.look((b"a",), ONE, now=NOW).empty == ()
    assert len(buckets) == 0
    buckets.take((b"a",), ONE, now=NOW)
    assert buckets.take((b"b", b"a"), (*ONE, *ONE), now=NOW).empty == (1,)
    assert buckets.take((b"b",), ONE, now=NOW).empty == ()


def test_what_was_learned_elsewhere_counts() -> None:
    buckets = Buckets()
    buckets.learn((b"a",), (NOW + 60 * SECOND,))
    assert buckets.take((b"a",), ONE, now=NOW).empty == (0,)
    assert buckets.take((b"a",), ONE, now=NOW + 60 * SECOND).empty == ()


@pytest.mark.parametrize("used", [False, True])
def test_beyond_the_bound_the_least_recently_used_is_forgotten_and_full_when_it_comes_back(*, used: bool) -> None:
    buckets = Buckets(most=3)
    for key in (b"a", b"b", b"c"):
        buckets.take((key,), TWO, now=NOW)
    if used:
        assert buckets.take((b"a",), TWO, now=NOW).empty == ()
    buckets.take((b"d",), TWO, now=NOW)
    assert len(buckets) == 3
    taken = [buckets.take((b"a",), TWO, now=NOW).empty for _ in range(2)]
    assert taken == ([(0,), (0,)] if used else [(), ()])


def test_a_flood_of_addresses_takes_no_more_than_the_bound() -> None:
    buckets = Buckets(most=1_000)
    for number in range(20_000):
        buckets.take((b"%d" % number,), ONE, now=NOW)
    assert len(buckets) == 1_000
