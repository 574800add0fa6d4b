"""What one issuer says of tokens: one call for one token, silence when it asks for it, and what was said kept.

Decides when the issuer is asked and what its failures mean. How it is asked is `introspection_call`, who waits
`flights`; what it says of a token is judged by `core.token.introspected`.
"""

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from gateway.core.config.introspection import Introspection
from gateway.core.config.issuers import Issuer, issuer_name
from gateway.core.errors import IntrospectionUnavailable, Refusal, TokenInactive
from gateway.core.token.introspected import IntrospectionResponse, believe_response, recall_response
from gateway.events import TokenIntrospected
from gateway.ports import Cache, Observer
from gateway.remote.fetched import FetchFailed
from gateway.remote.flights import Crowded, Flights
from gateway.remote.introspection_call import IntrospectionCall, NotSaid

#: tokens that are remembered as inactive, and for how many seconds at most
MAX_INACTIVE: Final = 10_000
INACTIVE_LIFETIME: Final = 60.0
#: Seconds between two lines of the log on one failure.
TOLD_AGAIN: Final = 60.0
#: changes whenever what is kept does
VERSION: Final = b"2"
#: of one that never said that a token is active
HINT: Final = (
    "it said so of every token so far: Keycloak does of tokens whose aud lacks the client that asks, "
    "unless that client has allow.token.introspection.without.audience.check"
)

_LOG: Final = logging.getLogger("gateway.remote")
_NEVER: Final = float("-inf")


@dataclass(frozen=True, slots=True)
class IntrospectionStatus:
    """What `/readyz` says of one issuer that is asked about tokens."""

    name: str
    #: why the last call failed; None when it did not, or none was made
    reason: str | None


@dataclass(frozen=True, slots=True)
class _Failed:
    """Nothing was said: what to tell whoever waits."""

    evidence: str
    #: seconds
    retry_after: float = 5.0


#: None: the token is not active
_Outcome = IntrospectionResponse | _Failed | None


class IssuerIntrospection:
    """One issuer that is asked about tokens. After making one you must call `stop`."""

    def __init__(
        self,
        issuer: Issuer,
        section: Introspection,
        *,
        call: IntrospectionCall,
        cache: Cache,
        observer: Observer,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Asks nobody yet. `clock`: seconds since the epoch."""
        self.name: Final = issuer_name(issuer)
        self._scope: Final = tuple(part.encode() for part in (issuer.issuer, section.client_id or "", section.response))
        self._lifetime: Final = float(section.cache)
        self._limit: Final = float(section.timeout)
        self._call: Final = call
        self._cache: Final = cache
        self._observer: Final = observer
        self._clock: Final = clock
        self._monotonic: Final = monotonic
        self._flights: Final[Flights[_Outcome]] = Flights()
        #: digests of tokens, and until when they count as inactive, in monotonic seconds
        self._inactive: OrderedDict[bytes, float] = OrderedDict()
        #: monotonic seconds until which it is not asked, and why
        self._silent_until = _NEVER
        self._silence = ""
        #: why the last call failed; the failure that was told last, and when
        self._reason: str | None = None
        self._told = ("", _NEVER)
        self._was_active = self._hinted = False

    def __repr__(self) -> str:
        return f"IssuerIntrospection({self.name}: {self._flights}, {len(self._inactive)} inactive)"

    def status(self) -> IntrospectionStatus:
        """How things stand now."""
        return IntrospectionStatus(self.name, self._reason)

    async def introspect(
        self,
        token: bytes,
        digest: bytes,
        *,
        sender: str | None = None,
        after: float | None = None,
        check_again: Callable[[], None] | None = None,
    ) -> IntrospectionResponse:
        """As `Introspections.introspect`."""
        if after is None and self._is_inactive(digest):
            self._note("remembered")
            raise self._inactive_refusal()

        async def find() -> _Outcome:
            if check_again is not None:
                check_again()
            return await self._find(token, digest, after)

        outcome = await self._join(digest, find, sender)
        if isinstance(outcome, Refusal):
            # Of whoever wanted it first. Who may ask does so now; of others `check_again` says the same of themselves.
            if check_again is not None:
                check_again()
            outcome = await self._join(digest, find, sender)
        if isinstance(outcome, Refusal):
            raise type(outcome)(outcome.evidence, retry_after=outcome.retry_after)
        if isinstance(outcome, _Failed):
            wait = max(1, math.ceil(outcome.retry_after))
            raise IntrospectionUnavailable(f"{self.name}: {outcome.evidence}", retry_after=wait)
        if outcome is None:
            raise self._inactive_refusal()
        return outcome

    async def _join(
        self, digest: bytes, find: Callable[[], Awaitable[_Outcome]], sender: str | None
    ) -> _Outcome | Refusal:
        """What comes of it in its turn. A refusal: `check_again` of whoever wanted it first."""
        try:
            # In its turn, and then as long as one call may take.
            async with asyncio.timeout(2 * self._limit):
                return await self._flights.join(digest, find, sender=sender)
        except Refusal as refusal:
            return refusal
        except (Crowded, TimeoutError) as crowded:
            self._note("crowded")
            return _Failed(str(crowded) or "others are asked about first")

    async def stop(self) -> None:
        """Ends what is under way; whoever waits gets IntrospectionUnavailable. May be called twice."""
        await self._flights.stop()
        await self._call.stop()

    async def _find(self, token: bytes, digest: bytes, after: float | None) -> _Outcome:
        """What others were told, or the issuer says now. Raises nothing: what it gives is for all who wait."""
        try:
            async with asyncio.timeout(self._limit):
                endpoint = await self._call.endpoint()
                key = self._key(endpoint, token)
                if self._lifetime > 0 and (shared := await self._find_shared(key, after)) is not None:
                    self._note("shared")
                    return shared
                if (silence := self._silent_until - self._monotonic()) > 0:
                    self._note("suppressed")
                    return _Failed(self._silence, silence)
                return await self._ask(endpoint, token, digest, key)
        except FetchFailed as failure:
            return self._failed(str(failure))
        except NotSaid as failure:
            return self._failed(str(failure), silence=failure.silence)
        except TimeoutError:
            return self._failed(f"no response within {self._limit:g} s")
        except Exception as error:  # noqa: BLE001 -- logged with its traceback
            _LOG.exception("issuer %s could not be asked about a token", self.name)
            return self._failed(f"internal error ({type(error).__name__})")

    async def _ask(self, endpoint: str, token: bytes, digest: bytes, key: bytes) -> _Outcome:
        asked_at, begun = self._clock(), self._monotonic()
        members = await self._call.ask(endpoint, token)
        self._note("active" if members["active"] else "inactive", self._monotonic() - begun)
        if self._reason is not None:
            _LOG.info("issuer %s says again whether tokens are active", self.name)
            self._reason = None
        if not members["active"]:
            await self._remember_inactive(digest, key)
            return None
        self._was_active = True
        self._inactive.pop(digest, None)
        response, packed = believe_response(members, asked_at=asked_at, lifetime=self._lifetime)
        if response.until > asked_at:
            await self._cache.put(key, packed, seconds=response.until - asked_at)
        return response

    def _key(self, endpoint: str, token: bytes) -> bytes:
        """Names a response among all that are kept: what it depends on, each part with its length."""
        return b"".join(b"%d:%s" % (len(part), part) for part in (VERSION, *self._scope, endpoint.encode(), token))

    async def _find_shared(self, key: bytes, after: float | None) -> IntrospectionResponse | None:
        packed = await self._cache.get(key)
        kept = None if packed is None else recall_response(packed, lifetime=self._lifetime, now=self._clock())
        return None if kept is None or (after is not None and kept.asked_at <= after) else kept

    def _is_inactive(self, digest: bytes) -> bool:
        until = self._inactive.get(digest)
        if until is not None and self._monotonic() >= until:
            del self._inactive[digest]
            until = None
        return until is not None

    async def _remember_inactive(self, digest: bytes, key: bytes) -> None:
        if not self._was_active and not self._hinted:
            self._hinted = True
            _LOG.warning("issuer %s says of a token that it is not active; %s", self.name, HINT)
        if self._lifetime > 0:
            self._inactive[digest] = self._monotonic() + min(self._lifetime, INACTIVE_LIFETIME)
            self._inactive.move_to_end(digest)
            if len(self._inactive) > MAX_INACTIVE:
                self._inactive.popitem(last=False)
            # Others may have been told that it is active.
            await self._cache.drop(key)

    def _inactive_refusal(self) -> TokenInactive:
        return TokenInactive(f"{self.name} says that it is not active" + ("" if self._was_active else f"; {HINT}"))

    def _failed(self, reason: str, *, silence: float = 0.0) -> _Failed:
        now = self._monotonic()
        if silence > 0:
            self._silent_until, self._silence = now + silence, reason
        self._reason = reason
        what, when = self._told
        # What a token does to an issuer must not fill the log.
        if now >= when + TOLD_AGAIN or (what != reason and now >= when + 1.0):
            self._told = (reason, now)
            _LOG.error("issuer %s does not say whether tokens are active: %s", self.name, reason)
        self._note("error")
        return _Failed(reason, silence or 5.0)

    def _note(self, result: str, seconds: float | None = None) -> None:
        self._observer.happened(TokenIntrospected(self.name, result, seconds))
