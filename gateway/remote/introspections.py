"""The Introspections port for all issuers that are asked about tokens: each stands for itself, one that is down too."""

import asyncio
import time
from collections.abc import Callable, Sequence

from gateway.core.config.issuers import Issuer, distinct_issuers
from gateway.core.token.introspected import IntrospectionResponse
from gateway.ports import Cache, Issuers, Observer
from gateway.remote.authentication import ReadSecret
from gateway.remote.introspection import IntrospectionStatus, IssuerIntrospection
from gateway.remote.introspection_call import IntrospectionCall


class RemoteIntrospections:
    """By configured issuer name. A name that is not asked about tokens is a bug of the caller: KeyError."""

    def __init__(
        self,
        configured: Sequence[Issuer],
        *,
        issuers: Issuers,
        read: ReadSecret,
        cache: Cache,
        observer: Observer,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Asks nobody yet. `issuers`: keys of signed responses. `read`: what a secret is now."""
        made = [
            IssuerIntrospection(
                issuer,
                section,
                call=IntrospectionCall(issuer, section, issuers=issuers, read=read, clock=clock),
                cache=cache,
                observer=observer,
                clock=clock,
                monotonic=monotonic,
            )
            for issuer in distinct_issuers(configured)
            if (section := issuer.introspection) is not None
        ]
        self._asked = {one.name: one for one in made}

    def status(self) -> list[IntrospectionStatus]:
        """Every issuer that is asked, in the order of the configuration."""
        return [one.status() for one in self._asked.values()]

    async def introspect(
        self,
        issuer: str,
        token: bytes,
        digest: bytes,
        *,
        sender: str | None = None,
        after: float | None = None,
        check_again: Callable[[], None] | None = None,
    ) -> IntrospectionResponse:
        """What the issuer says of an active token. TokenInactive, IntrospectionUnavailable, or as `check_again`."""
        return await self._asked[issuer].introspect(token, digest, sender=sender, after=after, check_again=check_again)

    async def stop(self) -> None:
        """Ends all that is under way. May be called twice."""
        await asyncio.gather(*(one.stop() for one in self._asked.values()))
