"""One request, top to bottom. Read this file first.

`admit` decides; `handle` has the decision carried out. Whatever judges is a pure function of `core`; whatever waits
stands behind a port. A new kind of check is a line here and a module in `core`.
"""

import logging
import time
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

from gateway.completer import Completer, UserInfo
from gateway.core.config.file import Config, counts_senders
from gateway.core.config.rates import PER_CALLER
from gateway.core.config.secret import Secret
from gateway.core.errors import ClientDisconnected, InternalError, Refusal, TooLarge
from gateway.core.http.body_limit import check_length
from gateway.core.http.client_address import client_addresses_of
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.placed_lines import placed_lines, refusal_lines
from gateway.core.proof.certificate import ClientCertificates
from gateway.core.routing.admission import Admission
from gateway.core.routing.asked import asked_of
from gateway.core.routing.policy import check_policy
from gateway.core.routing.route import Route
from gateway.core.routing.table import RouteTable
from gateway.core.token.credential import find_credential
from gateway.core.token.digests import digest_of
from gateway.core.token.identity import Identity
from gateway.core.token.places import cross_site_of, places_of
from gateway.core.trail import (
    BINDING,
    BODY,
    CONDITION,
    CREDENTIAL,
    ORIGIN,
    POLICY,
    RATES,
    REMEMBERED,
    REPLAY,
    REVOCATION,
    ROUTE,
    UPSTREAM,
)
from gateway.core.upstream.headers import ForwardingNotice, UpstreamHeaders
from gateway.endless import Endless
from gateway.messages import OwnResponse
from gateway.ports import (
    Assertions,
    Conditions,
    Ending,
    Exchange,
    Introspections,
    Issuers,
    Observer,
    OwnPaths,
    Rates,
    Revocations,
    Upstream,
    UpstreamTokens,
)
from gateway.possession import Possession
from gateway.sampled import Sampler
from gateway.verifier import Verifier

CarryOut = Callable[[Ending, Admission, Exchange], Awaitable[None]]

log = logging.getLogger("gateway")


class Gate:
    """Decides who gets through, and relays what was let through."""

    def __init__(
        self,
        config: Config,
        *,
        issuers: Issuers,
        upstream: Upstream,
        observer: Observer,
        assertions: Assertions | None = None,
        introspections: Introspections | None = None,
        revocations: Revocations | None = None,
        userinfo: UserInfo | None = None,
        tokens: UpstreamTokens | None = None,
        rates: Rates | None = None,
        possession: Possession | None = None,
        conditions: Conditions | None = None,
        sampler: Sampler | None = None,
        secrets: Mapping[Secret, str] = MappingProxyType({}),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`secrets`: those upstreams are shown. `clock`: seconds since the epoch. `possession`: needed with `dpop`."""
        self.routes: Final = RouteTable(config)
        self._upstream_headers = UpstreamHeaders.of(config, secrets=secrets)
        self._certificates = ClientCertificates.of(config)
        self._places = places_of(config)
        self._possession: Final = possession or Possession(config, observer=observer, clock=clock)
        self._asks_binding: Final = self._possession.is_needed
        self._dpop: Final = config.dpop is not None
        self._cross_site = cross_site_of(config)
        self._token_bytes = config.limits.token_bytes
        self._body_bytes = config.limits.body_bytes
        self.verifier: Final = Verifier(
            config, issuers=issuers, observer=observer, clock=clock, rates=rates, introspections=introspections
        )
        self._rates = rates
        self._senders = client_addresses_of(config) if counts_senders(config) else None
        self._completer = None if userinfo is None else Completer(config, userinfo=userinfo, verifier=self.verifier)
        self._assertions = assertions
        self._revocations = revocations
        self._conditions = conditions
        self._sampler: Final = sampler
        self._own_paths: tuple[OwnPaths, ...] = ()
        self._tokens = tokens
        self._upstream = upstream
        self._observer = observer
        self._clock = clock
        self._forwarding = ForwardingNotice(log.warning)

    def tell_upstreams(self, own: Mapping[str, tuple[HeaderLine, ...]]) -> None:
        """From now on requests to an upstream have these lines of ours: a secret has been replaced."""
        self._upstream_headers = self._upstream_headers.with_own(own)

    def hear(self, own: OwnPaths) -> None:
        """From now on requests to these paths are for whoever has them."""
        self._own_paths = (*self._own_paths, own)

    async def handle(self, exchange: Exchange, *, carry_out: CarryOut | None = None) -> None:
        """One request to its end. Raises nothing but CancelledError; the observer hears how it ended.

        `carry_out`: what is done with an admission instead of relaying it.
        """
        ending = Ending()
        started = time.perf_counter()
        try:
            try:
                facts = ending.facts = exchange.read_facts()
                if self._sampler is not None:
                    ending, facts = self._sampler.begin(ending, facts, started)
                for own in () if carry_out is not None else self._own_paths:
                    if own.hears(facts):
                        self.routes.check_host(facts)
                        await own.handle(ending, exchange)
                        break
                else:
                    admission = await self.admit(facts, ending)
                    await (carry_out or self._relay)(ending, admission, exchange)
            except Refusal as refusal:
                ending.refusal = refusal
            except Exception:
                log.exception("a request ended in a bug of the gateway")
                ending.refusal = InternalError("see the traceback in the log")
            # Not within `except`: where it is compiled, every other task would meanwhile see this exception as its own.
            if ending.refusal is not None:
                await self._refuse(ending.refusal, exchange, ending)
        except (ClientDisconnected, CancelledError) as gone:
            ending.refusal = exchange.cut_by or ClientDisconnected("the connection ended before the response did")
            ending.status = ending.refusal.status
            if isinstance(gone, CancelledError):
                raise
        finally:
            if ending.endless is None:
                ending.measure(exchange, started, time.perf_counter())
                self._observer.request_ended(ending)
            else:  # nothing of this gate is held by what goes on for hours
                exchange.go_on(Endless(ending, exchange, ending.endless, self._observer, started=started))

    async def _relay(self, ending: Ending, admission: Admission, exchange: Exchange) -> None:
        assert ending.facts is not None  # read before it was admitted
        if admission.by_gateway:
            ending.status = 204
            await exchange.respond(OwnResponse(204, b"No Content"), lines=ending.response_lines)
            return
        ending.enter(UPSTREAM)
        asked = time.perf_counter()
        try:
            response = await self._upstream.send(ending.facts, admission, exchange)
        finally:
            ending.waited = time.perf_counter() - asked
        try:
            ending.upstream_duration, ending.status = ending.waited, response.status
            if self._tokens is not None and response.status == 401:
                self._tokens.unwelcome(ending.facts, admission)
            caller = admission.identity
            is_endless = caller is None or (caller.believed is not None and caller.believed.is_end)
            ending.seconds_left = None if caller is None or is_endless else caller.ends_at - self._clock()
            lines = ending.response_lines
            if ending.facts.placed:
                lines += placed_lines(ending.facts, status=response.status, headers=tuple(response.headers))
            if response.is_endless:
                ending.endless, ending.response_lines = response, lines
            else:
                await exchange.relay(response, lines=lines)
        finally:
            if ending.endless is None:
                response.close()

    async def _refuse(self, refusal: Refusal, exchange: Exchange, ending: Ending) -> None:
        """Responds with a refusal, unless a response has begun or nobody is there: then the connection is cut."""
        if isinstance(refusal, ClientDisconnected):
            raise refusal
        if exchange.has_begun:
            exchange.abort()
            return
        ending.status = refusal.status
        refusal.asked = None if ending.route is None else asked_of(ending.route, refusal, ending.identity)
        lines = ending.response_lines
        if ending.facts is not None and ending.facts.placed:
            lines += refusal_lines(ending.facts.placed)
        await exchange.refuse(refusal, lines=lines)

    async def admit(self, facts: Facts, ending: Ending) -> Admission:  # noqa: C901, PLR0912, PLR0915 -- one step a branch
        """Whether this request may pass, and as whom. A Refusal says why not; `ending` then stands at its step.

        In the order of `Step`: what a token says is judged once and remembered, what depends on the request every time.
        """
        if self._places is not None:
            facts = ending.facts = self._places.emptied(facts)
        self._forwarding.look(facts)
        ending.enter(ROUTE)
        if (preflight := self.routes.find_preflight(facts)) is not None:
            await self._count_preflight(facts, ending, preflight[0])
            return self._admit_preflight(facts, ending, *preflight)
        if (cors := self.routes.cors) is not None:
            ending.response_lines = cors.response_lines(facts.headers)
        route = ending.route = self.routes.match(facts)
        if route.cors is not cors:
            ending.response_lines = () if route.cors is None else route.cors.response_lines(facts.headers)
        proof = None
        try:
            if route.places is not None:
                facts = ending.facts = route.places.choose(facts, ending)
            # Optional is no credential at all: whatever one is there must be good.
            if not route.public and (facts.authorization or not route.optional):
                ending.enter(CREDENTIAL)
                presumed, digest = self.verifier.digests.presume(facts.authorization)
                identity = self.verifier.recall(digest)
                if identity is not None:
                    ending.enter(REMEMBERED)
                else:
                    credential = find_credential(
                        facts.authorization, token_bytes=self._token_bytes, dpop=self._dpop, place=facts.place
                    )
                    digest = digest if credential.token == presumed else digest_of(credential.token)
                    sender = None if self._senders is None else self._senders.of(facts)
                    identity = await self.verifier.verify(credential, digest, ending, sender=sender)
                if self._revocations is not None and self._revocations.is_needed:
                    ending.enter(REVOCATION)
                    self._revocations.check(identity)
                ending.enter(BINDING)
                if identity.confirmation is not None or self._asks_binding:
                    proof = self._possession.check(identity, facts, self._certificates, digest=digest, ending=ending)
                ending.identity = identity
                if self._cross_site is not None and facts.is_ambient:
                    ending.enter(ORIGIN)
                    self._cross_site.check(facts, route.cors)
            if route.rates and self._rates is not None:
                ending.enter(RATES)
                await self._rates.check(route.rates, facts, ending)
            if (identity := ending.identity) is not None:
                ending.enter(POLICY)
                if route.demands is not None:
                    route.demands.check(identity, now=self._clock())
                check_policy(route, identity, target=facts.target)
                if identity.lacks is not None and self._completer is not None:
                    ending.identity = await self._completer.complete(identity, facts, digest, presumed, ending)
                if route.condition is not None:
                    assert self._conditions is not None  # or the route could not have one
                    ending.enter(CONDITION)
                    self._conditions.check(route.condition, facts, ending, self._upstream_headers)
            if proof is not None:
                ending.enter(REPLAY)
                await self._possession.use(proof, ending)
        except Refusal as refusal:
            self._possession.tell(refusal, facts, ending)
            if not route.reports or isinstance(refusal, TooLarge):
                raise
            ending.report(refusal)
        if proof is not None and ending.reported is not None:
            await self._possession.use_up(proof, ending)
        if self._body_bytes is not None:
            ending.enter(BODY)
            check_length(facts, most=self._body_bytes)
        own = ending.upstream_lines + (() if self._tokens is None else await self._tokens.lines(facts, ending))
        return self._admit_as(ending.identity, facts, route, own)

    def _admit_as(self, caller: Identity | None, facts: Facts, route: Route, own: tuple[HeaderLine, ...]) -> Admission:
        """What the upstream gets: made last, and telling of nobody who was not admitted in full. `own`: its token."""
        told = b"" if caller is None else caller.wire
        if caller is not None and self._assertions is not None:
            own = (*own, *self._assertions.lines(caller, upstream=route.upstream))
        outgoing = self._upstream_headers.compose(facts, own, route=route, identity=told)
        return Admission(route=route, identity=caller, target=route.forwarded_target(facts.target), lines=outgoing)

    async def _count_preflight(self, facts: Facts, ending: Ending, route: Route) -> None:
        """One that reaches the API counts as any request does, as far as that needs no token. RateLimited."""
        if not route.rates or self._rates is None or route.cors is None or not route.cors.by_upstream:
            return
        rules = tuple([rule for rule in route.rates if rule.per not in PER_CALLER])
        ending.route = route
        ending.enter(RATES)
        try:
            await self._rates.check(rules, facts, ending)
        except Refusal as refusal:
            if not route.reports:
                raise
            ending.report(refusal)

    def _admit_preflight(self, facts: Facts, ending: Ending, route: Route, method: str) -> Admission:
        """A browser asks, without a token, what a page may do: it gets a response, and the upstream no identity."""
        assert route.cors is not None  # or it would be a request like any other
        ending.route = route
        lines = route.cors.preflight_lines(facts.headers, method=method)
        ending.response_lines += lines or ()
        outgoing = self._upstream_headers.compose(facts, ending.upstream_lines, route=route, preflight=True)
        target = route.forwarded_target(facts.target)
        return Admission(route=route, identity=None, target=target, lines=outgoing, by_gateway=lines is not None)
