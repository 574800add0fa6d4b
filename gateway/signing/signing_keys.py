"""The life of the key that signs assertions: read or made at start, and followed when its file changes.

A new key is published before it signs, and an old one after: APIs and other replicas learn of a change in their time.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from joserfc.jwk import ECKey

from gateway.core.config.assertion import AssertionSection
from gateway.core.upstream.assertion import SigningKey, published, signing_key

#: seconds between two looks at the file
INTERVAL: Final = 10.0
#: seconds that a new key is published before it signs: the set may be kept, and replicas get a file at different times
AHEAD: Final = 120.0
#: seconds that an old key is published beyond the life of what it signed, for the clocks of others
MARGIN: Final = 120.0

_LOG: Final = logging.getLogger("gateway.remote")


class SigningKeys:
    """The Signer port: the key of now, the one to come, and those that are still published."""

    def __init__(
        self,
        assertion: AssertionSection,
        *,
        read: Callable[[str], SigningKey],
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Reads the key, or makes one. ValueError: the file was spoilt after it was checked.

        `read`: the key in a file; ValueError carries a sentence that fits behind the key of the configuration.
        """
        self._path = None if assertion.key is None else assertion.key.file
        self._read = read
        self._kept_for = float(assertion.lifetime) + MARGIN
        self._monotonic = monotonic
        self._sleep = sleep
        self._current = signing_key(ECKey.generate_key("P-256")) if self._path is None else read(self._path)
        #: a new key, and when it begins to sign
        self._next: tuple[SigningKey, float] | None = None
        #: old keys by kid, and until when they are published
        self._old: dict[str, tuple[SigningKey, float]] = {}
        self._wrong: str | None = None
        self._following: asyncio.Task[None] | None = None

    def lasts(self, lifetime: float) -> None:
        """What is signed from now on lives so many seconds: an old key is published for as long."""
        self._kept_for = max(self._kept_for, lifetime + MARGIN)

    def inherit(self, other: "SigningKeys") -> None:
        """Takes the place of another one: its keys stay published, and go on signing until ours is known."""
        now = self._monotonic()
        ours, self._current = self._current, other._current  # noqa: SLF001 -- one of its own kind
        self._old, self._next = {**other._old}, None  # noqa: SLF001 -- one of its own kind
        self.lasts(other._kept_for - MARGIN)  # noqa: SLF001 -- one of its own kind
        if ours.kid != self._current.kid:
            self._next = (ours, now + AHEAD)
            _LOG.info("assertions have a new key: %s is published, and signs in %g s", ours.kid, AHEAD)

    def current(self) -> SigningKey:
        """The key that signs now."""
        return self._current

    def published(self) -> bytes:
        """The public keys as a JWK set: the current one first."""
        keys = [self._current, *(key for key, _ in self._old.values())]
        if self._next is not None:
            keys.append(self._next[0])
        return published({key.kid: key for key in keys}.values())

    async def start(self) -> None:
        """Begins to follow the file, if there is one, and waits until a key may sign."""
        if self._path is not None or self._next is not None:
            self._following = asyncio.create_task(self._follow(self._path), name="the key that signs assertions")

    async def stop(self) -> None:
        """Ends that. May be called twice."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
            self._following = None

    async def _follow(self, path: str | None) -> None:
        while True:
            await self._sleep(INTERVAL)
            try:
                found = None if path is None else await asyncio.to_thread(self._read, path)
            except ValueError as error:
                self._complain(str(error))
            except Exception as error:  # noqa: BLE001 -- logged with its traceback
                # A bug; but a file that reads oddly once must not end the following of it for good.
                _LOG.exception("the key that signs assertions could not be read")
                self._complain(f"internal error ({type(error).__name__})")
            else:
                self._wrong = None
                if found is not None:
                    self._take(found)
            self._advance()

    def _complain(self, wrong: str) -> None:
        """Once, until something else is wrong: the old key goes on."""
        if wrong != self._wrong:
            _LOG.warning("assertion.key.file %s; %s goes on signing", wrong, self._current.kid)
            self._wrong = wrong

    def _take(self, found: SigningKey) -> None:
        """What the file holds now."""
        if found.kid == self._current.kid:
            # A change that was taken back never came into force.
            self._next = None
        elif self._next is None or found.kid != self._next[0].kid:
            self._next = (found, self._monotonic() + AHEAD)
            _LOG.info("assertion.key.file has a new key: %s is published, and signs in %g s", found.kid, AHEAD)

    def _advance(self) -> None:
        now = self._monotonic()
        self._old = {kid: (key, until) for kid, (key, until) in self._old.items() if now < until}
        if self._next is not None and now >= self._next[1]:
            old, (self._current, _) = self._current, self._next
            self._next = None
            self._old[old.kid] = (old, now + self._kept_for)
            _LOG.info(
                "assertions are signed by %s; %s is published for %g s more", self._current.kid, old.kid, self._kept_for
            )
