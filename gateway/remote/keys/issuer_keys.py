"""The life of one issuer's keys: loaded, refreshed ahead of time, served on through an outage, dropped when too old.

Decides when to ask and what to say meanwhile; where and what is asked is `discovery`, the arithmetic `schedule`.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import random
from typing import Final, Protocol

from gateway.core.config.issuers import Issuer
from gateway.core.errors import IssuerUnavailable, UnknownKey
from gateway.core.token.keys import Key, KeySet, UnusableKeySet, names_one_of, shown_kid
from gateway.events import Event, KeysFetched, KeysKnown, KeysSuppressed
from gateway.ports import Cache
from gateway.remote.authentication import ReadSecret
from gateway.remote.fetched import FETCH_TIMEOUT, FetchFailed
from gateway.remote.keys.discovery import Published, Publisher
from gateway.remote.keys.kept import MAX_AGE, Kept, encode, find_kept, key_of
from gateway.remote.keys.schedule import PAUSE, Misses, TokenBucket, backoff, refresh_after
from gateway.sampled import Sampler

_LOG: Final = logging.getLogger("gateway.remote")
_NEVER: Final = float("-inf")


class Hears(Protocol):
    """What of an Observer hears of keys."""

    def happened(self, event: Event) -> None:
        """One of the rare facts."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as arguments, so that hours pass in tests."""

    #: seconds since the epoch
    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    #: a number in [0, 1), for jitter
    chance: Callable[[], float] = random


@dataclass(frozen=True, slots=True)
class IssuerStatus:
    """What `/readyz` says of one issuer."""

    name: str
    #: there are keys, and they are not too old
    has_keys: bool
    #: why the last fetch failed; None when it did not, or none has ended yet
    reason: str | None
    first_fetch_ended: bool
    #: seconds since the last fetch that succeeded; None when none did
    age: float | None
    #: the last fetch failed: what is served is older than it should be
    stale: bool
    #: seconds since another replica fetched what is served; None: this one did, or there is nothing
    kept_for: float | None = None
    #: how many keys there are, and seconds until they are fetched again
    keys: int = 0
    due_in: float = 0.0
    #: seconds by which the issuer's clock was ahead of ours when its keys were fetched; None: it did not say
    clock_ahead: float | None = None


@dataclass(frozen=True, slots=True)
class _Copy:
    """Our copy of a key set, indexed for the hot path."""

    keys: KeySet = field(default_factory=KeySet)
    index: Mapping[tuple[str, str | None], tuple[Key, ...]] = field(default_factory=dict)
    #: by algorithm: keys without kid, for tokens that name one nobody has
    nameless: Mapping[str, tuple[Key, ...]] = field(default_factory=dict)
    #: monotonic seconds
    loaded_at: float = _NEVER
    usable_until: float = _NEVER
    #: another replica fetched it
    is_kept: bool = False


def _indexed(keys: KeySet, *, loaded_at: float, usable_until: float, is_kept: bool = False) -> _Copy:
    index = {
        (alg, kid): keys.find(alg=alg, kid=kid)
        for key in keys.keys
        for alg in key.algorithms
        for kid in (key.kid, None)
    }
    nameless = {alg: keys.find_nameless(alg=alg) for key in keys.keys if key.kid is None for alg in key.algorithms}
    return _Copy(keys, index, nameless, loaded_at=loaded_at, usable_until=usable_until, is_kept=is_kept)


class IssuerKeys:
    """The keys of one issuer."""

    def __init__(
        self,
        name: str,
        issuer: Issuer,
        *,
        observer: Hears,
        clock: Clock,
        limit: float = FETCH_TIMEOUT,
        place: Cache | None = None,
        read: ReadSecret | None = None,
        sampler: Sampler | None = None,
    ) -> None:
        """`limit`: seconds for each document. `place`: where replicas leave each other what they fetched.

        `read`: what a secret is now, where the issuer is shown one. `sampler`: of traces, where there are any.
        """
        # Whoever reads a file asks nobody.
        self._sampler = None if issuer.jwks_file is not None else sampler
        self._name = name
        self._issuer = issuer
        # What every replica has in a file of its own is not handed on.
        self._place = None if issuer.jwks_file is not None else place
        self._max_stale = float(issuer.jwks_max_stale)
        self._publisher = Publisher(issuer, limit=limit, read=read)
        self._observer = observer
        self._clock = clock
        self._copy = _Copy()
        self._bucket = TokenBucket()
        self._misses = Misses()
        self._warned: frozenset[str] = frozenset()
        #: why the last fetch failed
        self._reason: str | None = None
        self._failures = 0
        #: when the next fetch is due
        self._due = _NEVER
        #: after a failure: before that none is made, whoever asks
        self._paused_until = _NEVER
        #: fetches are numbered from 1
        self._begun = self._ended = 0
        self._flight: asyncio.Task[None] | None = None
        self._nap: asyncio.Future[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._stopped = False
        self._clock_ahead: float | None = None
        #: the keys of another one serve until they are fetched
        self._has_inherited = False

    def inherit(self, other: "IssuerKeys") -> None:
        """Begins with the keys that another one has from the same place; they are fetched anew all the same."""
        copy = other._copy  # noqa: SLF001 -- one of its own kind
        if copy.keys.keys:
            until = copy.usable_until - other._max_stale + self._max_stale  # noqa: SLF001 -- one of its own kind
            self._copy = _Copy(copy.keys, copy.index, copy.nameless, copy.loaded_at, until, copy.is_kept)
            self._has_inherited = True

    def find(self, *, alg: str, kid: str | None) -> tuple[Key, ...]:
        """Keys known now that may have signed; none when they are too old."""
        copy = self._copy
        if self._clock.monotonic() >= copy.usable_until:
            return ()
        return copy.index.get((alg, kid)) or copy.nameless.get(alg, ())

    def has(self, thumbprint: str) -> bool:
        """Whether the key is published, as far as we know, and our copy is not too old."""
        copy = self._copy
        return thumbprint in copy.keys.thumbprints and self._clock.monotonic() < copy.usable_until

    def status(self) -> IssuerStatus:
        """How things stand now."""
        now, copy = self._clock.monotonic(), self._copy
        return IssuerStatus(
            name=self._name,
            has_keys=now < copy.usable_until,
            reason=self._reason,
            first_fetch_ended=self._ended > 0 or copy.is_kept or self._has_inherited,
            age=now - copy.loaded_at if copy.loaded_at > _NEVER else None,
            stale=self._failures > 0,
            kept_for=now - copy.loaded_at if copy.is_kept and now < copy.usable_until else None,
            keys=len(copy.keys.keys) if now < copy.usable_until else 0,
            due_in=max(0.0, self._due - now) if self._ended else 0.0,
            clock_ahead=self._clock_ahead,
        )

    async def refresh(self) -> None:
        """Fetches them now, or waits for a fetch under way. IssuerUnavailable: it may not be asked again yet."""
        flight = self._flight or self._begin_on_demand(sparing=False)
        await asyncio.wait({flight})

    async def take_kept(self) -> None:
        """Takes what another replica left, where there is nothing better."""
        if self._place is None:
            return
        value = await self._place.get(key_of(self._issuer))
        kept = find_kept(value, self._clock.wall())
        if kept is None or self._copy.keys.keys:
            return
        wall, now = self._clock.wall(), self._clock.monotonic()
        usable = kept.usable_for(wall, max_stale=self._max_stale)
        if usable <= 0.0:
            return
        age = wall - kept.fetched_at
        self._copy = _indexed(kept.keys, loaded_at=now - age, usable_until=now + usable, is_kept=True)
        if kept.address is not None:
            self._publisher.remember(kept.address)
        count = len(kept.keys.keys)
        _LOG.info(
            "issuer %s: serves with %d keys that another replica fetched %.0f s ago, until it responds",
            self._name,
            count,
            age,
        )
        self._tell()

    async def fetch(self, *, alg: str, kid: str | None, tried: tuple[Key, ...] = ()) -> tuple[Key, ...]:
        """The keys that may have signed, those of `tried` excepted, after a fetch that began after this call.

        A named key also from one under way. UnknownKey: there is no other. IssuerUnavailable: that fetch failed, or
        none may be made now. Where `tried` has keys of this name, none is made for which others might go short.
        """
        wanted = self._begun + 1
        now = self._clock.monotonic()
        # The token of a key that was replaced under its name; most are forged, and anybody can make them.
        sparing = names_one_of(kid, tried)
        # A memory is no proof: the key may have been published since. Asked again while others would not go short.
        if self._misses.has((alg, kid), now) and not self._bucket.has_spare(now):
            raise self._copy.keys.missing(self._name, alg=alg, kid=kid, asked="; it was asked less than 30 s ago")
        while self._ended < wanted:
            flight = self._flight or self._begin_on_demand(sparing=sparing)
            # Not awaited itself: a request that goes away must not take the fetch of the others with it.
            await asyncio.wait({flight})
            if self._reason is not None or self._stopped:
                raise self._unavailable()
            if kid is not None and (keys := self._find_other(alg, kid, tried)):
                return keys
        if keys := self._find_other(alg, kid, tried):
            return keys
        if self.find(alg=alg, kid=kid):
            raise UnknownKey(f"{self._name} publishes no other")
        self._misses.remember((alg, kid), self._clock.monotonic())
        raise self._copy.keys.missing(self._name, alg=alg, kid=kid)

    def _find_other(self, alg: str, kid: str | None, tried: tuple[Key, ...]) -> tuple[Key, ...]:
        vain = {key.thumbprint for key in tried}
        return tuple(key for key in self.find(alg=alg, kid=kid) if key.thumbprint not in vain)

    async def keep_fresh(self) -> None:
        """Fetches whenever it is due, for ever."""
        while not self._stopped:
            wait = self._due - self._clock.monotonic()
            waiting = self._flight or (self._sleep(wait) if wait > 0 else self._begin())
            await asyncio.wait({waiting})

    async def stop(self) -> None:
        """Ends a fetch under way; requests that wait for it get IssuerUnavailable."""
        self._stopped = True
        pending = [task for task in (self._flight, self._nap, self._keeping) if task is not None]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    def _sleep(self, seconds: float) -> asyncio.Future[None]:
        self._nap = asyncio.ensure_future(self._clock.sleep(seconds))
        return self._nap

    def _begin_on_demand(self, *, sparing: bool) -> asyncio.Task[None]:
        now = self._clock.monotonic()
        if self._stopped or self._wait(now) > 0 or (sparing and not self._failures and not self._bucket.has_spare(now)):
            if self._failures and self._due > self._paused_until:
                # Somebody waits for it: as soon as it may be, whoever asks next.
                self._due = self._paused_until
                self._wake()
            self._observer.happened(KeysSuppressed(self._name))
            raise self._unavailable()
        if not self._failures:
            self._bucket.spend(now)
        return self._begin()

    def _wait(self, now: float) -> float:
        """Seconds until a fetch may be made on demand.

        An issuer that fails is asked as long as requests need it, one attempt at a time with a pause after each: the
        bucket, and the backoff of the background, would let an outage go on for longer than it lasts.
        """
        return max(0.0, self._paused_until - now) if self._failures else self._bucket.wait(now)

    def _unavailable(self) -> IssuerUnavailable:
        wait = self._wait(self._clock.monotonic())
        why = self._reason or "asked too often: the key may be new"
        return IssuerUnavailable(f"{self._name}: {why}", retry_after=max(1, math.ceil(wait)))

    def _begin(self) -> asyncio.Task[None]:
        self._begun += 1
        self._flight = asyncio.create_task(self._fetch(), name=f"keys of {self._name}")
        return self._flight

    async def _fetch(self) -> None:
        now = self._clock.monotonic()
        errand = None if self._sampler is None else self._sampler.begin_errand("keys", self._name)
        failure: str | None = "CancelledError"
        published: Published | None = None
        try:
            published = await self._publisher.fetch_key_set(now, impatient=self._failures > 0)
        except (FetchFailed, UnusableKeySet) as error:
            failure = type(error).__name__
            self._failed(str(error), status=error.status if isinstance(error, FetchFailed) else None)
        except Exception as error:  # noqa: BLE001 -- logged with its traceback
            # A bug; but one issuer's document must not end the refresh of its keys for good.
            _LOG.exception("issuer %s: its keys could not be read", self._name)
            failure = type(error).__name__
            self._failed(f"internal error ({failure})")
        else:
            failure = None
            self._clock_ahead = None if published.said is None else published.said.ahead
            self._loaded(published.keys, published.lifetime)
        finally:
            self._flight = None
            if errand is not None:
                errand.end(error=failure)
        if self._place is not None:
            # Whoever waits for this fetch is not kept waiting for a store.
            self._keeping = asyncio.create_task(self._keep(published), name=f"keeping of {self._name}")
        self._ended += 1
        self._observer.happened(KeysFetched(self._name, self._reason is None, self._clock.wall()))
        self._tell()
        self._wake()

    async def _keep(self, published: Published | None) -> None:
        """Leaves to others what was fetched; or takes what they left, when nothing was."""
        if published is None:
            await self.take_kept()
            return
        assert self._place is not None
        kept = Kept(published.keys, published.document, self._publisher.address, self._clock.wall(), published.lifetime)
        seconds = min(MAX_AGE, published.lifetime + self._max_stale)
        await self._place.put(key_of(self._issuer), encode(kept), seconds=seconds)

    def _tell(self) -> None:
        """How many keys there are now."""
        copy = self._copy
        count = len(copy.keys.keys) if self.status().has_keys else 0
        age_limit = copy.usable_until - copy.loaded_at if copy.keys.keys else None
        self._observer.happened(KeysKnown(self._name, count, stale=self._failures > 0, age_limit=age_limit))

    def _wake(self) -> None:
        """What is due has changed."""
        if self._nap is not None:
            self._nap.cancel()

    def _failed(self, reason: str, *, status: int | None = None) -> None:
        now = self._clock.monotonic()
        if self._reason is None:
            left = self._copy.usable_until - now
            meanwhile = f"those known serve for {left:.0f} s" if left > 0 else "none are known"
            _LOG.warning("issuer %s: its keys cannot be had, %s: %s", self._name, meanwhile, reason)
        elif self._copy.keys.keys and now >= self._copy.usable_until:
            _LOG.error("issuer %s: its keys are too old and serve no more: %s", self._name, reason)
            self._copy = _Copy(loaded_at=self._copy.loaded_at)
        self._reason = reason
        self._failures += 1
        self._due = now + backoff(self._failures, self._clock.chance())
        # RFC 6585 section 4: this one says itself that it is asked too often.
        self._paused_until = self._due if status == 429 else now + PAUSE

    def _loaded(self, keys: KeySet, lifetime: float) -> None:
        now, before = self._clock.monotonic(), self._copy
        self._copy = _indexed(keys, loaded_at=now, usable_until=now + lifetime + self._max_stale)
        if (keys.thumbprints, self._copy.index.keys()) != (before.keys.thumbprints, before.index.keys()):
            self._misses.clear()
            kids = ", ".join(shown_kid(key.kid) for key in keys.keys)
            _LOG.info("issuer %s: %d keys, before %d: %s", self._name, len(keys.keys), len(before.keys.keys), kids)
        if before.is_kept:
            _LOG.info("issuer %s: its keys were fetched, and serve instead of those of another replica", self._name)
        if self._reason is not None:
            _LOG.info("issuer %s: its keys can be had again after %d failed fetches", self._name, self._failures)
        # A provider may shuffle its keys: the position does not count.
        skipped = {
            f"{shown_kid(skipped.kid)} {skipped.why}": skipped for skipped in keys.skipped if not skipped.is_meant
        }
        for which in skipped.keys() - self._warned:
            _LOG.warning("issuer %s: %s", self._name, skipped[which])
        self._warned = frozenset(skipped)
        self._reason = None
        self._failures = 0
        self._due = now + refresh_after(lifetime, self._clock.chance())
