"""What a key set means for a rotation: which keys there are, for how long it is kept, and what ends with each key.

Computes from a document that was fetched; the rules are those by which the gateway itself keeps and judges keys.
"""

import math
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509

from gateway.core.config.issuers import Issuer
from gateway.core.errors import UnknownKey
from gateway.core.token.keys import (
    MAX_KEYS,
    EncryptionKey,
    Key,
    UnusableKeySet,
    parse_key,
    parse_key_set,
    shown_kid,
)
from gateway.remote.keys.discovery import LIFETIME, MAX_LIFETIME, MIN_LIFETIME
from gateway.remote.keys.schedule import BUCKET_INTERVAL, BUCKET_SIZE, refresh_after

#: characters of a certificate in a key set
_MAX_CERTIFICATE: Final = 16 << 10
#: members by which some say from when a key signs, in seconds since the epoch
_BEGINNINGS: Final = ("nbf", "iat")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that is said."""

    #: `key`, `keeps`, `new`, `gone`; `warning`, `problem`
    kind: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One member of a key set."""

    position: int
    kid: str
    #: None: it verifies nothing
    key: Key | None = field(repr=False)
    #: why it does not; empty where it does
    why: str
    #: it is there for another purpose
    is_meant: bool
    #: from when it is, and who says so; None: nobody does
    since: str | None

    def verifies(self, algorithms: Sequence[str]) -> list[str]:
        """The algorithms of which it verifies tokens, in order."""
        return [] if self.key is None else sorted(self.key.algorithms.intersection(algorithms))


def entries_of(document: Mapping[str, Any]) -> list[Entry]:
    """The members of a key set that `parse_key_set` takes."""
    return [_entry(position, jwk) for position, jwk in enumerate(document["keys"][:MAX_KEYS])]


def rehearsed(document: Mapping[str, Any], issuer: Issuer, *, max_age: int | None, lifetime: float) -> Iterator[Line]:
    """What there is, what happens when a key is added, and what when each one goes.

    `max_age`: as the response says; `lifetime`: seconds for which the gateway keeps the set.
    """
    entries = entries_of(document)
    yield from (_shown(entry, issuer) for entry in entries)
    yield _kept(issuer, max_age, lifetime)
    yield _new(max_age, lifetime)
    yield _overlap(issuer, lifetime)
    for entry in entries:
        if entry.key is not None:
            yield _gone(entry, entries, document, issuer, lifetime)
    yield from _doubts(entries, issuer, max_age)


def spoken(seconds: float) -> str:
    """A time as people say it: `45 s`, `8.5 min`, `24 h`."""
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{round(seconds / size, 1):g} {unit}"
    return f"{math.ceil(seconds)} s"


def _entry(position: int, jwk: Any) -> Entry:
    members: dict[str, Any] = jwk if isinstance(jwk, dict) else {}
    kid = shown_kid(members["kid"]) if "kid" in members else "without kid"
    try:
        return Entry(position, kid, parse_key(members), "", is_meant=False, since=_since(members))
    except ValueError as error:
        return Entry(position, kid, None, str(error), is_meant=isinstance(error, EncryptionKey), since=_since(members))


def _since(members: Mapping[str, Any]) -> str | None:
    """From when a key is, as itself or its certificate says; strangers write it, and nothing is judged by it."""
    for name in _BEGINNINGS:
        value = members.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1 << 40:
            return f"{_date(float(value))} (its {name})"
    chain = members.get("x5c")
    first = chain[0] if isinstance(chain, list) and chain else None
    if not isinstance(first, str) or len(first) > _MAX_CERTIFICATE:
        return None
    try:
        begun = x509.load_der_x509_certificate(b64decode(first)).not_valid_before_utc
    except (ValueError, TypeError):
        return None
    return f"{begun:%Y-%m-%d} (its certificate)"


def _date(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):
        return "a day that no calendar has"


def _shown(entry: Entry, issuer: Issuer) -> Line:
    name = f"{entry.position} {entry.kid}"
    since = "" if entry.since is None else f", since {entry.since}"
    if entry.key is None:
        kind = "key" if entry.is_meant else "problem"
        verdict = "is for another purpose" if entry.is_meant else "verifies nothing: tokens that it signs are refused"
        return Line(kind, f"{'' if entry.is_meant else 'key '}{name}{since}: {verdict}; {entry.why}")
    algorithms = entry.verifies(issuer.algorithms)
    if not algorithms:
        found = ", ".join(sorted(entry.key.algorithms))
        left_out = f"is for {found}, which `algorithms` leaves out: its tokens are refused"
        return Line("warning", f"key {name}{since}: {left_out}")
    return Line("key", f"{name}{since}: verifies {', '.join(algorithms)}")


def _kept(issuer: Issuer, max_age: int | None, lifetime: float) -> Line:
    if issuer.jwks_file is not None:
        why = "it is a file"
    elif issuer.jwks_refresh is not None and lifetime == float(issuer.jwks_refresh):
        why = "jwks_refresh"
    elif max_age is None:
        why = f"Cache-Control says no max-age: {spoken(LIFETIME)} then"
    else:
        why = f"Cache-Control says max-age={max_age}; {spoken(MIN_LIFETIME)} to {spoken(MAX_LIFETIME)} count"
    first, last = refresh_after(lifetime, 0.0), refresh_after(lifetime, 1.0)
    stale = spoken(lifetime + float(issuer.jwks_max_stale))
    return Line(
        "keeps",
        f"the set for {spoken(lifetime)} ({why}), asks again after {spoken(first)} to {spoken(last)}, and goes on with "
        f"it for {stale} in all while the provider cannot be asked (jwks_max_stale)",
    )


def _new(max_age: int | None, lifetime: float) -> Line:
    others = "" if max_age is None else f" Others that go by Cache-Control know it after {spoken(float(max_age))}."
    return Line(
        "new",
        "a key that signs before a gateway has seen it: its first token has the gateway ask at once "
        f"({BUCKET_SIZE} times in a row, then every {BUCKET_INTERVAL:.0f} s); where the provider cannot be asked that "
        f"token gets 503, and is not refused. Publish a key {spoken(max(lifetime, float(max_age or 0)))} before it "
        f"signs, and nobody waits.{others}",
    )


def _overlap(issuer: Issuer, lifetime: float) -> Line:
    longest = (
        "as long as its longest token lives"
        if issuer.max_lifetime is None
        else f"{spoken(float(issuer.max_lifetime))} (max_lifetime)"
    )
    return Line(
        "overlap",
        f"publish an old key for {longest}, and {spoken(float(issuer.leeway))} of leeway, after it has signed for the "
        f"last time; a gateway forgets it {spoken(refresh_after(lifetime, 1.0))} after it went, at the latest",
    )


def _gone(entry: Entry, entries: Sequence[Entry], document: Mapping[str, Any], issuer: Issuer, lifetime: float) -> Line:
    """What becomes of its tokens when it is not published any more."""
    assert entry.key is not None  # the caller looks
    name = f"{entry.position} {entry.kid}"
    for twin in entries:
        if twin is not entry and twin.key is not None and twin.key.thumbprint == entry.key.thumbprint:
            return Line("gone", f"{name}: nothing changes, since it is published again as {twin.position} {twin.kid}")
    rest = [jwk for position, jwk in enumerate(document["keys"]) if position != entry.position]
    try:
        left = parse_key_set({"keys": rest})
    except UnusableKeySet:
        return Line(
            "gone",
            f"{name}: no key would be left, which is taken for a fault of the provider: its tokens are served for "
            f"{spoken(lifetime + float(issuer.jwks_max_stale))} after the last good fetch, then everybody gets 503",
        )
    after = (
        f"its tokens are refused ({UnknownKey.reason}), remembered ones too, "
        f"{spoken(refresh_after(lifetime, 1.0))} later at the latest"
    )
    others = [key for key in left.keys if key.algorithms.intersection(issuer.algorithms)]
    if not others:
        return Line("gone", f"{name}: {after}; no other key is for the configured algorithms: nobody gets in")
    own = entry.verifies(issuer.algorithms)
    if own and not any(key.algorithms.intersection(own) for key in others):
        return Line("gone", f"{name}: {after}; those by other keys go on, and none of these is for {', '.join(own)}")
    return Line("gone", f"{name}: {after}; those by other keys go on")


def _doubts(entries: Sequence[Entry], issuer: Issuer, max_age: int | None) -> Iterator[Line]:
    """What may go wrong in a rotation."""
    usable = [entry for entry in entries if entry.verifies(issuer.algorithms)]
    if not usable:
        yield Line("problem", "no key is for the configured algorithms: every token is refused")
    elif len(usable) == 1:
        yield Line(
            "warning", "there is one key: publish the next one beside it before it signs, and take this one out last"
        )
    named: dict[str, set[str]] = {}
    for entry in usable:
        assert entry.key is not None  # it verifies something
        if entry.key.kid is not None:
            named.setdefault(entry.key.kid, set()).add(entry.key.thumbprint)
    for kid, prints in named.items():
        if len(prints) > 1:
            yield Line(
                "warning",
                f"{len(prints)} keys are called {shown_kid(kid)}: the gateway tries each, many others the first",
            )
    if len(usable) > 1 and any(entry.key is not None and entry.key.kid is None for entry in usable):
        yield Line(
            "warning", "a key without kid among several: it is tried for every token that names a key nobody has"
        )
    if max_age is not None and max_age > MAX_LIFETIME:
        yield Line(
            "warning",
            f"Cache-Control says {spoken(float(max_age))}: whoever goes by it refuses a new key's tokens for that "
            "long, and takes a withdrawn one's",
        )
