"""The composition root: a configuration becomes a gate and what stands behind it. Opens no socket to listen on.

Serving, workers and explaining are all made here, so that what is explained is what serves.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from gateway.assembly import Assembly
from gateway.core.config.condition import Condition
from gateway.core.config.file import Config, upstreams_of
from gateway.core.config.secret import Secret
from gateway.core.config.upstreams import token_requests_of
from gateway.core.errors import LogoutFailed
from gateway.core.http.client_address import client_addresses_of
from gateway.core.http.facts import Facts
from gateway.core.reload.taken import Files, identity_settings, is_unchanged
from gateway.core.revocation.entry import Entry
from gateway.core.token.identity import Identity
from gateway.core.upstream.headers import UpstreamHeaders
from gateway.core.upstream.own_lines import own_lines, secret_uses
from gateway.decisions.calls import Calls
from gateway.decisions.http import Decisions
from gateway.gate import Gate
from gateway.logouts import BackchannelLogouts
from gateway.ports import Cache, Conditions, Ending, Observer, Upstream, UpstreamTokens
from gateway.possession import Possession
from gateway.relay.client.peer import TrustedProxies
from gateway.relay.upstream.upstreams import HttpUpstreams
from gateway.remote.keys.issuer_keys import Clock
from gateway.remote.keys.issuers import RemoteIssuers
from gateway.resources import PublishedResources
from gateway.sampled import Sampler
from gateway.settings.files import read_signing_key
from gateway.settings.watch import FollowedSecrets
from gateway.signing.assertions import SignedAssertions
from gateway.signing.signing_keys import SigningKeys
from gateway.store.rates import rate_limits
from gateway.store.replays import replays_of
from gateway.store.replicated import ReplicatedList
from gateway.store.revocations import CannotRevoke, Keeper, Revocations
from gateway.store.store import Store

if TYPE_CHECKING:
    from gateway.remote.introspections import RemoteIntrospections
    from gateway.remote.upstream_tokens import RemoteTokens
    from gateway.remote.userinfo import RemoteUserInfo

#: of a key set as it was published, at most 256 KiB, and of what is kept with it
KEPT_BYTES: Final = 300 << 10


def build(
    config: Config,
    *,
    observer: Observer,
    secrets: Mapping[Secret, str] = MappingProxyType({}),
    files: Files = MappingProxyType({}),
    upstream: Upstream | None = None,
    counts: bool = True,
    keeper: Keeper | None = None,
    tokens: UpstreamTokens | None = None,
    sampler: Sampler | None = None,
    beside: Assembly | None = None,
    clock: Callable[[], float] = time.time,
    before: Assembly | None = None,
) -> Assembly:
    """Makes it; asks nobody yet. Needs a running loop. After calling this you must call `close`.

    `config` is sound: nothing is checked here. `secrets`: what was read for each that it names; `files`: digests of
    what its files of authorities held. `observer`: outlives what is built here. `upstream`: instead of the APIs of the
    configuration; `tokens`: instead of those that token endpoints give for them. `counts`: requests, where all replicas
    do; False for what is only explained. `keeper`: of what is revoked, beyond this process; it is closed with the rest.
    `sampler`: of traces; it outlives this too. `clock`: seconds since the epoch. `before`: what serves now, and may
    share what is the same for both. `beside`: what serves, where this only explains: its keys and its list of what is
    revoked.
    ValueError: a file was spoilt after it was checked; the sentence begins with its key.
    """
    behind = _Behind(before, config, files)
    signer = behind.signer()
    if before is None:
        # Told of one by one: the gate of now is not made yet.
        followed = FollowedSecrets(secret_uses(config), secrets, replaced=lambda now: replaced(now))  # noqa: PLW0108
    else:
        followed = before.secrets
        followed.prepare(secrets)
    store = Store(config.store, read=followed.read, observer=observer, clock=clock, before=behind.store)
    pools = None
    if upstream is None:
        timeouts = tuple(float(route.timeout) for route in config.routes if route.timeout is not None)
        upstream = pools = HttpUpstreams(
            upstreams_of(config),
            timeouts=timeouts,
            tunnels=config.limits.tunnels,
            observer=observer,
            before=None if before is None else before.pools,
        )
    place = behind.place(store)
    asked = behind.asked or _asked(
        config,
        store,
        followed.read,
        observer=observer,
        clock=clock,
        issuers=beside.issuers
        if beside is not None
        else RemoteIssuers(
            config.issuers,
            observer=observer,
            place=place,
            read=followed.read,
            files=files,
            before=behind.issuers,
            sampler=sampler,
        ),
    )
    issuers, introspections, userinfo = asked
    rates = rate_limits(config, store, counts=counts, before=None if before is None else before.rates)
    senders = client_addresses_of(config)
    used = None if before is None else before.used
    replays = replays_of(config, store, observer=observer, clock=clock, counts=counts, before=used)
    possession = Possession(
        config,
        observer=observer,
        clock=clock,
        replays=replays,
        read=followed.read,
        rates=rates,
        sender=None if senders is None else senders.of,
    )
    revocations = (
        beside.revocations
        if beside is not None
        else behind.revocations(store) or _revocations(config, store, keeper, before, observer=observer, clock=clock)
    )
    remote = None
    if tokens is None and any(map(token_requests_of, upstreams_of(config).values())):
        from gateway.remote.upstream_tokens import RemoteTokens  # noqa: PLC0415 -- where somebody is asked

        tokens = remote = behind.tokens or RemoteTokens(
            upstreams_of(config),
            read=followed.read,
            observer=observer,
            token_bytes=config.limits.token_bytes,
            shared=None if store.shared is None else store.cache("exchange"),
            senders=senders,
            clock=Clock(wall=clock),
        )
    conditions = conditions_of(config)
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
        conditions=conditions,
        sampler=sampler,
        secrets=secrets,
        clock=clock,
    )
    behind.remember(gate)

    def replaced(changed: Mapping[Secret, str]) -> None:
        gate.tell_upstreams(own_lines(config, changed))

    if revocations is not None and any(issuer.backchannel_logout for issuer in config.issuers):
        gate.hear(
            BackchannelLogouts(
                config,
                issuers=issuers,
                revoke=_by_logout(revocations),
                lacks_sessions=gate.verifier.lacks_sessions,
                observer=observer,
                check_sender=None if rates is None else rates.check_sender,
                count_bad=None if rates is None else rates.count_bad,
                clock=clock,
            )
        )
    if config.resources:
        gate.hear(PublishedResources(config))
    return Assembly(
        config=config,
        files=files,
        gate=gate,
        decisions=Decisions(gate, config),
        calls=Calls(gate, config, peer_of=TrustedProxies.of(config).peer),
        issuers=issuers,
        introspections=introspections,
        userinfo=userinfo,
        signer=signer,
        tokens=remote,
        upstream=upstream,
        pools=pools,
        store=store,
        place=place,
        replays=replays,
        used=replays or used,
        rates=rates,
        secrets=followed,
        revocations=revocations,
        check_condition=None if conditions is None else _of_what_is_open(conditions, config, secrets),
        replaced=replaced,
        beside=beside,
    )


Asked = tuple[RemoteIssuers, "RemoteIntrospections | None", "RemoteUserInfo | None"]


def _asked(
    config: Config,
    store: Store,
    read: Callable[[Secret], str],
    *,
    observer: Observer,
    clock: Callable[[], float],
    issuers: RemoteIssuers,
) -> Asked:
    """Whoever asks issuers: for their keys, about tokens, and for claims."""
    introspections = userinfo = None
    if any(issuer.introspection is not None for issuer in config.issuers):
        from gateway.remote.introspections import RemoteIntrospections  # noqa: PLC0415 -- where somebody is asked

        cache = store.cache("introspection")
        introspections = RemoteIntrospections(
            config.issuers, issuers=issuers, read=read, cache=cache, observer=observer, clock=clock
        )
    if any(issuer.userinfo is not None for issuer in config.issuers):
        from gateway.remote.userinfo import RemoteUserInfo  # noqa: PLC0415 -- where somebody is asked

        userinfo = RemoteUserInfo(
            config.issuers, keys=issuers, cache=store.cache("userinfo"), observer=observer, clock=clock, read=read
        )
    return issuers, introspections, userinfo


class _Behind:
    """What serves now, and what of it may go on behind another configuration: nothing, where nothing serves yet."""

    def __init__(self, before: Assembly | None, config: Config, files: Files) -> None:
        self._before = before
        self._config = config
        self._files = files
        #: the same, where what replicas share is as it was
        self._shares = before if self._stays(lambda one: one.store) else None

    def _stays(self, of: Callable[[Config], object]) -> bool:
        """Whether what `of` picks is as it was."""
        before = self._before
        return before is not None and is_unchanged(of(before.config), of(self._config), before.files, self._files)

    @property
    def store(self) -> Store | None:
        """That of before."""
        return None if self._shares is None else self._shares.store

    def place(self, store: Store) -> Cache | None:
        """Where replicas leave each other keys. Memory has nothing that was not fetched by this process."""
        if store.shared is None:
            return None
        known = None if self._shares is None else self._shares.place
        return known or store.cache("keys", value_bytes=KEPT_BYTES)

    @property
    def issuers(self) -> RemoteIssuers | None:
        """Those of before, of which some may be the same."""
        return None if self._shares is None else self._shares.issuers

    @property
    def asked(self) -> Asked | None:
        """Whoever asks issuers, where those are the same."""
        if self._shares is None or not self._stays(lambda one: one.issuers):
            return None
        return self._shares.issuers, self._shares.introspections, self._shares.userinfo

    def revocations(self, store: Store) -> Revocations | None:
        """What was revoked is revoked."""
        before = self._shares if store.shared is not None else self._before
        if before is None or before.revocations is None or self._config.revocation is None:
            return None
        store.add_refusing(before.revocations.refuses_everything)
        return before.revocations

    @property
    def tokens(self) -> "RemoteTokens | None":
        """Those for APIs, where all that they depend on is the same."""
        return None if self._shares is None or not self._stays(_of_tokens) else self._shares.tokens

    def signer(self) -> SigningKeys | None:
        """The keys that sign."""
        if self._before is None:
            return signing_keys(self._config)
        return signing_keys_behind(self._before.signer, self._before.config, self._config)

    def remember(self, gate: Gate) -> None:
        """Tokens that were verified are known to the gate, where it would make the same of them."""
        before = self._before
        if before is not None and identity_settings(before.config) == identity_settings(self._config):
            gate.verifier.inherit(before.gate.verifier)


def _of_tokens(config: Config) -> object:
    """All that tokens for APIs depend on."""
    upstreams = {name: upstream.authorization for name, upstream in upstreams_of(config).items()}
    return upstreams, config.limits.token_bytes, config.trusted_proxies, config.bad_tokens


def _of_what_is_open(
    conditions: Conditions, config: Config, secrets: Mapping[Secret, str]
) -> Callable[[Condition, Facts, Identity], None]:
    """How conditions are asked about what was admitted before."""
    headers = UpstreamHeaders.of(config, secrets=secrets)

    def check(condition: Condition, facts: Facts, identity: Identity) -> None:
        ending = Ending()
        ending.identity = identity
        conditions.check(condition, facts, ending, headers)

    return check


def conditions_of(config: Config) -> Conditions | None:
    """What conditions of routes are judged by, where there are any."""
    if all(route.condition is None for route in config.routes):
        return None
    from gateway.conditions.conditions import CelConditions  # noqa: PLC0415 -- the library is there only with its extra

    return CelConditions(config)


def _revocations(
    config: Config,
    store: Store,
    keeper: Keeper | None,
    before: Assembly | None,
    *,
    observer: Observer,
    clock: Callable[[], float],
) -> Revocations | None:
    """What is revoked, where that is configured: in the store, where there is one that replicas share."""
    if config.revocation is None:
        return None
    if store.shared is not None:
        keeper = ReplicatedList(store.shared, clock=clock)
    closed = config.store.on_failure.revocation == "closed"
    revocations = Revocations(observer=observer, keeper=keeper, closed=closed, clock=clock)
    if before is not None and before.revocations is not None:
        # Until the list is there by the other way, or for as long as it cannot be had: what was revoked is revoked.
        revocations.take(before.revocations.entries(lifted=True), source="")
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


def signing_keys_behind(signer: SigningKeys | None, before: Config, config: Config) -> SigningKeys | None:
    """Those of another configuration: the same, or others that are known for a while before they sign.

    `signer`: the keys of the configuration `before`. ValueError as in `build`.
    """
    if signer is None or before.assertion is None or config.assertion is None:
        return signing_keys(config)
    if before.assertion.key == config.assertion.key:
        signer.lasts(float(config.assertion.lifetime))
        return signer
    made = signing_keys(config)
    if made is not None:
        made.inherit(signer)
    return made
