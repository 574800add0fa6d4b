"""draft-ietf-httpapi-ratelimit-headers-11: two Lists of Strings with Integer parameters (RFC 9651)."""

import re
from typing import Any

import pytest

from gateway.core.rates.fields import longest_wait, rate_lines, rates_in_words
from gateway.core.rates.gcra import SECOND, Pace, Taken, take
from gateway.core.rates.rules import RateRule

NOW = 1_700_000_000 * SECOND


def rule(name: str = "default", limit: int = 100, window: int = 60, burst: int | None = None) -> RateRule:
    return RateRule(name, "subject", limit, window, Pace.of(limit=limit, window=window, burst=burst or limit))


def taken(*rules: RateRule, left: tuple[int, ...]) -> Taken:
    """So many left in each."""
    full_at = tuple(
        NOW + (rule.pace.burst - count) * rule.pace.interval for rule, count in zip(rules, left, strict=True)
    )
    return Taken(NOW, full_at, tuple(index for index, count in enumerate(left) if not count))


@pytest.mark.parametrize(
    ("rules", "left", "policy", "limit"),
    [
        ([rule()], [50], b'"default";q=100;w=60', b'"default";r=50;t=30'),
        ([rule()], [99], b'"default";q=100;w=60', b'"default";r=99;t=60'),
        # None left: `t` is what Retry-After says.
        ([rule()], [0], b'"default";q=100;w=60', b'"default";r=0;t=1'),
        ([rule(limit=1, window=60)], [0], b'"default";q=1;w=60', b'"default";r=0;t=60'),
        # Whoever spreads `r` over `t` seconds keeps to the pace, whatever the burst is.
        ([rule(burst=20)], [20], b'"default";q=100;w=60', b'"default";r=20;t=12'),
        (
            [rule("permin", 50, 60), rule("perhr", 1000, 3600)],
            [20, 399],
            b'"permin";q=50;w=60, "perhr";q=1000;w=3600',
            b'"permin";r=20;t=24, "perhr";r=399;t=1437',
        ),
    ],
)
def test_the_fields_are_those_of_the_draft(rules: list[RateRule], left: list[int], policy: bytes, limit: bytes) -> None:
    assert rate_lines(rules, taken(*rules, left=tuple(left))) == (
        (b"RateLimit-Policy", policy),
        (b"RateLimit", limit),
    )


def test_the_fields_are_structured_fields_of_plain_characters() -> None:
    rules = [rule("a.b-c_9"), rule("Z")]
    for _, value in rate_lines(rules, take((0, 0), [one.pace for one in rules], now=NOW)):
        assert re.fullmatch(
            rb'"[A-Za-z0-9_.-]+"(;[a-z]=[0-9]{1,15})+(, "[A-Za-z0-9_.-]+"(;[a-z]=[0-9]{1,15})+)*', value
        )


def test_the_longest_wait_is_told_in_whole_seconds() -> None:
    rules: list[Any] = [rule("short", 100, 1), rule("full"), rule("long", 7, 60)]
    found, seconds = longest_wait(rules, taken(*rules, left=(0, 5, 0)))
    assert (found.name, seconds) == ("long", 9)
    assert longest_wait(rules[:1], taken(rules[0], left=(0,))) == (rules[0], 1)
    same = [rule("one"), rule("two")]
    assert longest_wait(same, taken(*same, left=(0, 0)))[0].name == "one"


def test_people_are_told_what_is_left() -> None:
    rules = [rule("one", burst=20), rule("two")]
    assert rates_in_words(rules, taken(*rules, left=(19, 0))) == (
        "one: 100 in 60s per subject: 19 of 20 left; two: 100 in 60s per subject: 0 of 100 left"
    )
    assert rates_in_words() == "counted for nobody: no address that counts is known, or no token was shown"
