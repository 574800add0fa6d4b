from gateway.core.upstream.kept import Kept


def test_a_value_is_kept_until_its_end() -> None:
    kept: Kept[str] = Kept()
    kept.keep("a", "one", until=10.0)
    assert (kept.find("a", 9.9), len(kept)) == ("one", 1)
    assert (kept.find("a", 10.0), len(kept)) == (None, 0)
    assert kept.find("a", 9.9) is None


def test_what_was_asked_for_longest_ago_goes_first() -> None:
    kept: Kept[int] = Kept(max_entries=2)
    for number in range(2):
        kept.keep(number, number, until=10.0)
    kept.find(0, 1.0)
    kept.keep(2, 2, until=10.0)
    assert [kept.find(number, 1.0) for number in range(3)] == [0, None, 2]


def test_no_more_bytes_are_kept_than_may_be() -> None:
    kept: Kept[int] = Kept(max_bytes=10)
    kept.keep("a", 1, until=10.0, size=4)
    kept.keep("a", 2, until=10.0, size=6)
    kept.keep("b", 3, until=10.0, size=4)
    assert repr(kept) == "Kept(2 values, 10 bytes)"
    kept.keep("c", 4, until=10.0, size=11)
    assert repr(kept) == "Kept(0 values, 0 bytes)"
    kept.drop("a")
