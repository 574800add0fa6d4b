"""A gate and what stands behind it: how it starts, takes the place of another one, and ends; and the doors to it.

Made by `compose`, and replaced as a whole. What was taken over of one goes on when that one ends.
"""

import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.core.config.condition import Condition
from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.core.http.facts import Facts
from gateway.core.reload.taken import Files
from gateway.core.token.identity import Identity
from gateway.core.upstream.own_lines import secret_uses
from gateway.decisions.calls import Calls
from gateway.decisions.http import Decisions
from gateway.gate import Gate
from gateway.ports import Cache, Exchange, Upstream
from gateway.relay.upstream.upstreams import HttpUpstreams
from gateway.remote.keys.issuers import RemoteIssuers
from gateway.settings.watch import FollowedSecrets
from gateway.signing.signing_keys import SigningKeys
from gateway.store.budget import within_budget
from gateway.store.rates import RateLimits
from gateway.store.replays import ProcessReplays, SharedReplays
from gateway.store.revocations import Revocations
from gateway.store.store import Store

if TYPE_CHECKING:
    from gateway.remote.introspections import RemoteIntrospections
    from gateway.remote.upstream_tokens import RemoteTokens
    from gateway.remote.userinfo import RemoteUserInfo


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Assembly:
    """A gate and what stands behind it, made for one configuration."""

    config: Config
    #: digests of what the files of authorities held that it names
    files: Files
    gate: Gate
    decisions: Decisions
    #: what is asked over gRPC
    calls: Calls
    issuers: RemoteIssuers
    #: None: nobody is asked about tokens
    introspections: "RemoteIntrospections | None"
    #: None: nobody is asked for claims that tokens lack
    userinfo: "RemoteUserInfo | None"
    #: None: there are no assertions
    signer: SigningKeys | None
    #: None: no upstream gets a token of its own
    tokens: "RemoteTokens | None"
    upstream: Upstream
    #: the same where it is ours
    pools: HttpUpstreams | None
    #: what replicas share, or what is kept here instead
    store: Store
    #: where replicas leave each other their keys
    place: Cache | None
    #: None: no DPoP proofs are accepted
    replays: ProcessReplays | SharedReplays | None
    #: the same, or those of a configuration before that did: a proof that was used stays so
    used: ProcessReplays | SharedReplays | None
    #: None: nothing is counted; in it `bad_tokens`, for whoever else gets bad ones
    rates: RateLimits | None
    #: those in files are followed; one for all assemblies of a process, one after another
    secrets: FollowedSecrets
    #: None: revocation is not configured
    revocations: Revocations | None
    #: what serves, where this only explains and has its keys; None: it has its own
    beside: "Assembly | None"
    #: as `Conditions.check`, of what is open; None: there are none
    check_condition: Callable[[Condition, Facts, Identity], None] | None
    #: the lines that upstreams are told, for when a secret is replaced
    replaced: Callable[[Mapping[Secret, str]], None]

    async def start(self, before: "Assembly | None" = None) -> None:
        """Begins to fetch keys and to follow files; waits for nobody but a store, and that briefly. `close` ends it.

        `before`: what was taken over of it goes on.
        """
        await self.store.start()
        # Nothing is admitted before this process knows what is revoked.
        if self.revocations is not None and (before is None or self.revocations is not before.revocations):
            await self.revocations.start()
        await self.issuers.start()
        if self.signer is not None and (before is None or self.signer is not before.signer):
            await self.signer.start()
        if self.tokens is not None and (before is None or self.tokens is not before.tokens):
            await self.tokens.start()
        if before is None:
            await self.secrets.start()

    def look(self, now: float) -> None:
        """To be called once a second. `now`: of `time.monotonic`."""
        self.gate.verifier.digests.forget()
        if self.revocations is not None:
            self.revocations.look(now)
        if self.used is not None:
            self.used.look(now)

    async def succeed(self, before: "Assembly", secrets: Mapping[Secret, str]) -> None:
        """Takes the place of another one, which stops what it does by itself: what is under way there ends as it began.

        That one is then to be closed. `secrets`: what was read for each that the configuration names.
        """
        if self.pools is not None and before.pools is not None:
            self.pools.succeed(before.pools)
        await self.secrets.use(secret_uses(self.config), secrets, replaced=self.replaced)
        if before.issuers is not self.issuers:
            await before.issuers.retire(self.issuers)
        if before.signer is not None and before.signer is not self.signer:
            await before.signer.stop()
        if before.tokens is not None and before.tokens is not self.tokens:
            await before.tokens.retire()

    async def renew(self, secrets: Mapping[Secret, str]) -> None:
        """What was read for each secret of the configuration now."""
        await self.secrets.use(secret_uses(self.config), secrets, replaced=self.replaced)
        self.replaced(secrets)

    async def close(self, *, but: "Assembly | None" = None) -> None:
        """Ends all that is under way, sockets and tasks. May be called twice. `but`: what that one has goes on."""
        but = but or self.beside
        await self.gate.verifier.stop()
        if but is None or but.secrets is not self.secrets:
            await self.secrets.stop()
        for ours, theirs in (
            (self.tokens, None if but is None else but.tokens),
            (self.userinfo, None if but is None else but.userinfo),
            (self.introspections, None if but is None else but.introspections),
            (self.signer, None if but is None else but.signer),
        ):
            if ours is not None and ours is not theirs:
                await ours.stop()
        if self.revocations is not None and (but is None or self.revocations is not but.revocations):
            await self.revocations.close()
        if but is None or but.issuers is not self.issuers:
            await self.issuers.stop(but=None if but is None else but.issuers)
        if self.pools is not None:
            await self.pools.close(but=None if but is None else but.pools)
        await self.store.close(but=None if but is None else but.store)

    def sharing(self, handle: "Handle") -> "Handle":
        """A listener's requests, each with a budget of time for a store where there is one."""
        return handle if self.store.shared is None else within_budget(handle)


Handle = Callable[[Exchange], Coroutine[Any, Any, None]]


class Door:
    """The Service of a listener: requests go in to whoever is behind it now, with nothing in between."""

    __slots__ = ("handle",)

    def __init__(self, handle: Handle) -> None:
        self.handle = handle


class Current:
    """The assembly that serves. Another in its place serves every request from then on."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        #: what holds its gate while no request is under way: requests themselves count nothing
        self._held = sys.getrefcount(assembly.gate)
        #: of the traffic listener, of the decision listener, and of the one over gRPC
        self.traffic = Door(assembly.sharing(assembly.gate.handle))
        self.questions = Door(assembly.sharing(assembly.decisions.handle))
        self.calls = Door(assembly.sharing(assembly.calls.handle))

    @property
    def assembly(self) -> Assembly:
        """The one of now."""
        return self._assembly

    def replace(self, assembly: Assembly) -> "Former":
        """Another one from now on; the one before."""
        former = Former(self._assembly, self._held)
        self._assembly, self._held = assembly, sys.getrefcount(assembly.gate)
        self.traffic.handle = assembly.sharing(assembly.gate.handle)
        self.questions.handle = assembly.sharing(assembly.decisions.handle)
        self.calls.handle = assembly.sharing(assembly.calls.handle)
        return former


class Former:
    """An assembly that served, until its last request is over."""

    def __init__(self, assembly: Assembly, held: int) -> None:
        self.assembly = assembly
        self._held = held

    @property
    def is_in_use(self) -> bool:
        """Whether a request is under way by it."""
        return sys.getrefcount(self.assembly.gate) > self._held
