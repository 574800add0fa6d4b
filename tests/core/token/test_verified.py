"""The memory of tokens that passed: bounded, least recently used first out, and no worse where more are in use than fit."""

from collections import OrderedDict
from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.token.identity import Identity
from gateway.core.token.markers import Verdict
from gateway.core.token.verified import VerifiedTokens


def identity(subject: str) -> Identity:
    return Identity(
        issuer="local",
        subject=subject,
        client=None,
        scopes=(),
        claims={},
        expires_at=1.0,
        not_before=None,
        leeway=0.0,
        key="k",
        verdict=Verdict("access", ""),
        token_id="",
        headers=(),
    )


ANYBODY = identity("anybody")


def remember(tokens: VerifiedTokens, *names: str, size: int = 10) -> None:
    for name in names:
        tokens.remember(name.encode(), identity(name), token_bytes=size)


def known(tokens: VerifiedTokens, *names: str) -> str:
    return "".join(name for name in names if tokens.find(name.encode()) is not None)


def test_what_passed_is_found_again() -> None:
    tokens = VerifiedTokens()
    assert tokens.find(b"a") is None
    known_now = identity("a")
    tokens.remember(b"a", known_now, token_bytes=10)
    assert tokens.find(b"a") is known_now
    assert len(tokens) == 1


def test_the_least_recently_used_goes_first() -> None:
    tokens = VerifiedTokens(max_entries=3)
    remember(tokens, "a", "b", "c")
    tokens.find(b"a")
    remember(tokens, "d")
    assert known(tokens, "a", "b", "c", "d") == "acd"


def test_the_order_of_use_is_known_to_an_eighth() -> None:
    tokens = VerifiedTokens(max_entries=80)
    names = [str(number) for number in range(80)]
    remember(tokens, *names)
    # Used just after it was made, and used when more than an eighth was made since.
    tokens.find(b"75")
    tokens.find(b"0")
    tokens.find(b"1")
    remember(tokens, *(f"new {number}" for number in range(78)))
    assert [name for name in names if tokens.find(name.encode())] == ["0", "1"]
    assert len(tokens) == 80


def test_of_the_first_few_the_one_goes_that_was_not_used_for_longest() -> None:
    tokens = VerifiedTokens(max_entries=16)
    names = [str(number) for number in range(16)]
    remember(tokens, *names)
    # Too little later to go behind the others.
    tokens.find(b"13")
    remember(tokens, *(f"new {number}" for number in range(14)))
    assert [name for name in names if b"%s" % name.encode() in tokens._entries] == ["13", "15"]


def test_a_cycle_that_fits_is_never_forgotten() -> None:
    tokens = VerifiedTokens(max_entries=80)
    names = [str(number) for number in range(80)]
    remember(tokens, *names)
    for _ in range(5):
        assert all(tokens.find(name.encode()) for name in names)


def test_bytes_of_token_bound_it_as_well() -> None:
    tokens = VerifiedTokens(max_token_bytes=100)
    remember(tokens, *"abcdefghij")
    assert len(tokens) == 10
    remember(tokens, "k", size=25)
    assert known(tokens, *"abcdefghijk") == "defghijk"
    remember(tokens, "l", size=100)
    assert known(tokens, *"abcdefghijkl") == "l"


def test_a_token_larger_than_the_bound_is_not_kept_and_the_count_stays_right() -> None:
    tokens = VerifiedTokens(max_token_bytes=100)
    remember(tokens, "a", size=101)
    assert len(tokens) == 0
    remember(tokens, "b", size=100)
    assert known(tokens, "b") == "b"


def test_remembering_again_replaces_and_counts_once() -> None:
    tokens = VerifiedTokens(max_token_bytes=100)
    for _ in range(50):
        remember(tokens, "a", size=60)
    assert len(tokens) == 1
    remember(tokens, "b", size=40)
    assert known(tokens, "a", "b") == "ab"


def test_what_is_forgotten_is_gone_and_forgetting_twice_is_no_error() -> None:
    tokens = VerifiedTokens(max_token_bytes=100)
    remember(tokens, "a", size=100)
    tokens.forget(b"a")
    tokens.forget(b"a")
    assert tokens.find(b"a") is None
    remember(tokens, "b", size=100)
    assert known(tokens, "b") == "b"


def test_another_identity_takes_its_place_where_there_is_one() -> None:
    tokens = VerifiedTokens(max_token_bytes=25)
    remember(tokens, "a", "b")
    other = identity("other")
    tokens.replace(b"a", other)
    tokens.replace(b"c", other)
    assert tokens.find(b"a") is other
    assert known(tokens, "a", "b", "c") == "ab"
    # It counts as many bytes as before.
    remember(tokens, "d")
    assert len(tokens) == 2


def test_what_was_said_beside_a_token_counts_like_the_token() -> None:
    tokens = VerifiedTokens(max_token_bytes=40)
    remember(tokens, "a", "b")
    tokens.replace(b"a", identity("a"), beside=10)
    tokens.replace(b"b", identity("b"), beside=10)
    assert known(tokens, "a", "b") == "ab"
    # Another in its place counts instead.
    tokens.replace(b"b", identity("b"), beside=5)
    tokens.replace(b"b", identity("b"), beside=11)
    assert known(tokens, "a", "b") == "b"
    tokens.replace(b"b", identity("b"))
    remember(tokens, "c", "d", "e")
    assert known(tokens, "b", "c", "d", "e") == "bcde"
    tokens.replace(b"e", identity("e"), beside=40)
    assert len(tokens) == 0


def look_up(tokens: VerifiedTokens, numbers: Iterable[int], *, size: int = 10) -> int:
    """How many of these tokens are found when each comes in turn, and is remembered where it was not."""
    found = 0
    for number in numbers:
        digest = b"%d" % number
        if tokens.find(digest) is not None:
            found += 1
        else:
            tokens.remember(digest, ANYBODY, token_bytes=size)
    return found


@pytest.mark.parametrize(("count", "share"), [(10_500, 0.92), (12_000, 0.75), (15_000, 0.5)])
def test_of_somewhat_more_tokens_than_fit_most_are_found(count: int, share: float) -> None:
    tokens = VerifiedTokens()
    look_up(tokens, [*range(count)] * 3)
    assert look_up(tokens, [*range(count)] * 2) >= 2 * share * count
    assert len(tokens) == 10_000


def test_of_somewhat_more_bytes_than_fit_most_are_found() -> None:
    tokens = VerifiedTokens(max_entries=2000, max_token_bytes=10_000)
    look_up(tokens, [*range(1200)] * 3)
    assert look_up(tokens, [*range(1200)] * 2) >= 2 * 0.75 * 1200
    assert len(tokens) == 1000


def test_tokens_of_others_are_found_beside_somebody_with_more_than_fit() -> None:
    """Each of a hundred comes four times while the tokens of one go round: a tenth of all that is kept, or less."""
    tokens = VerifiedTokens(max_entries=1000)
    found = count = 0
    for step in range(24_000):
        look_up(tokens, [step % 1200])
        if step % 3 == 0:
            hit = look_up(tokens, [10_000 + step // 3 % 100])
            if step > 6_000:
                found, count = found + hit, count + 1
    assert found > 0.9 * count


@pytest.mark.parametrize("count", [2_000, 10_000])
def test_of_many_more_than_fit_none_are_found_as_before(count: int) -> None:
    tokens = VerifiedTokens(max_entries=1000)
    assert look_up(tokens, [*range(count)] * 3) == 0
    assert len(tokens) == 1000


@pytest.mark.parametrize("skew", [0.7, 1.0, 1.2])
def test_where_some_are_used_more_than_others_it_is_no_worse_than_least_recently_used(skew: float) -> None:
    names = range(6_000)
    stream = Random(1).choices(names, weights=[1 / (rank + 1) ** skew for rank in names], k=30_000)
    plain: OrderedDict[int, None] = OrderedDict()
    least = 0
    for number in stream:
        least += number in plain
        plain.pop(number, None)
        plain[number] = None
        if len(plain) > 1000:
            plain.popitem(last=False)
    assert look_up(VerifiedTokens(max_entries=1000), stream) >= 0.99 * least


def test_one_that_is_used_all_the_time_stays_among_many_that_come_back() -> None:
    tokens = VerifiedTokens(max_entries=1000)
    look_up(tokens, [-1])
    for _ in range(10):
        for number in range(1300):
            look_up(tokens, [number])
            if number % 50 == 0:
                assert tokens.find(b"-1") is ANYBODY


def test_new_tokens_of_those_who_are_here_are_kept_at_once() -> None:
    # 1,200 clients in turn, each with a new token in the place of the old one every tenth time: not all in one round.
    tokens = VerifiedTokens(max_entries=1000)
    for turn in range(60):
        for client in range(1200):
            number = client * 1000 + (turn + client) // 10
            fresh = (turn + client) % 10 == 0
            look_up(tokens, [number])
            assert not fresh or tokens.find(b"%d" % number) is ANYBODY


def test_where_there_is_room_whoever_comes_back_is_kept() -> None:
    tokens = VerifiedTokens(max_entries=80)
    look_up(tokens, [*range(100)] * 5)
    kept = [number for number in range(100) if tokens.find(b"%d" % number)]
    for number in kept:
        tokens.forget(b"%d" % number)
    look_up(tokens, range(80))
    assert look_up(tokens, range(80)) == 80


def test_who_was_forgotten_was_not_pushed_out() -> None:
    tokens = VerifiedTokens(max_entries=80)
    # Such as expired ones, and those whose key is gone: they come back, and are kept.
    for turn in range(20):
        look_up(tokens, range(turn * 100, turn * 100 + 80))
        for number in range(turn * 100, turn * 100 + 80):
            tokens.forget(b"%d" % number)
    look_up(tokens, range(80))
    assert look_up(tokens, range(80)) == 80


def test_one_that_is_remembered_is_replaced_whatever_came_back() -> None:
    tokens = VerifiedTokens(max_entries=80)
    look_up(tokens, [*range(100)] * 5)
    kept = next(b"%d" % number for number in range(100) if tokens.find(b"%d" % number))
    for _ in range(20):
        other = identity("other")
        tokens.remember(kept, other, token_bytes=10)
        assert tokens.find(kept) is other
    assert len(tokens) == 80


def test_one_that_was_not_kept_is_neither_found_nor_counted() -> None:
    tokens = VerifiedTokens(max_entries=80, max_token_bytes=800)
    look_up(tokens, [*range(100)] * 5)
    left_out = next(b"%d" % number for number in range(100) if not tokens.find(b"%d" % number))
    tokens.replace(left_out, identity("other"), beside=700)
    tokens.forget(left_out)
    assert tokens.find(left_out) is None
    assert len(tokens) == 80


@given(
    st.integers(1, 12),
    st.integers(10, 200),
    st.lists(
        st.tuples(st.sampled_from(["remember", "replace", "forget", "find"]), st.integers(0, 30), st.integers(1, 40)),
        max_size=150,
    ),
)
def test_it_finds_what_was_remembered_last_and_keeps_its_bounds(
    max_entries: int, max_bytes: int, deeds: list[tuple[str, int, int]]
) -> None:
    tokens = VerifiedTokens(max_entries=max_entries, max_token_bytes=max_bytes)
    last: dict[bytes, Identity] = {}
    sizes: dict[bytes, tuple[int, int]] = {}
    for deed, number, size in deeds:
        digest = b"%d" % number
        was = tokens.find(digest)
        if deed == "remember":
            named = identity(f"{number} {size}")
            tokens.remember(digest, named, token_bytes=size)
            if tokens.find(digest) is named:
                last[digest], sizes[digest] = named, (size, 0)
            else:
                last.pop(digest, None)
        elif deed == "replace" and was is not None:
            last[digest], sizes[digest] = identity("other"), (sizes[digest][0], size)
            tokens.replace(digest, last[digest], beside=size)
        elif deed == "forget":
            tokens.forget(digest)
            last.pop(digest, None)
        kept = {digest for digest in sizes if tokens.find(digest) is not None}
        assert all(tokens.find(digest) is last[digest] for digest in kept)
        assert len(tokens) == len(kept) <= max_entries
        assert not kept & (tokens._pushed_out._latest | tokens._pushed_out._before)
        assert sum(sum(sizes[digest]) for digest in kept) == tokens._token_bytes <= max_bytes


@given(st.integers(1, 12), st.lists(st.integers(0, 1000), unique=True, max_size=80), st.randoms())
def test_while_nothing_comes_back_the_least_recently_used_go(
    max_entries: int, numbers: list[int], random: Random
) -> None:
    # To an eighth of the bound, which is nothing here: it then knows the order of use.
    tokens = VerifiedTokens(max_entries=min(max_entries, 7))
    plain: OrderedDict[bytes, None] = OrderedDict()
    for number in numbers:
        digest = b"%d" % number
        look_up(tokens, [number])
        plain[digest] = None
        if len(plain) > min(max_entries, 7):
            plain.popitem(last=False)
        used = random.choice(list(plain))
        assert tokens.find(used) is ANYBODY
        plain.move_to_end(used)
        assert {b"%d" % other for other in numbers if tokens._entries.get(b"%d" % other)} == set(plain)
