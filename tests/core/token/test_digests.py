"""A digest that is found is the one that would be made, and no token outlasts its period."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import MalformedCredential, MissingCredential, MultipleCredentials
from gateway.core.token.digests import LONGEST, MANY, MOST, REST, RecentDigests, digest_of


def recent_digests(*, dpop: bool = False) -> RecentDigests:
    return RecentDigests(token_bytes=8192, dpop=dpop)


def of(recent: RecentDigests, token: bytes) -> bytes:
    return recent.presume((b"Bearer " + token,))[1]


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([b"", b"a", b"b" * LONGEST, b"c" * (LONGEST + 1)]), max_size=60)
)
def test_it_is_the_sha_256_whatever_was_asked_before(tokens: list[bytes]) -> None:
    recent = recent_digests()
    for number, token in enumerate([*tokens, *tokens]):
        found, digest = recent.presume((b"Bearer " + token,))
        assert found == token.strip(b" ")
        assert digest == digest_of(found) == sha256(found).digest()
        if number % 7 == 6:
            recent.forget()


def test_a_token_that_comes_again_is_looked_up() -> None:
    recent = recent_digests()
    assert of(recent, b"token") is of(recent, b"token")
    assert repr(recent) == "RecentDigests(1 tokens, in use)"


def test_no_token_outlasts_its_period() -> None:
    recent = recent_digests()
    first = of(recent, b"token")
    of(recent, b"token")
    recent.forget()
    assert repr(recent) == "RecentDigests(0 tokens, in use)"
    assert of(recent, b"token") is not first


def test_there_are_bounds_in_number_and_in_size() -> None:
    recent = recent_digests()
    for number in range(MOST + 10):
        of(recent, b"%d" % number)
    assert of(recent, b"x" * (LONGEST + 1)) is not of(recent, b"x" * (LONGEST + 1))
    assert repr(recent) == f"RecentDigests({MOST} tokens, in use)"


def test_it_rests_where_it_does_not_pay_and_tries_again_later() -> None:
    recent = recent_digests()
    for number in range(MANY + 1):
        of(recent, b"%d" % number)
    for left in range(REST, 0, -1):
        recent.forget()
        assert repr(recent) == f"RecentDigests(0 tokens, rests {left})"
        assert of(recent, b"token") is not of(recent, b"token")
    recent.forget()
    assert of(recent, b"token") is of(recent, b"token")


@pytest.mark.parametrize(("tokens", "times"), [(0, 0), (1, 1), (MANY, 1), (MANY + 1, 2)])
def test_silence_a_few_tokens_and_tokens_that_come_again_are_no_reason_to_rest(tokens: int, times: int) -> None:
    recent = recent_digests()
    for _ in range(times):
        for number in range(tokens):
            of(recent, b"%d" % number)
    recent.forget()
    assert repr(recent) == "RecentDigests(0 tokens, in use)"


def test_what_is_no_credential_is_refused_every_time_and_another_spelling_is_the_same_token() -> None:
    recent = recent_digests(dpop=True)
    for _ in range(2):
        assert (
            recent.presume((b"bearer  token ",))
            == recent.presume((b"Bearer token",))
            == (b"token", digest_of(b"token"))
        )
        assert recent.presume((b"DPoP token",)) == (b"token", digest_of(b"token"))
        with pytest.raises(MissingCredential):
            recent.presume(())
        with pytest.raises(MultipleCredentials):
            recent.presume((b"Bearer token", b"Bearer token"))
        with pytest.raises(MalformedCredential):
            recent.presume((b"bearer a b",))
    with pytest.raises(MissingCredential):
        recent_digests().presume((b"DPoP token",))
    assert repr(recent) == "RecentDigests(3 tokens, in use)"
