"""Which DPoP proofs were used: in the memory of this process, or in the Redis that all replicas share.

Kept is no more than that something was: an HMAC of the key's thumbprint and the `jti`. With a Redis one call says
whether a proof is new and makes it a used one.
"""

import hmac
import logging
import os
import time
from collections.abc import Callable
from typing import Final

from gateway.core.config.file import Config
from gateway.core.errors import ProofReplayed, ReplayMemoryFull, StoreUnavailable
from gateway.core.proof.dpop import AHEAD, Proof
from gateway.core.proof.used import DIGEST, MAX_PROOFS, MemoryFull, UsedProofs
from gateway.events import ProofsKnown
from gateway.ports import Observer
from gateway.store.redis import Redis, Script, StoreDown
from gateway.store.store import Store

_USE: Final = "replay"
_WAS_USED: Final = "its jti was used before, under the same key"
#: seconds between two complaints
_COMPLAINT: Final = 60.0

#: KEYS: the proof, and the mark of the memory. ARGV: milliseconds for which the proof is kept, and the mark of a memory
#: that begins. Gives whether the proof is new, and the mark that stands there: with another one, proofs were forgotten.
SCRIPT: Final = Script(
    """
local mark = redis.call('GET', KEYS[2])
if not mark then
  mark = ARGV[2]
  redis.call('SET', KEYS[2], mark)
end
local new = redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1])
return {new and 1 or 0, mark}
"""
)

log = logging.getLogger("gateway")


class ProcessReplays:
    """The Replays of one process that stands alone."""

    def __init__(self, *, observer: Observer, clock: Callable[[], float] = time.time, most: int = MAX_PROOFS) -> None:
        """`clock`: seconds since the epoch. `most`: proofs that are remembered at a time."""
        self._key = os.urandom(32)
        self._used = UsedProofs(most=most)
        self._observer = observer
        self._clock = clock
        self._told = 0
        self._silent_until = 0.0

    def __repr__(self) -> str:
        return f"ProcessReplays({self._used!r})"

    async def use(self, proof: Proof) -> None:
        """See `gateway.ports.Replays`. Waits for nothing: of many at one moment, one is the first."""
        self.remember(proof)

    def remember(self, proof: Proof) -> None:
        """The same, at once."""
        digest = hmac.digest(self._key, f"{proof.thumbprint}.{proof.jti}".encode(), "sha256")[:DIGEST]
        now = self._clock()
        try:
            is_new = self._used.use(digest, until=proof.until, now=now)
        except MemoryFull:
            self._complain(now)
            raise ReplayMemoryFull(f"{len(self._used)} used proofs are remembered, and no more can be") from None
        if not is_new:
            raise ProofReplayed(_WAS_USED)

    def look(self, _: float = 0.0) -> None:
        """To be called once a second: forgets what has ended, and says how many are left."""
        self._used.forget(self._clock())
        if len(self._used) != self._told:
            self._told = len(self._used)
            self._observer.happened(ProofsKnown(self._told))

    def _complain(self, now: float) -> None:
        if now >= self._silent_until:
            self._silent_until = now + _COMPLAINT
            log.error("the memory of used DPoP proofs is full: requests with one are refused with 503")


class SharedReplays:
    """The Replays of replicas that share a Redis."""

    def __init__(self, shared: Redis, *, here: ProcessReplays | None, clock: Callable[[], float] = time.time) -> None:
        """`here`: what this process remembers by itself, while the store cannot be had; None: it refuses then.

        `clock`: seconds since the epoch.
        """
        self.shared: Final = shared
        #: None: nothing is remembered here
        self.here: Final = here
        self._clock = clock
        #: the mark of the memory there, as it was seen last
        self._mark: bytes | None = None
        #: when proofs were forgotten there, seconds since the epoch
        self._lost_at = 0.0
        shared.on_loss.append(self._has_lost)

    def __repr__(self) -> str:
        return f"SharedReplays({self.shared!r})"

    async def use(self, proof: Proof) -> None:
        """See `gateway.ports.Replays`."""
        if self.here is not None:
            # Also while all is well: what was used here is known here when the store is gone.
            self.here.remember(proof)
        down = None
        try:
            is_new = await self._use_shared(self.shared, proof)
        except StoreDown as error:
            down = str(error)
        if down is not None:
            if self.here is None:
                raise StoreUnavailable(f"whether the proof was used before cannot be known: {down}")
            return
        if not is_new:
            raise ProofReplayed(_WAS_USED)
        if self.here is None and proof.issued_at <= self._lost_at + AHEAD:
            raise StoreUnavailable("whether the proof was used before is not known: the store has forgotten it")

    def look(self, now: float = 0.0) -> None:
        """To be called once a second."""
        if self.here is not None:
            self.here.look(now)

    def refuses_everything(self) -> str | None:
        """Why no proof can be accepted now, for `/readyz`; None: they can."""
        if self.here is not None or self.shared.is_up:
            return None
        return f"used proofs cannot be known: {self.shared.reason}"

    async def _use_shared(self, shared: Redis, proof: Proof) -> bool:
        now = self._clock()
        name = shared.name(_USE, proof.thumbprint.encode(), proof.jti.encode())
        milliseconds = max(1, int((proof.until - now) * 1000))
        # Whoever knew another memory than the one that begins says since when its proofs are lost.
        began = now if self._mark is not None else 0.0
        fresh = b"%b:%d" % (os.urandom(8).hex().encode(), int(began))
        is_new, mark = await shared.run(
            SCRIPT, use=_USE, keys=[name, shared.name(_USE, b"mark")], args=[milliseconds, fresh]
        )
        self._take_mark(mark, now)
        return bool(is_new)

    def _take_mark(self, mark: bytes, now: float) -> None:
        if mark == self._mark:
            return
        if self._mark is not None:
            self._has_lost()
        self._mark = mark
        lost_at = mark.partition(b":")[2]
        if lost_at.isdigit():
            # Another clock than ours may be ahead: what is to come has not happened.
            self._lost_at = max(self._lost_at, min(float(lost_at[:16]), now))

    def _has_lost(self) -> None:
        self._lost_at = max(self._lost_at, self._clock())


def replays_of(
    config: Config,
    store: Store,
    *,
    observer: Observer,
    clock: Callable[[], float],
    counts: bool = True,
    before: ProcessReplays | SharedReplays | None = None,
) -> ProcessReplays | SharedReplays | None:
    """As configured; None: no proofs are accepted. `counts`: in the store, where all replicas do.

    `before`: those of the configuration before: what was used is used.
    """
    if config.dpop is None:
        return None
    known = before.here if isinstance(before, SharedReplays) else before
    here = known or ProcessReplays(observer=observer, clock=clock)
    if store.shared is None or not counts:
        return here
    if isinstance(before, SharedReplays) and before.shared is store.shared:
        replays = before
    else:
        is_local = config.store.on_failure.replay == "local"
        replays = SharedReplays(store.shared, here=here if is_local else None, clock=clock)
    if all(issuer.binding == "dpop" for issuer in config.issuers):
        store.add_refusing(replays.refuses_everything)
    return replays
