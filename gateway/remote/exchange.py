"""Tokens for one upstream in exchange for those of callers: asked for once, kept until they end, shared by replicas.

Decides who asks and what is remembered. What is asked is `core.upstream.exchange`, how is `token_endpoint`.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Final

from gateway.core.config.upstream_tokens import TokenExchange
from gateway.core.errors import ExchangeRefused, ExchangeUnavailable
from gateway.core.token.identity import Identity
from gateway.core.upstream.exchange import Granted, exchange_form, judge_exchange, kept_key, kept_value, parse_kept
from gateway.core.upstream.kept import Kept
from gateway.events import TokenRequested
from gateway.ports import Cache, Observer
from gateway.remote.flights import Crowded, Flights
from gateway.remote.keys.issuer_keys import Clock
from gateway.remote.token_endpoint import TokenEndpoint

#: seconds for which a refusal is remembered, and a failure: the next request of the same caller finds no other
REFUSED: Final = 10.0
FAILED: Final = 1.0
#: seconds in which the API's 401 drops the token of one caller once: who causes it could have one made for each request
UNWELCOME: Final = 10.0

#: issuer and digest of a caller's token
_Key = tuple[str, bytes]


class ExchangedTokens:
    """The tokens that one upstream is shown, one for each caller."""

    def __init__(
        self,
        upstream: str,
        section: TokenExchange,
        *,
        endpoint: TokenEndpoint,
        shared: Cache | None,
        observer: Observer,
        clock: Clock,
    ) -> None:
        """Asks nobody yet. `shared`: None: nothing is kept outside of this process."""
        self._upstream: Final = upstream
        self._section = section
        self._cache = float(section.cache)
        self._limit = float(section.timeout)
        self._endpoint = endpoint
        self._shared = shared
        self._observer = observer
        self._clock = clock
        #: by the clock of the wall, as tokens end
        self._kept: Kept[bytes] = Kept()
        #: by the monotonic one: what was said of a caller's token, and which results the API refused, and when
        self._refusals: Kept[ExchangeRefused | ExchangeUnavailable] = Kept()
        self._unwelcome: Kept[tuple[bytes, float]] = Kept()
        self._flights: Flights[bytes] = Flights()

    def __repr__(self) -> str:
        return f"ExchangedTokens(for {self._upstream}, {len(self._kept)} kept)"

    async def authorization(
        self, token: bytes, identity: Identity, *, sender: Callable[[], str | None] = lambda: None
    ) -> bytes:
        """Authorization for a request of this caller, whose token this is. ExchangeRefused, ExchangeUnavailable.

        `sender`: the client address that the request counts for, where somebody has to be asked; see `Flights`.
        """
        key = _key_of(token, identity)
        found = self._kept.find(key, self._clock.wall())
        if found is not None:
            return found
        refusal: ExchangeRefused | ExchangeUnavailable | None = self._refusals.find(key, self._clock.monotonic())
        if refusal is None:
            try:
                # In its turn, and then as long as one call may take.
                async with asyncio.timeout(2 * self._limit):
                    return await self._flights.join(key, partial(self._obtain, key, token, identity), sender=sender())
            except (Crowded, TimeoutError) as crowded:
                refusal = ExchangeUnavailable(str(crowded) or "others are asked for first")
            except (ExchangeRefused, ExchangeUnavailable) as one:
                refusal = one
        # One exception for each request: it is the same one for all who waited, and gathers what each adds.
        raise _again(refusal)

    def unwelcome(self, token: bytes, identity: Identity, authorization: bytes) -> None:
        """The API refused what it was shown for this caller: the next request gets another."""
        key, now = _key_of(token, identity), self._clock.monotonic()
        before = self._unwelcome.find(key, now)
        if before is not None and now < before[1] + UNWELCOME:
            return
        if self._kept.find(key, self._clock.wall()) != authorization:
            return
        self._kept.drop(key)
        # Others have kept it as well: it is known again when it comes from there.
        until = now + max(self._cache, UNWELCOME)
        self._unwelcome.keep(key, (authorization, now), until=until, size=len(authorization))

    async def stop(self) -> None:
        """Ends what is under way. May be called twice."""
        await self._flights.stop()

    async def _obtain(self, key: _Key, token: bytes, identity: Identity) -> bytes:
        """From what replicas share, else from the token endpoint."""
        shared_key = kept_key(issuer=identity.iss, token=token, upstream=self._upstream, section=self._section)
        if (found := await self._find_shared(key, shared_key)) is not None:
            return found
        asked_at = self._clock.wall()
        try:
            granted = await self._endpoint.ask(exchange_form(self._section, token), judge_exchange)
        except (ExchangeRefused, ExchangeUnavailable) as refusal:
            lasts = REFUSED if isinstance(refusal, ExchangeRefused) else FAILED
            self._refusals.keep(key, _again(refusal), until=self._clock.monotonic() + lasts)
            raise
        await self._keep(key, shared_key, granted, asked_at=asked_at, ends_at=identity.ends_at)
        return granted.authorization

    async def _find_shared(self, key: _Key, shared_key: bytes) -> bytes | None:
        if self._shared is None or self._cache <= 0.0:
            return None
        value = await self._shared.get(shared_key)
        found = None if value is None else parse_kept(value, now=self._clock.wall(), longest=self._cache)
        if found is None:
            return None
        authorization, until = found
        refused = self._unwelcome.find(key, self._clock.monotonic())
        if refused is not None and refused[0] == authorization:
            return None
        self._kept.keep(key, authorization, until=until, size=len(authorization))
        self._observer.happened(TokenRequested(self._upstream, "shared"))
        return authorization

    async def _keep(self, key: _Key, shared_key: bytes, granted: Granted, *, asked_at: float, ends_at: float) -> None:
        if granted.lasts is None or self._cache <= 0.0:
            return
        until = min(asked_at + min(granted.lasts, self._cache), ends_at)
        seconds = until - self._clock.wall()
        if seconds <= 0.0:
            return
        self._kept.keep(key, granted.authorization, until=until, size=len(granted.authorization))
        if self._shared is not None:
            await self._shared.put(shared_key, kept_value(granted, until=until), seconds=seconds)


def _again(refusal: ExchangeRefused | ExchangeUnavailable) -> ExchangeRefused | ExchangeUnavailable:
    """The same, without the frames of whoever it was raised to, and the responses in them."""
    return type(refusal)(refusal.evidence, retry_after=refusal.retry_after)


def _key_of(token: bytes, identity: Identity) -> _Key:
    return identity.iss, sha256(token).digest()
