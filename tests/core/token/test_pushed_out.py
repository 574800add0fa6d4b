"""Which tokens were pushed out, and which of those that come back may push out others: bounded, and only while most come back."""

from collections.abc import Iterator
from itertools import cycle

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.token.pushed_out import ONE_IN, PushedOut


def _digests(count: int, first: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(first, first + count)]


def _pushed_out(count: int, *, max_entries: int = 80) -> PushedOut:
    pushed_out = PushedOut(max_entries)
    for digest in _digests(count):
        pushed_out.add(digest)
    return pushed_out


def _coming() -> Iterator[bytes]:
    """Those that were pushed out, one after the other, again and again."""
    return cycle(_digests(40))


def test_whoever_was_never_here_may_push() -> None:
    pushed_out = _pushed_out(40)
    assert all(pushed_out.may_push(digest) for digest in _digests(1000, 1000))


def test_while_most_come_back_one_in_some_may_push() -> None:
    pushed_out = _pushed_out(40)
    coming = _coming()
    # An eighth of the bound may, before it is known that most come back.
    assert [pushed_out.may_push(next(coming)) for _ in range(10)] == [True] * 10
    verdicts = [pushed_out.may_push(next(coming)) for _ in range(10 * ONE_IN)]
    assert verdicts == ([False] * (ONE_IN - 1) + [True]) * 10


def test_those_who_come_back_among_many_others_may_push() -> None:
    pushed_out = _pushed_out(40)
    for number in range(200):
        # One in two.
        assert pushed_out.may_push(b"1")
        assert pushed_out.may_push(b"new %d" % number)


def test_those_who_come_back_among_few_others_may_not() -> None:
    pushed_out = _pushed_out(40)
    coming = _coming()
    let_in = 0
    for number in range(300):
        assert pushed_out.may_push(b"new %d" % number)
        let_in += sum(pushed_out.may_push(next(coming)) for _ in range(3))
    assert let_in < 300 * 3 / 6


def test_it_is_soon_forgotten_that_most_came_back() -> None:
    pushed_out = _pushed_out(40)
    coming = _coming()
    for _ in range(10_000):
        pushed_out.may_push(next(coming))
    # They count for twice what is enough, however many they were; and others count double.
    for digest in _digests(5, 1000):
        pushed_out.may_push(digest)
    assert pushed_out.may_push(next(coming)) is False
    for digest in _digests(5, 1000):
        pushed_out.may_push(digest)
    assert pushed_out.may_push(next(coming))


def test_who_comes_more_often_than_what_goes_round_may_push() -> None:
    pushed_out = _pushed_out(40)
    coming = _coming()
    for _ in range(10):
        pushed_out.may_push(next(coming))
    assert pushed_out.may_push(b"39") is False
    # Some are known that were kept out a moment ago.
    assert not any(pushed_out.may_push(next(coming)) for _ in range(5))
    assert pushed_out.may_push(b"39")
    # Once it is kept it is nobody who was kept out.
    pushed_out.forget(b"39")
    pushed_out.add(b"39")
    assert pushed_out.may_push(next(coming))  # the eighth
    assert pushed_out.may_push(b"39") is False
    for _ in range(12):
        pushed_out.may_push(next(coming))
    assert pushed_out.may_push(b"39") is False


def test_who_is_kept_was_not_pushed_out() -> None:
    pushed_out = _pushed_out(60)
    for digest in _digests(60):
        pushed_out.forget(digest)
        pushed_out.forget(digest)
    assert len(pushed_out) == 0
    assert all(pushed_out.may_push(digest) for digest in _digests(60) * 3)


def test_the_oldest_are_forgotten_by_the_half() -> None:
    pushed_out = _pushed_out(80)
    assert len(pushed_out) == 80
    pushed_out.add(b"80")
    assert len(pushed_out) == 41
    # 40 .. 79 and 80 are known: most come back; 0 was never here.
    for _ in range(20):
        pushed_out.may_push(b"40")
    assert pushed_out.may_push(b"80") is False
    assert pushed_out.may_push(b"0")


def test_the_smallest_has_its_bounds() -> None:
    pushed_out = _pushed_out(10, max_entries=1)
    assert len(pushed_out) == 2
    assert [pushed_out.may_push(b"9") for _ in range(4)] == [True, False, True, True]


@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.sampled_from(["add", "forget", "may_push"]), st.integers(0, 60)), max_size=200),
)
def test_it_never_has_more_than_its_bound(max_entries: int, deeds: list[tuple[str, int]]) -> None:
    pushed_out = PushedOut(max_entries)
    for deed, number in deeds:
        getattr(pushed_out, deed)(b"%d" % number)
        assert len(pushed_out) <= max(2, max_entries)
