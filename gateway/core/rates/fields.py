"""What a client is told of its rates: RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-11)."""

from collections.abc import Sequence
from typing import Final

from gateway.core.http.facts import HeaderLine
from gateway.core.rates.gcra import SECOND, Taken, remaining, wait
from gateway.core.rates.rules import RateRule

POLICY: Final = b"RateLimit-Policy"
LIMIT: Final = b"RateLimit"
RATE_FIELDS: Final = frozenset({POLICY, LIMIT})


def rate_lines(rules: Sequence[RateRule], taken: Taken) -> tuple[HeaderLine, ...]:
    """The two lines. `rules`: at least one. `taken`: of their buckets."""
    policies = ", ".join([rule.policy for rule in rules])
    limits = ", ".join([_limit(rule, taken.full_at[index], now=taken.now) for index, rule in enumerate(rules)])
    return (POLICY, policies.encode("ascii")), (LIMIT, limits.encode("ascii"))


def rates_in_words(rules: Sequence[RateRule] = (), taken: Taken | None = None) -> str:
    """What is left in each bucket, for people; of no rules: nobody knew whose."""
    if taken is None:
        return "counted for nobody: no address that counts is known, or no token was shown"
    left = [remaining(taken.full_at[index], rule.pace, now=taken.now) for index, rule in enumerate(rules)]
    return "; ".join([f"{rule}: {left[index]} of {rule.pace.burst} left" for index, rule in enumerate(rules)])


def longest_wait(rules: Sequence[RateRule], taken: Taken) -> tuple[RateRule, int]:
    """Of the rules whose buckets are empty, the one that is empty for longest: whole seconds, at least 1."""
    waits = [(wait(taken.full_at[index], rules[index].pace, now=taken.now), -index) for index in taken.empty]
    longest, index = max(waits)
    return rules[-index], max(_seconds(longest), 1)


def _limit(rule: RateRule, full_at: int, *, now: int) -> str:
    """Section 4.1: `r` may be sent now, and whoever spreads that over `t` seconds keeps to the pace (section 8.5)."""
    left = remaining(full_at, rule.pace, now=now)
    # Section 6: with none left, `t` does not end after what Retry-After says.
    window = left * rule.pace.interval if left else wait(full_at, rule.pace, now=now)
    return f'"{rule.name}";r={left};t={_seconds(window)}'


def _seconds(microseconds: int) -> int:
    return -(-microseconds // SECOND)
