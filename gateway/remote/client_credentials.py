"""The gateway's own token for one upstream: fetched ahead of its end in the background, kept when that fails.

Decides when it is fetched, and what is said meanwhile. What is asked is `core.upstream.exchange`.
"""

import asyncio
import logging
import math
from dataclasses import dataclass
from typing import Final

from gateway.core.config.upstream_tokens import ClientCredentials
from gateway.core.errors import ExchangeUnavailable, Refusal
from gateway.core.upstream.exchange import client_credentials_form, judge_client_credentials
from gateway.remote.keys.issuer_keys import Clock
from gateway.remote.keys.schedule import MIN_BACKOFF, PAUSE, backoff, refresh_after
from gateway.remote.token_endpoint import TokenEndpoint

#: seconds in which the API's 401 makes the gateway fetch anew once: anybody may be able to cause one
UNWELCOME: Final = 10.0
#: seconds in which another token is waited for while there is one that the API refused to somebody
DOUBT: Final = 1.0
_NEVER: Final = float("-inf")
_LOG: Final = logging.getLogger("gateway.remote")


@dataclass(frozen=True, slots=True)
class TokenStatus:
    """What `/readyz` says of one upstream's token."""

    name: str
    #: there is one, and it has not ended
    has_token: bool
    #: why the last fetch failed; None when it did not, or none has ended yet
    reason: str | None
    first_fetch_ended: bool


class OwnToken:
    """The token that one upstream is shown on every request."""

    def __init__(self, upstream: str, section: ClientCredentials, *, endpoint: TokenEndpoint, clock: Clock) -> None:
        """Asks nobody yet."""
        self._upstream: Final = upstream
        self._form = client_credentials_form(section)
        self._endpoint = endpoint
        self._clock = clock
        #: the whole value of Authorization, and until when it serves, in monotonic seconds
        self._authorization = b""
        self._usable_until = _NEVER
        self._reason: str | None = None
        self._failures = 0
        self._has_ended = False
        #: when the next fetch is due, and before when none is made after a failure
        self._due = _NEVER
        self._paused_until = _NEVER
        #: when the API refused the token last
        self._refused_at = _NEVER
        #: the API refused the token of now: another is waited for, where it comes
        self._is_doubted = False
        self._flight: asyncio.Task[None] | None = None
        self._nap: asyncio.Future[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._stopped = False

    def __repr__(self) -> str:
        return f"OwnToken(for {self._upstream}, {'has one' if self.find() else 'has none'}, {self._failures} failures)"

    def find(self) -> bytes | None:
        """Authorization as the upstream gets it; None: there is none now."""
        return self._authorization if self._clock.monotonic() < self._usable_until else None

    def status(self) -> TokenStatus:
        """How things stand now."""
        return TokenStatus(self._upstream, self.find() is not None, self._reason, self._has_ended)

    async def authorization(self) -> bytes:
        """The same, a fetch that is under way waited for where there is none. ExchangeUnavailable."""
        found = self.find()
        if found is not None and not self._is_doubted:
            return found
        flight = self._flight
        if flight is None and found is None and self._may_begin():
            flight = self._begin()
        if flight is not None:
            # Not awaited itself: a request that goes away must not take it from the others.
            done, _ = await asyncio.wait({flight}, timeout=None if found is None else DOUBT)
            if not done:
                # One was kept waiting; the others need not be.
                self._is_doubted = False
            found = self.find()
        if found is not None:
            return found
        # Somebody waits for it: as soon as it may be.
        self._hasten()
        raise ExchangeUnavailable(
            self._reason or "no token was fetched yet", retry_after=max(1, math.ceil(self._wait()))
        )

    def unwelcome(self, authorization: bytes) -> None:
        """The API refused this token: another is fetched at once. Until it is there, this one goes on being used."""
        now = self._clock.monotonic()
        if authorization != self._authorization or now < self._refused_at + UNWELCOME:
            return
        self._refused_at = now
        self._is_doubted = True
        _LOG.info("upstream %s: it refused the token of the gateway; another is fetched", self._upstream)
        if self._flight is None and self._may_begin():
            self._begin()

    async def start(self) -> None:
        """Begins to fetch, and goes on with it."""
        self._keeping = asyncio.create_task(self._keep_fresh(), name=f"token for {self._upstream}")
        # One turn of the loop: a request that comes now joins the first fetch.
        await asyncio.sleep(0)

    async def retire(self) -> None:
        """Fetches no more by itself; whoever waits for a token still gets one."""
        pending = [task for task in (self._keeping, self._nap) if task is not None]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        self._keeping = self._nap = None

    async def stop(self) -> None:
        """Ends that. May be called twice."""
        self._stopped = True
        pending = [task for task in (self._keeping, self._flight, self._nap) if task is not None]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        self._keeping = self._flight = self._nap = None

    async def _keep_fresh(self) -> None:
        while True:
            wait = self._due - self._clock.monotonic()
            waiting = self._flight or (self._sleep(wait) if wait > 0.0 else self._begin())
            await asyncio.wait({waiting})

    def _sleep(self, seconds: float) -> asyncio.Future[None]:
        self._nap = asyncio.ensure_future(self._clock.sleep(seconds))
        return self._nap

    def _hasten(self) -> None:
        due = max(self._paused_until, self._clock.monotonic() + self._endpoint.silence())
        if due < self._due:
            self._due = due
            self._wake()

    def _wake(self) -> None:
        if self._nap is not None:
            self._nap.cancel()

    def _wait(self) -> float:
        """Seconds until a fetch may be made."""
        return max(0.0, self._paused_until - self._clock.monotonic(), self._endpoint.silence())

    def _may_begin(self) -> bool:
        return not self._stopped and self._wait() <= 0.0

    def _begin(self) -> asyncio.Task[None]:
        self._flight = asyncio.create_task(self._fetch(), name=f"token for {self._upstream}, one fetch")
        return self._flight

    async def _fetch(self) -> None:
        asked_at = self._clock.monotonic()
        try:
            granted = await self._endpoint.ask(self._form, judge_client_credentials)
        except Refusal as failure:
            self._failed(failure.evidence)
        except Exception as error:  # noqa: BLE001 -- logged with its traceback
            # A bug; but it must not end the fetching for good.
            _LOG.exception("upstream %s: its token could not be fetched", self._upstream)
            self._failed(f"internal error ({type(error).__name__})")
        else:
            assert granted.lasts is not None  # its own judge says so
            self._authorization = granted.authorization
            self._usable_until = asked_at + granted.lasts
            self._due = asked_at + max(MIN_BACKOFF, refresh_after(granted.lasts, self._clock.chance()))
            self._reason = None
            self._failures = 0
        finally:
            self._flight = None
        self._is_doubted = False
        self._has_ended = True
        self._wake()

    def _failed(self, reason: str) -> None:
        now = self._clock.monotonic()
        self._reason = reason
        self._failures += 1
        self._due = now + max(backoff(self._failures, self._clock.chance()), self._endpoint.silence())
        self._paused_until = now + PAUSE
