"""The composition root: a configuration becomes a gate and what stands behind it. Opens no socket to listen on.

Serving, workers and explaining are all made here, so that what is explained is what serves.
"""

import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from gateway.core.config.file import Config, upstreams_of
from gateway.core.config.secret import Secret
from gateway.core.config.upstreams import token_requests_of
from gateway.core.errors import LogoutFailed
from gateway.core.http.client_address import client_addresses_of
from gateway.core.revocation.entry import Entry
from gateway.core.upstream.own_lines import own_lines, secret_uses
from gateway.decisions.calls import Calls
from gateway.decisions.http import Decisions
from gateway.gate import Gate
from gateway.logouts import BackchannelLogouts
from gateway.ports import Conditions, Exchange, Observer, Upstream, UpstreamTokens
from gateway.possession import Possession
from gateway.relay.client.peer import TrustedProxies
from gateway.relay.upstream.upstreams import HttpUpstreams
from gateway.remote.introspections import RemoteIntrospections
from gateway.remote.keys.issuer_keys import Clock
from gateway.remote.keys.issuers import RemoteIssuers
from gateway.remote.upstream_tokens import RemoteTokens
from gateway.remote.userinfo import RemoteUserInfo
from gateway.resources import PublishedResources
from gateway.sampled import Sampler
from gateway.settings.files import read_signing_key
from gateway.settings.watch import FollowedSecrets
from gateway.signing.assertions import SignedAssertions
from gateway.signing.signing_keys import SigningKeys
from gateway.store.budget import within_budget
from gateway.store.rates import RateLimits, rate_limits
from gateway.store.replays import ProcessReplays, SharedReplays, replays_of
from gateway.store.replicated import ReplicatedList
from gateway.store.revocations import CannotRevoke, Keeper, Revocations
from gateway.store.store import Store

#: of a key set as it was published, at most 256 KiB, and of what is kept with it
KEPT_BYTES: Final = 300 << 10


@dataclass(frozen=True, slots=True)
class Assembly:
    """A gate and what stands behind it, made for one configuration."""

    config: Config
    gate: Gate
    decisions: Decisions
    #: what is asked over gRPC
    calls: Calls
    issuers: RemoteIssuers
    #: None: nobody is asked about tokens
    introspections: RemoteIntrospections | None
    #: None: there are no assertions
    signer: SigningKeys | None
    #: None: no upstream gets a token of its own
    tokens: RemoteTokens | None
    upstream: Upstream
    #: what replicas share, or what is kept here instead
    store: Store
    #: None: no DPoP proofs are accepted
    replays: ProcessReplays | SharedReplays | None
    #: None: nothing is counted; in it `bad_tokens`, for whoever else gets bad ones
    rates: RateLimits | None
    #: those in files are followed
    secrets: FollowedSecrets
    #: None: revocation is not configured
    revocations: Revocations | None
    #: whose end is the end of this
    _closing: AsyncExitStack = field(repr=False)

    async def start(self) -> None:
        """Begins to fetch keys and to follow files; waits for nobody but a store, and that briefly. `close` ends it."""
        await self.store.start()
        # Nothing is admitted before this process knows what is revoked.
        if self.revocations is not None:
            await self.revocations.start()
        await self.issuers.start()
        if self.signer is not None:
            await self.signer.start()
        if self.tokens is not None:
            await self.tokens.start()
        await self.secrets.start()

    def look(self, now: float) -> None:
        """To be called once a second. `now`: of `time.monotonic`."""
        self.gate.verifier.digests.forget()
        if self.revocations is not None:
            self.revocations.look(now)
        if self.replays is not None:
            self.replays.look(now)

    async def close(self) -> None:
        """Ends all that is under way, sockets and tasks. May be called twice."""
        await self._closing.aclose()

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
        #: of the traffic listener, of the decision listener, and of the one over gRPC
        self.traffic = Door(assembly.sharing(assembly.gate.handle))
        self.questions = Door(assembly.sharing(assembly.decisions.handle))
        self.calls = Door(assembly.sharing(assembly.calls.handle))
        self._assembly = assembly

    @property
    def assembly(self) -> Assembly:
        """The one of now."""
        return self._assembly

    @assembly.setter
    def assembly(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self.traffic.handle = assembly.sharing(assembly.gate.handle)
        self.questions.handle = assembly.sharing(assembly.decisions.handle)
        self.calls.handle = assembly.sharing(assembly.calls.handle)


def build(  # noqa: PLR0913 -- as many as somebody may replace
    config: Config,
    *,
    observer: Observer,
    secrets: Mapping[Secret, str] = MappingProxyType({}),
    upstream: Upstream | None = None,
    counts: bool = True,
    keeper: Keeper | None = None,
    tokens: UpstreamTokens | None = None,
    sampler: Sampler | None = None,
    beside: Assembly | None = None,
    clock: Callable[[], float] = time.time,
) -> Assembly:
    """Makes it; asks nobody yet. Needs a running loop. After calling this you must call `close`.

    `config` is sound: nothing is checked here. `secrets`: what was read for each that it names. `observer`: outlives
    what is built here. `upstream`: instead of the APIs of the configuration; `tokens`: instead of those that token
    endpoints give for them. `counts`: requests, where all replicas do; False for what is only explained. `keeper`: of
    what is revoked, beyond this process; it is closed with the rest. `sampler`: of traces; it outlives this too.
    `beside`: what serves, where this only explains: its keys and its list of what is revoked. `clock`: seconds since
    the epoch.
    ValueError: a file was spoilt after it was checked; the sentence begins with its key.
    """
    closing = AsyncExitStack()
    signer = signing_keys(config)
    followed = FollowedSecrets(
        secret_uses(config), secrets, replaced=lambda changed: gate.tell_upstreams(own_lines(config, changed))
    )
    store = Store(config.store, read=followed.read, observer=observer, clock=clock)
    closing.push_async_callback(store.close)
    if upstream is None:
        timeouts = tuple(float(route.timeout) for route in config.routes if route.timeout is not None)
        upstream = pools = HttpUpstreams(
            upstreams_of(config), timeouts=timeouts, tunnels=config.limits.tunnels, observer=observer
        )
        closing.push_async_callback(pools.close)
    if signer is not None:
        closing.push_async_callback(signer.stop)
    # Memory has nothing that was not fetched by this process.
    place = None if store.shared is None else store.cache("keys", value_bytes=KEPT_BYTES)
    if beside is None:
        issuers = RemoteIssuers(config.issuers, observer=observer, place=place, read=followed.read)
        closing.push_async_callback(issuers.stop)
    else:
        issuers = beside.issuers
    rates = rate_limits(config, store, counts=counts)
    senders = client_addresses_of(config)
    replays = replays_of(config, store, observer=observer, clock=clock, counts=counts)
    possession = Possession(
        config,
        observer=observer,
        clock=clock,
        replays=replays,
        read=followed.read,
        rates=rates,
        sender=None if senders is None else senders.of,
    )
    introspections = None
    if any(issuer.introspection is not None for issuer in config.issuers):
        introspections = RemoteIntrospections(
            config.issuers,
            issuers=issuers,
            read=followed.read,
            cache=store.cache("introspection"),
            observer=observer,
            clock=clock,
        )
        closing.push_async_callback(introspections.stop)
    userinfo = None
    if any(issuer.userinfo is not None for issuer in config.issuers):
        userinfo = RemoteUserInfo(
            config.issuers,
            keys=issuers,
            cache=store.cache("userinfo"),
            observer=observer,
            clock=clock,
            read=followed.read,
        )
        closing.push_async_callback(userinfo.stop)
    revocations = beside.revocations if beside is not None else _revocations(config, store, keeper, observer, clock)
    if revocations is not None and beside is None:
        closing.push_async_callback(revocations.close)
    remote = None
    if tokens is None and any(map(token_requests_of, upstreams_of(config).values())):
        tokens = remote = RemoteTokens(
            upstreams_of(config),
            read=followed.read,
            observer=observer,
            token_bytes=config.limits.token_bytes,
            shared=None if store.shared is None else store.cache("exchange"),
            senders=senders,
            clock=Clock(wall=clock),
        )
        closing.push_async_callback(remote.stop)
    gate = Gate(
        config,
        issuers=issuers,
        upstream=upstream,
        observer=observer,
        assertions=None if signer is None else SignedAssertions(config, signer=signer, clock=clock),
        rates=rates,
        possession=possession,
        introspections=introspections,
        revocations=revocations,
        userinfo=userinfo,
        tokens=tokens,
        conditions=conditions_of(config),
        sampler=sampler,
        secrets=secrets,
        clock=clock,
    )
    if revocations is not None and any(issuer.backchannel_logout for issuer in config.issuers):
        gate.hear(
            BackchannelLogouts(
                config,
                issuers=issuers,
                revoke=_by_logout(revocations),
                lacks_sessions=gate.lacks_sessions,
                observer=observer,
                check_sender=None if rates is None else rates.check_sender,
                count_bad=None if rates is None else rates.count_bad,
                clock=clock,
            )
        )
    if config.resources:
        gate.hear(PublishedResources(config))
    closing.push_async_callback(followed.stop)
    closing.push_async_callback(gate.verifier.stop)
    return Assembly(
        config=config,
        gate=gate,
        decisions=Decisions(gate, config),
        calls=Calls(gate, config, peer_of=TrustedProxies.of(config).peer),
        issuers=issuers,
        introspections=introspections,
        signer=signer,
        tokens=remote,
        upstream=upstream,
        store=store,
        replays=replays,
        rates=rates,
        secrets=followed,
        revocations=revocations,
        _closing=closing,
    )


def conditions_of(config: Config) -> Conditions | None:
    """What conditions of routes are judged by, where there are any."""
    if all(route.condition is None for route in config.routes):
        return None
    from gateway.conditions.conditions import CelConditions  # noqa: PLC0415 -- the library is there only with its extra

    return CelConditions(config)


def _revocations(
    config: Config, store: Store, keeper: Keeper | None, observer: Observer, clock: Callable[[], float]
) -> Revocations | None:
    """What is revoked, where that is configured: in the store, where there is one that replicas share."""
    if config.revocation is None:
        return None
    if store.shared is not None:
        keeper = ReplicatedList(store.shared, clock=clock)
    closed = config.store.on_failure.revocation == "closed"
    revocations = Revocations(observer=observer, keeper=keeper, closed=closed, clock=clock)
    store.add_refusing(revocations.refuses_everything)
    return revocations


def _by_logout(revocations: Revocations) -> Callable[[tuple[Entry, ...]], Awaitable[bool]]:
    """How a logout is written down. LogoutFailed: it was not."""

    async def revoke(entries: tuple[Entry, ...]) -> bool:
        # The same logout token again, and again: nothing is written for it.
        if revocations.covers(entries):
            return False
        try:
            return await revocations.add(*entries, source="logout")
        except CannotRevoke as error:
            raise LogoutFailed(str(error)) from None

    return revoke


def signing_keys(config: Config) -> SigningKeys | None:
    """The keys that sign assertions, where there are any. ValueError as in `build`."""
    if config.assertion is None:
        return None
    try:
        return SigningKeys(config.assertion, read=read_signing_key)
    except ValueError as error:
        raise ValueError(f"assertion.key.file {error}") from None
