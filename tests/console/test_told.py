"""What a process tells is bounded, and what is left out is counted."""

import msgspec

from gateway.console.told import (
    MAX_TOLD,
    OTHERS,
    Counted,
    IssuerTold,
    Refused,
    Told,
    UpstreamTold,
    bounded,
    cut,
    folded,
)


def refused(evidence: str = "e") -> Refused:
    return Refused(1.0, 401, "r", "refused", evidence)


def test_what_is_small_is_told_whole() -> None:
    told = Told(1.0, refusals=[refused()], counts=[Counted("a", "admitted", "-", 2, 3)])
    assert msgspec.json.decode(bounded(told), type=Told) == told


def test_of_many_long_refusals_the_newest_are_told_and_the_others_counted() -> None:
    told = Told(1.0, refusals=[refused(f"{number}" + "x" * 3000) for number in range(50)])
    read = msgspec.json.decode(bounded(told), type=Told)
    assert len(bounded(told)) <= MAX_TOLD
    assert read.refusals[-1].evidence == f"49{'x' * 3000}"
    assert 0 < len(read.refusals) < 50
    assert len(read.refusals) + read.more == 50


def test_whatever_there_is_much_of_it_fits() -> None:
    told = Told(
        1.0,
        counts=[Counted("é" * 300, f"o{number}", "x" * 300, 2, 1) for number in range(300)],
        issuers=[IssuerTold("x" * 5000) for _ in range(50)],
        upstreams=[UpstreamTold("x" * 5000) for _ in range(50)],
    )
    assert len(bounded(told)) <= MAX_TOLD


def test_the_most_frequent_are_kept_and_no_request_is_lost() -> None:
    counts = [Counted(f"route {number}", "admitted", "-", 2, number) for number in range(100)]
    few = folded(counts, 10)
    assert len(few) <= 10
    assert sum(one.count for one in few) == sum(range(100))
    assert few[0].count == 99
    assert few[-1].route == OTHERS
    assert folded(counts, 100) is counts


def test_where_even_the_ways_of_the_others_are_too_many_they_are_one() -> None:
    few = folded([Counted("a", "refused", f"reason {number}", 4, 1) for number in range(50)], 10)
    assert len(few) == 6
    assert (few[-1].reason, few[-1].count) == (OTHERS, 45)


def test_what_is_long_is_cut() -> None:
    assert [cut(None, 3), cut("abc", 3), cut("abcd", 3)] == [None, "abc", "abc..."]
