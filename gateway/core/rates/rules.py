"""The rates of the configuration file, compiled, and whose bucket a request takes out of."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from gateway.core.config.rates import PER_ADDRESS, PER_CALLER, Rate
from gateway.core.rates.gcra import Pace
from gateway.core.token.identity import Identity

#: bytes of a key; a longer one is its SHA-256: subjects may be as long as tokens are
_MAX_KEY = 64


class RateRule:
    """One rate."""

    __slots__ = ("limit", "name", "pace", "per", "policy", "prefix", "window")

    def __init__(self, name: str, per: str, limit: int, window: int, pace: Pace) -> None:
        self.name: Final = name
        #: subject, client, issuer, address or route
        self.per: Final = per
        self.limit: Final = limit
        #: seconds
        self.window: Final = window
        self.pace: Final = pace
        #: what keys begin with
        self.prefix: Final = f"{len(name)}:{name}"
        #: its item in RateLimit-Policy
        self.policy: Final = f'"{name}";q={limit};w={window}'

    def __str__(self) -> str:
        return f"{self.name}: {self.limit} in {self.window}s per {self.per}"

    def key(self, caller: Identity | None, *, sender: str | None, route: str) -> bytes | None:
        """Which bucket; None: nobody knows whose.

        `caller`: None on public routes, where a rule per subject, client or issuer is never asked. `sender`: the
        address that counts.
        """
        if self.per == "route":
            return self._bounded(f"r{route}")
        if self.per == PER_ADDRESS:
            return None if sender is None else self._bounded(f"a{sender}")
        assert caller is not None  # `of_route` leaves these rules out where nobody is known
        # A subject is one with its issuer only: that of another tenant is somebody else.
        issuer = f"{len(caller.issuer)}:{caller.issuer}"
        if caller.tenant is not None:
            issuer = f"t{len(caller.iss)}:{caller.iss}"
        if self.per == "issuer":
            return self._bounded(f"i{issuer}")
        subject, client = caller.subject, caller.client
        # What a token does not have makes nobody share a bucket with everybody else whose token lacks it.
        if subject and (self.per == "subject" or not client):
            return self._bounded(f"s{issuer}{subject}")
        return self._bounded(f"c{issuer}{client}")

    def _bounded(self, whose: str) -> bytes:
        key = (self.prefix + whose).encode("utf-8", "surrogatepass")
        return key if len(key) <= _MAX_KEY else b"#" + sha256(key).digest()


def compile_rates(top: Sequence[Rate], own: Sequence[Rate] | None, *, public: bool) -> tuple[RateRule, ...]:
    """The rules of a route: those at the top and its own, or none. `public`: nobody is known there."""
    if own is None:
        return ()
    return tuple(
        RateRule(
            rate.name,
            rate.per,
            rate.limit,
            int(rate.window),
            Pace.of(
                limit=rate.limit, window=float(rate.window), burst=rate.limit if rate.burst is None else rate.burst
            ),
        )
        for rate in (*top, *own)
        if not (public and rate.per in PER_CALLER)
    )
