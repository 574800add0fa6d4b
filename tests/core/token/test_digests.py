"""A digest that is found is the one that would be made, and no token outlasts its period."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.token.digests import LONGEST, MANY, MOST, REST, RecentDigests, digest_of


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([b"", b"a", b"b" * LONGEST, b"c" * (LONGEST + 1)]), max_size=60)
)
def test_it_is_the_sha_256_whatever_was_asked_before(tokens: list[bytes]) -> None:
    recent = RecentDigests()
    for number, token in enumerate([*tokens, *tokens]):
        assert recent.of(token) == digest_of(token) == sha256(token).digest()
        if number % 7 == 6:
            recent.forget()


def test_a_token_that_comes_again_is_looked_up() -> None:
    recent = RecentDigests()
    assert recent.of(b"token") is recent.of(b"token")
    assert repr(recent) == "RecentDigests(1 tokens, in use)"


def test_no_token_outlasts_its_period() -> None:
    recent = RecentDigests()
    first = recent.of(b"token")
    recent.of(b"token")
    recent.forget()
    assert repr(recent) == "RecentDigests(0 tokens, in use)"
    assert recent.of(b"token") is not first


def test_there_are_bounds_in_number_and_in_size() -> None:
    recent = RecentDigests()
    for number in range(MOST + 10):
        recent.of(b"%d" % number)
    assert recent.of(b"x" * (LONGEST + 1)) is not recent.of(b"x" * (LONGEST + 1))
    assert repr(recent) == f"RecentDigests({MOST} tokens, in use)"


def test_it_rests_where_it_does_not_pay_and_tries_again_later() -> None:
    recent = RecentDigests()
    for number in range(MANY + 1):
        recent.of(b"%d" % number)
    for left in range(REST, 0, -1):
        recent.forget()
        assert repr(recent) == f"RecentDigests(0 tokens, rests {left})"
        assert recent.of(b"token") is not recent.of(b"token")
    recent.forget()
    assert recent.of(b"token") is recent.of(b"token")


@pytest.mark.parametrize(("tokens", "times"), [(0, 0), (1, 1), (MANY, 1), (MANY + 1, 2)])
def test_silence_a_few_tokens_and_tokens_that_come_again_are_no_reason_to_rest(tokens: int, times: int) -> None:
    recent = RecentDigests()
    for _ in range(times):
        for number in range(tokens):
            recent.of(b"%d" % number)
    recent.forget()
    assert repr(recent) == "RecentDigests(0 tokens, in use)"
