"""Another configuration in the place of the one that serves: built beside it, used at once, and the old one let go.

Nothing waits for this but the reload itself. What is under way ends by the configuration it began with.
"""

import asyncio
import gc
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.admin.readiness import Readiness
from gateway.assembly import Assembly, Former
from gateway.compose import build
from gateway.core.config.file import Config, upstreams_of
from gateway.core.config.secret import Secret
from gateway.core.config.upstreams import token_requests_of
from gateway.core.reload.changes import is_same
from gateway.core.reload.taken import Files
from gateway.ports import Observer
from gateway.process.memory import lacks_room
from gateway.process.secure import FollowedFiles
from gateway.sampled import Sampler

#: seconds for which what is new is waited for: keys of an issuer, a token for an API
FIRST: Final = 10.0
#: seconds between two looks whether they are there, or whether the last request has ended
LOOK: Final = 0.05
#: seconds from one look to the next, when it lasts
LONGEST: Final = 1.0
#: seconds for which a reload waits until nothing is left of the configuration before the one that serves; together with
#: FIRST less than a worker has to say whether it could
PATIENCE: Final = 3.0

log = logging.getLogger("gateway")


def import_for(config: Config) -> None:
    """Imports what this one is the first to need: a tenth of a second, in which others are served."""
    asks = any(one.jwks_file is None or one.introspection or one.userinfo for one in config.issuers)
    if asks or config.probes or any(map(token_requests_of, upstreams_of(config).values())):
        import gateway.remote.client  # noqa: F401, PLC0415 -- its library is there where somebody is asked


@dataclass(frozen=True, slots=True)
class Wanted:
    """A configuration that is sound, and all that was read for it."""

    config: Config
    secrets: Mapping[Secret, str]
    files: Files


class Place(Protocol):
    """Whoever serves, and may serve otherwise."""

    @property
    def assembly(self) -> Assembly:
        """What serves now."""

    @property
    def observer(self) -> Observer:
        """Who hears of it, and of whatever serves next."""

    @property
    def sampler(self) -> Sampler | None:
        """Which requests are traced; None: none is."""

    def readiness_of(self, assembly: Assembly) -> Readiness:
        """Whether it could respond."""

    def use(self, assembly: Assembly, *, secure: FollowedFiles | None) -> Former:
        """From now on this serves; what served before. `secure`: how TLS begins from now on; None: without."""


class Replacing:
    """Prepares another configuration, and has it used or not. One at a time."""

    def __init__(self, place: Place, *, let_go: Callable[[], None] = lambda: None) -> None:
        """Needs a running loop. `let_go`: is called when nothing is left of one that served."""
        self._place = place
        self._let_go = let_go
        self._next: Assembly | None = None
        self._secure: FollowedFiles | None = None
        self._secrets: Mapping[Secret, str] = {}
        #: the ends of those before that are not over, one after another
        self._endings: list[asyncio.Task[None]] = []

    async def prepare(self, wanted: Wanted) -> list[str]:
        """Builds it, and waits until it can serve; what is wrong, in sentences. Then `commit` or `abort` it."""
        await self._pass_old()
        config, current = wanted.config, self._place.assembly
        if config.limits.connections > current.config.limits.connections and lacks_room(config):
            return ["limits.connections: needs more file descriptors than this process may have: restart with more"]
        self._secrets = wanted.secrets
        if is_same(current.config, config) and current.files == wanted.files:
            self._next = current
            return []
        try:
            await asyncio.to_thread(import_for, config)
            self._secure = None if config.tls is None else await asyncio.to_thread(FollowedFiles, config.tls)
            self._next = build(
                config,
                observer=self._place.observer,
                sampler=self._place.sampler,
                secrets=wanted.secrets,
                files=wanted.files,
                before=current,
            )
        except ValueError as error:
            return [str(error)]
        await self._next.start(before=current)
        if (wrong := await self._until_ready(self._next)) is not None:
            await self.abort()
            return [wrong]
        return []

    async def _until_ready(self, assembly: Assembly) -> str | None:
        """Why it must not serve: nobody would be served who is now; None: it may."""
        until = asyncio.get_running_loop().time() + FIRST
        now = self._place.readiness_of(assembly)
        while not now.started or (not now.ready and now.store is not None):
            if asyncio.get_running_loop().time() >= until:
                break
            await asyncio.sleep(LOOK)
            now = self._place.readiness_of(assembly)
        if now.ready or not self._place.readiness_of(self._place.assembly).ready:
            return None
        reasons = [f"{name}: {reason}" for name, reason in now.missing] or [now.store or "it has not started"]
        return f"the gateway would not be ready any more: {'; '.join(reasons)}"

    async def commit(self) -> None:
        """Has it used."""
        following, self._next = self._next, None
        assert following is not None  # it was prepared
        before = self._place.assembly
        if following is before:
            await following.renew(self._secrets)
            return
        former = self._place.use(following, secure=self._secure)
        self._secure = None
        await following.succeed(before, self._secrets)
        earlier = self._endings[-1] if self._endings else None
        ending = asyncio.create_task(self._end(former, following, earlier), name="end of a configuration that served")
        self._endings = [*(one for one in self._endings if not one.done()), ending]

    async def abort(self) -> None:
        """Has it not used. May be called for nothing."""
        following, self._next, self._secure = self._next, None, None
        if following is not None and following is not self._place.assembly:
            await following.close(but=self._place.assembly)

    async def _pass_old(self) -> None:
        """Waits a while until the one before the one that serves has ended."""
        if self._endings:
            await asyncio.wait({self._endings[-1]}, timeout=PATIENCE)

    async def _end(self, former: Former, following: Assembly, earlier: asyncio.Task[None] | None) -> None:
        # In the order in which they served: each closes what its successor has not.
        try:
            if earlier is not None:
                await asyncio.wait({earlier})
            pause = LOOK
            while former.is_in_use:
                await asyncio.sleep(pause)
                # A request that was refused may be over, and held by its refusal until the collector looks at it.
                gc.collect(1 if pause < LONGEST else 2)
                pause = min(2 * pause, LONGEST)
        finally:
            # Also where the program ends meanwhile.
            await former.assembly.close(but=following)
        # Not from here: this still holds it.
        asyncio.get_running_loop().call_soon(self._let_go)

    async def stop(self) -> None:
        """Ends what is under way: the program ends. May be called twice."""
        await self.abort()
        for ending in self._endings:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)
