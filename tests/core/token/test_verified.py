"""The memory of tokens that passed: bounded, least recently used first out."""

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
