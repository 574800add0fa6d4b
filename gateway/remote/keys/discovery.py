"""Where an issuer publishes its keys, and what it publishes there now: discovery, a fixed address, or a file.

Decides when the address is asked for anew; knows nothing of when keys are fetched or how long old ones serve.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from gateway.core.config.issuers import Issuer
from gateway.core.jsontext import parse_json
from gateway.core.shown import near_miss, shown
from gateway.core.token.keys import KeySet, UnusableKeySet, parse_key_set
from gateway.remote.authentication import ReadSecret
from gateway.remote.fetched import (
    ACCEPT_KEY_SET,
    FETCH_TIMEOUT,
    MAX_BYTES,
    Fetched,
    FetchFailed,
    parse_fetchable,
    shown_address,
)

#: behind the issuer
DISCOVERY: Final = "/.well-known/openid-configuration"
#: seconds a document is kept when it does not say, and the bounds on what it may say
LIFETIME: Final = 10 * 60.0
MIN_LIFETIME: Final = 60.0
MAX_LIFETIME: Final = 60 * 60.0
#: How much of the time for a document passes in silence before an impatient fetch tries another connection: 1.5 s of 5.
RENEWAL: Final = 0.3
#: seconds; a file costs nothing to read again
FILE_LIFETIME: Final = MIN_LIFETIME
#: Statuses of 400 and above by which a server says that it cannot tell now; by all others, that this is not here.
_CANNOT_TELL: Final = frozenset({408, 421, 425, 429})


class DiscoveryRefused(FetchFailed):
    """A discovery document came, and it is not the issuer's, or names no place for keys."""

    def __init__(self, sentence: str, *, named: str | None = None, address: str | None = None) -> None:
        """`named`: what it says its issuer is called, where that is another: text of a stranger.

        `address`: where it stands; None: whoever asked for it knows.
        """
        super().__init__(sentence)
        self.named = named
        self.address = address


@dataclass(frozen=True, slots=True)
class Discovered:
    """A discovery document that is the issuer's."""

    #: where it was
    address: str
    document: Mapping[str, Any] = field(repr=False)
    #: as in `Fetched`
    max_age: int | None
    ahead: float | None


@dataclass(frozen=True, slots=True)
class Published:
    """What an issuer publishes now."""

    keys: KeySet
    #: seconds: from one minute to one hour, or `jwks_refresh` where that is less
    lifetime: float
    #: the key set as it came; None: from a file, which every replica has
    document: Any = None
    #: what was said of it: None: nothing, or it is from a file
    said: Fetched | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Location:
    """Where discovery said the keys are."""

    address: str
    #: monotonic seconds; after that it is asked for anew
    fresh_until: float


def lifetime(max_age: int | None) -> float:
    """Seconds that a document with this `max_age` is kept."""
    return LIFETIME if max_age is None else min(max(float(max_age), MIN_LIFETIME), MAX_LIFETIME)


def discovery_addresses(issuer: Issuer) -> tuple[str, ...]:
    """Where the discovery document may be, in the order to try.

    OpenID Connect Discovery 1.0 section 4, RFC 8414 section 3.1, and the compatible form of its section 5.
    FetchFailed: the issuer is no address, so there is nowhere to ask.
    """
    if issuer.discovery_url is not None:
        return (issuer.discovery_url,)
    parse_fetchable(issuer.issuer, issuer)
    base = issuer.issuer.removesuffix("/")
    scheme, _, rest = base.partition("://")
    authority, slash, path = rest.partition("/")
    inserted = (
        f"{scheme}://{authority}/.well-known/{name}{slash}{path}"
        for name in ("oauth-authorization-server", "openid-configuration")
    )
    return tuple(dict.fromkeys((base + DISCOVERY, *inserted)))


def is_absent(failure: FetchFailed) -> bool:
    """Whether a server answered, and what it said means that there is no discovery document at this address.

    401, 403 and 405 come from servers that guard whatever they do not know, a redirect to a login or a page of HTML
    from those that serve a web application there. An overload or an outage says nothing about the address.
    """
    status = failure.status
    return status is not None and (status < 500 or status == 501) and status not in _CANNOT_TELL


async def fetch_discovery(
    issuer: Issuer, *, limit: float = FETCH_TIMEOUT, renewal: float | None = None, read: ReadSecret | None = None
) -> Discovered:
    """The discovery document of an issuer, from the first address that has one. `limit` and so on: of `fetch_json`.

    DiscoveryRefused: what stands there is another issuer's. FetchFailed: none could be had.
    """
    from gateway.remote.http import fetch_json  # noqa: PLC0415 -- its library is there where somebody is asked

    failures: list[FetchFailed] = []
    for address in discovery_addresses(issuer):
        try:
            fetched = await fetch_json(address, issuer, limit=limit, renewal=renewal, read=read)
            document = check_issuer(fetched.document, issuer)
        except DiscoveryRefused as refused:
            sentence = f"{shown_address(address)}: {refused}"
            failures.append(DiscoveryRefused(sentence, named=refused.named, address=address))
            break
        except FetchFailed as failure:
            failures.append(failure)
            if not is_absent(failure):
                break
        else:
            return Discovered(address, document, fetched.max_age, fetched.ahead)
    # What every address said: the first is the one people mean, whichever was the last to be tried.
    sentence, last = "; ".join(map(str, failures)), failures[-1]
    if isinstance(last, DiscoveryRefused):
        raise DiscoveryRefused(sentence, named=last.named, address=last.address)
    raise FetchFailed(sentence, status=last.status)


def parse_discovery(document: object, issuer: Issuer) -> str:
    """The `jwks_uri` of a discovery document. DiscoveryRefused: it speaks for another issuer, or names no address."""
    address = check_issuer(document, issuer).get("jwks_uri")
    if not isinstance(address, str):
        raise DiscoveryRefused("the discovery document has no jwks_uri")
    return address


def check_issuer(document: object, issuer: Issuer) -> dict[str, Any]:
    """The members of a discovery document, when it is this issuer's. DiscoveryRefused: it speaks for another."""
    if not isinstance(document, dict):
        raise DiscoveryRefused("the discovery document is not an object")
    named = document.get("issuer")
    # OpenID Connect Discovery 1.0 section 4.3, RFC 8414 section 3.3: it MUST be identical.
    if named is None:
        raise DiscoveryRefused("the discovery document names no issuer")
    if named != issuer.issuer:
        near = near_miss([named], [issuer.issuer])
        raise DiscoveryRefused(
            f"the discovery document names another issuer than the configured one, {shown(named)}{near}",
            named=named if isinstance(named, str) else None,
        )
    return document


class Publisher:
    """The place where one issuer publishes its keys. One call at a time."""

    def __init__(self, issuer: Issuer, *, limit: float = FETCH_TIMEOUT, read: ReadSecret | None = None) -> None:
        """`limit`: seconds for each document. `read`: what a secret is now, where the issuer is shown one."""
        self._read = read
        self._issuer = issuer
        self._limit = limit
        #: seconds of silence after which another connection is tried: of an issuer that fails, and in this fetch
        self._impatience = RENEWAL * limit
        self._renewal: float | None = None
        self._location: _Location | None = None
        if issuer.jwks_file is None:
            # Now, and not while somebody waits for keys.
            import gateway.remote.http  # noqa: F401, PLC0415 -- as above

    async def fetch_key_set(self, now: float, *, impatient: bool = False) -> Published:
        """The keys as they are published now, discovery included, within twice `limit`. `now`: monotonic seconds.

        `impatient`: connections that say nothing are not relied on, since the issuer may just be coming back.
        FetchFailed, UnusableKeySet: they cannot be had, or what is there is no key set that could verify anything.
        """
        self._renewal = self._impatience if impatient else None
        try:
            async with asyncio.timeout(2 * self._limit):
                published = await self._fetch_key_set(now)
        except TimeoutError:
            raise FetchFailed(f"discovery and keys took more than {2 * self._limit:g} s") from None
        longest = self._issuer.jwks_refresh
        return published if longest is None else replace(published, lifetime=min(published.lifetime, longest))

    @property
    def address(self) -> str | None:
        """Where discovery said the keys are; None while it did not."""
        return None if self._location is None else self._location.address

    def remember(self, address: str) -> None:
        """Somebody else was told that they are here: good for as long as discovery itself cannot be asked."""
        if self._location is None:
            self._location = _Location(address, float("-inf"))

    async def _fetch_key_set(self, now: float) -> Published:
        if self._issuer.jwks_file is not None:
            return Published(parse_key_set(read_key_file(self._issuer.jwks_file)), FILE_LIFETIME)
        if self._issuer.jwks_url is not None:
            return await self._fetch_from(self._issuer.jwks_url)
        known = self._location
        address = await self._locate(now)
        try:
            return await self._fetch_from(address)
        except (FetchFailed, UnusableKeySet):
            # An address from memory may have moved, unless discovery was asked for it just now, in vain.
            if known is None or self._location is not known or now >= known.fresh_until:
                raise
            self._renewal = self._impatience
            try:
                moved = await self._discover(now)
            except FetchFailed:
                moved = address
            if moved == address:
                raise
        return await self._fetch_from(moved)

    async def _locate(self, now: float) -> str:
        known = self._location
        if known is not None and now < known.fresh_until:
            return known.address
        try:
            return await self._discover(now)
        except FetchFailed as failure:
            # Keys can be had where they were: an outage of discovery is none of theirs.
            if known is None or isinstance(failure, DiscoveryRefused):
                raise
            self._renewal = self._impatience
            return known.address

    async def _discover(self, now: float) -> str:
        found = await fetch_discovery(self._issuer, limit=self._limit, renewal=self._renewal, read=self._read)
        try:
            jwks_uri = parse_discovery(found.document, self._issuer)
        except DiscoveryRefused as refused:
            raise DiscoveryRefused(f"{shown_address(found.address)}: {refused}") from None
        self._location = _Location(jwks_uri, now + lifetime(found.max_age))
        return jwks_uri

    async def _fetch_from(self, address: str) -> Published:
        from gateway.remote.http import fetch_json  # noqa: PLC0415 -- as above

        fetched = await fetch_json(
            address,
            self._issuer,
            accept=ACCEPT_KEY_SET,
            limit=self._limit,
            renewal=self._renewal,
            read=self._read,
        )
        try:
            keys = parse_key_set(fetched.document)
        except UnusableKeySet as error:
            raise UnusableKeySet(f"{shown_address(address)}: {error}") from None
        return Published(keys, lifetime(fetched.max_age), fetched.document, fetched)


def read_key_file(path: str) -> Any:
    """The document in a `jwks_file`. FetchFailed."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise FetchFailed(f"the jwks_file cannot be read ({type(error).__name__})") from None
    if len(raw) > MAX_BYTES:
        raise FetchFailed(f"the jwks_file is larger than {MAX_BYTES // 1024} KiB")
    try:
        return parse_json(raw)
    except ValueError as error:
        raise FetchFailed(f"the jwks_file: {error}") from None
