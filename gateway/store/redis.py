"""The Redis that replicas share: every operation within its time, and none while it is known that it cannot be had.

Knows nothing of what is kept there, and imports redis-py only when it is made.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from random import random
from typing import Any, Final

from gateway.core.config.secret import Secret
from gateway.core.config.store import StoreSection
from gateway.core.store_address import parse_store
from gateway.events import StoreKnown, StoreUsed
from gateway.ports import Observer
from gateway.store.budget import seconds_left, spend
from gateway.store.circuit import INTERVAL, MIN_BACKOFF, Circuit, backoff
from gateway.store.down import StoreDown
from gateway.store.health import Health, Memory
from gateway.store.names import TAG, Names
from gateway.store.script import Script
from gateway.store.sealing import Seals, Unsealable
from gateway.store.timed import CLOSE, Follower, Timed, first_of, within

__all__ = ["Follower", "Redis", "Script", "StoreDown", "Unsealable"]

#: seconds for a new connection, TLS and Sentinels included, while nobody waits for it
CONNECT: Final = 2.0
#: looks from one at what Redis says of itself to the next
_HEALTH_EVERY: Final = 5
_LOOK: Final = TAG + b"look"

log = logging.getLogger("gateway.store")


class Redis:
    """One Redis, as long as the gateway runs."""

    def __init__(
        self,
        section: StoreSection,
        *,
        read: Callable[[Secret], str],
        observer: Observer,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`section`: with a `url`. `read`: what a secret is now. `clock`: seconds since the epoch."""
        from gateway.store.client import connect  # noqa: PLC0415 -- redis-py is imported where there is a Redis

        assert section.url is not None
        self._section = section
        self._read = read
        self._observer = observer
        self._clock = clock
        self._timeout = float(section.timeout)
        self._client = connect(
            parse_store(section.url),
            ca_file=section.ca_file,
            credentials=_shown(section.username, section.password, read),
            sentinel_credentials=_shown(section.sentinel_username, section.sentinel_password, read),
        )
        self._secrets = self._read_secrets()
        self._seals = Seals(self._secrets)
        self._names = Names()
        self._circuit = Circuit()
        self._memory = Memory()
        #: by use: what Redis said no with since the last look, and what was told of that
        self._refused: dict[str, str] = {}
        self._told_refused: dict[str, str] = {}
        self._hurry = asyncio.Event()
        self._first = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._followers: list[Follower] = []
        #: told when Redis may have forgotten something: it was restarted, is another, or threw something away
        self.on_loss: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return f"Redis({self._circuit!r})"

    @property
    def is_up(self) -> bool:
        """Whether all of it can be had."""
        return self._circuit.is_up

    @property
    def reason(self) -> str | None:
        """Why not, fit for a log line and for `/readyz`."""
        return self._circuit.reason

    @property
    def evicts(self) -> bool:
        """Whether Redis may throw away what is kept there, as far as is known."""
        return self._memory.evicts

    @property
    def tells_of_loss(self) -> bool:
        """Whether `on_loss` hears of it, since Redis lets itself be asked."""
        return self._memory.is_told

    @property
    def client(self) -> Any:
        """redis-py's own, for aiocache alone."""
        return self._client.redis

    async def start(self) -> None:
        """Begins to look after it, and waits for the first look to end, for as long as an operation may take."""
        self._looking = asyncio.create_task(self._look_after(), name="store")
        try:
            async with asyncio.timeout(self._timeout):
                await self._first.wait()
        except TimeoutError:
            pass

    async def close(self) -> None:
        """Ends all that is under way. May be called twice."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
            self._looking = None
        for follower in tuple(self._followers):
            await follower.close()
        await within(CLOSE, self._client.close())

    async def run(
        self, script: Script, *, use: str, keys: Sequence[bytes], args: Sequence[bytes | int | float] = ()
    ) -> Any:
        """What a script gives: bytes, whole numbers, None, lists of them. StoreDown: whether it ran nobody knows.

        Never run twice.
        """
        return await self.attempt(use, self._client.script, script, keys, args)

    async def command(self, use: str, *parts: bytes | float | str) -> Any:
        """The response to one command: bytes, whole numbers, None, lists of them. StoreDown, as in `run`."""
        return await self.attempt(use, self._client.command, *parts)

    async def renamed(self, use: str, operation: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        """What an operation of redis-py gives, or of what stands on it. StoreDown, as in `run`."""
        return await self.attempt(use, self._client.renamed, operation, *arguments)

    async def attempt(self, use: str, operation: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        """One operation within what is left of the time for this request. StoreDown, as in `run`."""
        circuit = self._circuit
        if not (circuit.is_up or circuit.is_asked):
            self._observer.happened(StoreUsed(use, "down", 0.0))
            raise StoreDown(circuit.reason or "")
        left = seconds_left(self._timeout)
        if left <= 0.0:
            self._observer.happened(StoreUsed(use, "timeout", 0.0))
            raise StoreDown("the time for this request is spent")
        failure: StoreDown
        result = "cancelled"
        started = time.perf_counter()
        try:
            async with asyncio.timeout(left):
                value = await operation(*arguments)
            result = "ok"
        except TimeoutError:
            result, failure = "timeout", StoreDown(f"it does not respond within {self._timeout * 1000:.0f} ms")
        except StoreDown as down:
            result, failure = "error", down
        finally:
            took = time.perf_counter() - started
            spend(took)
            self._observer.happened(StoreUsed(use, result, took))
        if result == "ok":
            return value
        if failure.responded:
            # Is it only this operation, or is it full, or a replica by now?
            self._refused[use] = str(failure)
            self._hurry.set()
        elif result == "error" or left >= self._timeout / 2:
            # With less, it was others who spent the time of this request.
            self._failed(failure)
        raise failure

    def seal(self, use: str, key: bytes, plain: bytes, *, until: float) -> bytes:
        """`plain` for this use under this key, which does not exist from `until` on (seconds since the epoch)."""
        return self._current_seals().seal(use, key, plain, now=self._clock(), until=until)

    def open(self, use: str, key: bytes, sealed: bytes, *, now: float) -> bytes | None:
        """What was sealed so; None: its end is past. Unsealable."""
        return self._current_seals().open(use, key, sealed, now=now)

    def name(self, use: str, *parts: bytes) -> bytes:
        """The key of Redis for these parts, which tells nothing of them. StoreDown: it was never reached yet."""
        if not self._names.are_known:
            raise StoreDown(self._circuit.reason or "it was not reached yet")
        return self._names.name(use, parts)

    def follower(self) -> "Follower":
        """A connection of its own, for commands that wait (XREAD BLOCK). Whoever got it must `close` it."""
        follower = Follower(self._client.alone(), self._followers)
        self._followers.append(follower)
        return follower

    def _read_secrets(self) -> tuple[str, ...]:
        return tuple(map(self._read, self._section.secrets))

    def _current_seals(self) -> Seals:
        secrets = self._read_secrets()
        if secrets != self._secrets:
            self._secrets, self._seals = secrets, Seals(secrets)
            self._hurry.set()
        return self._seals

    def _failed(self, failure: StoreDown) -> None:
        """It cannot be had: nobody else waits for it until a look, made at once, goes well."""
        if self._circuit.failed(str(failure), is_asked=failure.responded):
            log.warning("the store cannot be had: %s", failure)
            self._observer.happened(StoreKnown(up=False, evicts=self._memory.evicts))
        self._hurry.set()

    async def _look_after(self) -> None:
        """Looks at it for ever: once a second, sooner when something failed, less often while it goes on failing."""
        looks = 0
        while True:
            self._hurry.clear()
            try:
                failure = await self._look(with_health=looks % _HEALTH_EVERY == 0 or not self.is_up)
            except Exception:
                # A bug, and no reason to look no more.
                log.exception("the store could not be looked at")
                failure = StoreDown("internal error")
            if failure is None:
                looks += 1
                self._went_well()
                self._tell_of_refusals()
            else:
                looks = 0
                self._refused.clear()
                self._circuit.failures += 1
                self._failed(failure)
            self._first.set()
            if failure is None:
                # What is said no to does not make it be asked without a pause.
                await asyncio.sleep(MIN_BACKOFF)
                await first_of(self._hurry, INTERVAL)
            else:
                await asyncio.sleep(backoff(self._circuit.failures, random()))  # noqa: S311 -- jitter

    def _went_well(self) -> None:
        if self._circuit.went_well():
            log.info("the store can be had")
            self._observer.happened(StoreKnown(up=True, evicts=self._memory.evicts))

    def _tell_of_refusals(self) -> None:
        """Logs what Redis does not let one use do, although all is well with it; once, for as long as that is so."""
        for use, sentence in self._refused.items():
            if self._told_refused.get(use) != sentence:
                self._told_refused[use] = sentence
                log.warning("the store can be had, and yet does not do what %s needs of it: %s", use, sentence)
        self._refused.clear()

    async def _look(self, *, with_health: bool) -> StoreDown | None:
        """Why it cannot be had, or None."""
        timed = Timed(self._client, self._timeout)
        try:
            if not self._circuit.is_up:
                await within(CLOSE, self._client.forget())
                await Timed(self._client, CONNECT).command(b"PING")
            changed = await self._names.agree(timed, self._current_seals(), now=self._clock())
            await timed.command(b"SET", _LOOK, b"1", b"PX", 10_000)
            if with_health:
                changed |= self._remember(await _health(timed))
        except StoreDown as down:
            return down
        if changed:
            for told in self.on_loss:
                told()
        return None

    def _remember(self, health: Health | None) -> bool:
        """Takes what it says of itself. True: it may have forgotten something. StoreDown: it is of no use to us."""
        if health is not None and health.is_cluster:
            raise StoreDown("it is a Redis Cluster, which is not supported")
        evicted_before = self._memory.evicts
        lost, sentences = self._memory.take(health)
        for sentence in sentences:
            log.warning("%s", sentence)
        if self._memory.evicts != evicted_before:
            self._observer.happened(StoreKnown(up=self.is_up, evicts=self._memory.evicts))
        return lost


async def _health(client: Timed) -> Health | None:
    """What Redis says of itself; None: its ACL does not let it."""
    try:
        info = await client.command("INFO")
    except StoreDown as down:
        if not down.responded:
            raise
        return None
    return Health.read(info)


def _shown(username: str | None, password: Secret | None, read: Callable[[Secret], str]) -> Any:
    """What gives name and password, as they are when it is asked; None: there are none."""
    if password is None:
        return None
    if username is None:
        return lambda: (read(password),)
    return lambda: (username, read(password))
