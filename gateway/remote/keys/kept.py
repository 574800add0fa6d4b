"""The last good keys of an issuer, as replicas leave them to each other: one that starts while it is down has them.

Decides what of them is still believed. Where they are kept is for whoever gives the place to say.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.core.config.issuers import Issuer
from gateway.core.jsontext import parse_json
from gateway.core.token.keys import KeySet, UnusableKeySet, parse_key_set

#: seconds, whatever `jwks_max_stale` allows
MAX_AGE: Final = 24 * 3600.0
#: seconds by which the clocks of replicas may differ
_LEEWAY: Final = 300.0
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Kept:
    """What was fetched once, by whichever replica."""

    keys: KeySet = field(repr=False)
    #: the key set as it was published
    document: Any = field(repr=False)
    #: where discovery said the keys are; None: no discovery was needed
    address: str | None
    #: seconds since the epoch
    fetched_at: float
    #: seconds for which they are fresh
    lifetime: float

    def usable_for(self, now: float, *, max_stale: float) -> float:
        """Seconds for which they may still serve, at most a day behind their fetch; none when that is over."""
        return self.fetched_at + min(MAX_AGE, self.lifetime + max_stale) - now


def key_of(issuer: Issuer) -> bytes:
    """Whose keys they are, and from where."""
    where = (issuer.issuer, issuer.discovery_url, issuer.jwks_url)
    return json.dumps(where).encode()


def encode(kept: Kept) -> bytes:
    """For the place."""
    return json.dumps(
        {
            "version": _VERSION,
            "fetched_at": kept.fetched_at,
            "lifetime": kept.lifetime,
            "address": kept.address,
            "jwks": kept.document,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode("utf-8", "surrogatepass")


def find_kept(value: bytes | None, now: float) -> Kept | None:
    """What stands there; None where it is nothing that this version can use. `now`: seconds since the epoch."""
    if value is None:
        return None
    try:
        read = parse_json(value)
        if not isinstance(read, dict) or read.get("version") != _VERSION:
            return None
        keys = parse_key_set(read.get("jwks"))
    except (ValueError, UnusableKeySet):
        return None
    fetched_at, lifetime, address = _number(read.get("fetched_at")), _number(read.get("lifetime")), read.get("address")
    if fetched_at is None or lifetime is None or not (address is None or isinstance(address, str)):
        return None
    # What comes from the future comes from a clock that nobody can go by.
    if fetched_at > now + _LEEWAY or lifetime < 0:
        return None
    return Kept(keys, read["jwks"], address, min(fetched_at, now), lifetime)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
