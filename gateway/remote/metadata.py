"""What an issuer says of itself beside its keys: the endpoints that its discovery document names.

Decides how long the document is believed, and which endpoint a client with a certificate asks. Where it may be, and
whether it is the issuer's, is `keys.discovery`.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.core.config.issuers import Issuer
from gateway.remote.authentication import ReadSecret
from gateway.remote.fetched import FETCH_TIMEOUT, FetchFailed, parse_fetchable, shown_address
from gateway.remote.keys.discovery import fetch_discovery, lifetime

#: Seconds after a failure in which it is not asked again.
PAUSE: Final = 1.0
#: Seconds in which a new document is waited for, by one request, while there is an old one.
MOMENT: Final = 0.5
_LOG: Final = logging.getLogger("gateway.remote")
_NEVER: Final = float("-inf")


class NoEndpoint(FetchFailed):
    """The discovery document came, and names no such endpoint, or one that may not be asked."""


class Metadata:
    """The discovery document of one issuer (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2)."""

    def __init__(
        self,
        issuer: Issuer,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        limit: float = FETCH_TIMEOUT,
        read: ReadSecret | None = None,
    ) -> None:
        """Asks nobody yet. `limit`: seconds for each document. `read`: as for the issuer's keys."""
        self._read = read
        self._issuer = issuer
        self._monotonic = monotonic
        self._limit = limit
        self._document: Mapping[str, Any] = {}
        #: monotonic seconds: until when it is fresh, and until when it is not asked for again
        self._fresh_until = self._paused_until = _NEVER
        self._failure: FetchFailed | None = None
        self._flight: asyncio.Task[None] | None = None

    async def endpoint(self, member: str, *, mtls: bool = False) -> str:
        """The address that the document has as `member`, such as `introspection_endpoint`.

        `mtls`: of a client with a certificate, which some issuers want elsewhere (RFC 8705 section 5). Kept as long as
        the document says, from 1 minute to 1 hour, and beyond while it cannot be had. FetchFailed: it never could.
        NoEndpoint: it has none.
        """
        document = await self.document()
        aliases = document.get("mtls_endpoint_aliases")
        address = document.get(member)
        if mtls and isinstance(aliases, dict) and member in aliases:
            address = aliases[member]
        if not isinstance(address, str):
            raise NoEndpoint(f"the discovery document of {shown_address(self._issuer.issuer)} has no {member}")
        try:
            parse_fetchable(address, self._issuer)
        except FetchFailed as failure:
            raise NoEndpoint(f"{member} of the discovery document: {failure}") from None
        return address

    async def document(self) -> Mapping[str, Any]:
        """The whole document, asked for together with all who need it meanwhile. FetchFailed: it never could be had.

        While there is an old one, it serves until the new one is there.
        """
        now = self._monotonic()
        if now >= self._fresh_until and now >= self._paused_until:
            flight = self._flight
            if flight is None or not self._document:
                self._flight = flight = flight or asyncio.create_task(self._fetch(), name="discovery")
                # Not awaited itself: a request that goes away must not take the fetch of the others with it.
                await asyncio.wait({flight}, timeout=MOMENT if self._document else None)
        if not self._document:
            raise self._failure or FetchFailed("the discovery document was not asked for in time")
        return self._document

    async def stop(self) -> None:
        """Ends a fetch under way; whoever waits for it gets FetchFailed. May be called twice."""
        flight = self._flight
        if flight is not None:
            flight.cancel()
            await asyncio.gather(flight, return_exceptions=True)

    async def _fetch(self) -> None:
        try:
            await self._discover()
        except FetchFailed as failure:
            self._failure = failure
        except Exception as error:  # noqa: BLE001 -- logged with its traceback
            _LOG.exception("discovery of %s could not be read", shown_address(self._issuer.issuer))
            self._failure = FetchFailed(f"internal error ({type(error).__name__})")
        finally:
            self._flight = None
            self._paused_until = self._monotonic() + PAUSE

    async def _discover(self) -> None:
        found = await fetch_discovery(self._issuer, limit=self._limit, read=self._read)
        self._document = found.document
        self._fresh_until = self._monotonic() + lifetime(found.max_age)
        self._failure = None
