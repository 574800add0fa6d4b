from typing import Any

import pytest

from gateway.core.config.file import Config
from gateway.core.config.rates import BadTokensSection
from gateway.core.errors import RateLimited
from gateway.core.rates.bad_tokens import BadTokens, compile_bad_tokens
from tests.signer import issuer


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def is_over(bad_tokens: BadTokens, sender: str | None) -> bool:
    try:
        bad_tokens.check(sender)
    except RateLimited:
        return True
    return False


def test_whoever_sends_too_many_is_over_and_comes_back_bit_by_bit() -> None:
    clock = Clock()
    bad_tokens = BadTokens(limit=30, window=60, clock=clock)
    for _ in range(30):
        assert not is_over(bad_tokens, "192.0.2.1")
        bad_tokens.count("192.0.2.1")
    with pytest.raises(RateLimited) as refused:
        bad_tokens.check("192.0.2.1")
    assert (refused.value.retry_after, refused.value.rate) == (2, None)
    assert refused.value.evidence == "30 bad tokens in 60s came from this address"
    assert not is_over(bad_tokens, "192.0.2.2")
    clock.now += 2
    assert not is_over(bad_tokens, "192.0.2.1")
    bad_tokens.count("192.0.2.1")
    assert is_over(bad_tokens, "192.0.2.1")


def test_more_of_them_make_nobody_wait_longer() -> None:
    clock = Clock()
    bad_tokens = BadTokens(limit=1, window=1.5, clock=clock)
    for _ in range(1_000):
        bad_tokens.count("192.0.2.1")
    assert is_over(bad_tokens, "192.0.2.1")
    clock.now += 1.5
    assert not is_over(bad_tokens, "192.0.2.1")


def test_nobody_is_counted_where_nobody_says_whose_address_counts() -> None:
    bad_tokens = BadTokens(limit=1, window=60, clock=Clock())
    for _ in range(3):
        bad_tokens.count(None)
        bad_tokens.check(None)
    assert repr(bad_tokens) == "<BadTokens: <Buckets: 0 of 100000>>"


def test_another_one_goes_on_with_what_was_counted() -> None:
    before = BadTokens(limit=1, window=60, clock=Clock())
    before.count("192.0.2.1")
    now = BadTokens(limit=1, window=60, clock=Clock())
    assert not is_over(now, "192.0.2.1")
    now.inherit(before)
    assert is_over(now, "192.0.2.1")
    assert not is_over(now, "192.0.2.2")


def test_a_flood_of_addresses_is_bounded_and_frees_who_was_forgotten() -> None:
    bad_tokens = BadTokens(limit=1, window=60, clock=Clock(), most=100)
    bad_tokens.count("192.0.2.1")
    for number in range(99):
        bad_tokens.count(f"2001:db8::{number:x}")
    assert is_over(bad_tokens, "192.0.2.1")
    bad_tokens.count("2001:db8:1::")
    assert not is_over(bad_tokens, "192.0.2.1")


@pytest.mark.parametrize(
    ("settings", "counted"),
    [
        ({}, False),
        ({"trusted_proxies": ("10.0.0.0/8",)}, False),
        ({"bad_tokens": BadTokensSection(), "trusted_proxies": ("10.0.0.0/8",)}, True),
        ({"bad_tokens": "off", "trusted_proxies": ("10.0.0.0/8",)}, False),
    ],
)
def test_they_are_counted_where_that_is_configured(settings: dict[str, Any], *, counted: bool) -> None:
    config = Config(upstream="http://127.0.0.1:1", issuers=(issuer(),), **settings)
    assert (compile_bad_tokens(config, clock=Clock()) is not None) == counted
