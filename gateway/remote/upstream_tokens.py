"""The UpstreamTokens port: for each upstream that wants a token, who gets it, and their common start and end.

Knows nothing of how a token is asked for. Every upstream stands for itself: one's token never goes to another.
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from gateway.core.config.upstream_tokens import TokenExchange
from gateway.core.config.upstreams import UpstreamSection, token_requests_of
from gateway.core.http.client_address import ClientAddresses
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.routing.admission import Admission
from gateway.core.token.credential import find_credential
from gateway.core.trail import EXCHANGE
from gateway.ports import Cache, Ending, Observer
from gateway.remote.authentication import ReadSecret
from gateway.remote.client_credentials import OwnToken, TokenStatus
from gateway.remote.exchange import ExchangedTokens
from gateway.remote.keys.issuer_keys import Clock
from gateway.remote.token_endpoint import TokenEndpoint

_NAME: Final = b"Authorization"


class RemoteTokens:
    """Tokens by name of the upstream."""

    def __init__(
        self,
        upstreams: Mapping[str, UpstreamSection],
        *,
        read: ReadSecret,
        observer: Observer,
        token_bytes: int,
        clock: Clock,
        shared: Cache | None = None,
        senders: ClientAddresses | None = None,
    ) -> None:
        """Asks nobody yet. After making one you must call `stop`.

        `read`: what a secret is now. `token_bytes`: the most that a caller's token has. `shared`: None: each process
        keeps its own. `senders`: whose address counts; None: nobody says.
        """
        self._senders = senders
        self._token_bytes = token_bytes
        self._own: dict[str, OwnToken] = {}
        self._exchanged: dict[str, ExchangedTokens] = {}
        self._endpoints: list[TokenEndpoint] = []
        for name, upstream in upstreams.items():
            for section in token_requests_of(upstream).values():
                endpoint = TokenEndpoint(name, section, read=read, observer=observer, clock=clock)
                self._endpoints.append(endpoint)
                if isinstance(section, TokenExchange):
                    self._exchanged[name] = ExchangedTokens(
                        name, section, endpoint=endpoint, shared=shared, observer=observer, clock=clock
                    )
                else:
                    self._own[name] = OwnToken(name, section, endpoint=endpoint, clock=clock)

    async def start(self) -> None:
        """Begins to fetch those of the gateway's own. Waits for no response."""
        for own in self._own.values():
            await own.start()

    async def retire(self) -> None:
        """Fetches no more ahead; who is served still gets a token. Ended by `stop`."""
        for own in self._own.values():
            await own.retire()

    async def stop(self) -> None:
        """Ends all that is under way; afterwards there is no task and no socket of ours. May be called twice."""
        async with AsyncExitStack() as stack:
            for endpoint in self._endpoints:
                stack.push_async_callback(endpoint.close)
            for exchanged in self._exchanged.values():
                stack.push_async_callback(exchanged.stop)
            for own in self._own.values():
                stack.push_async_callback(own.stop)

    def status(self) -> list[TokenStatus]:
        """Every upstream that is shown a token of the gateway's own, in the order of the configuration."""
        return [own.status() for own in self._own.values()]

    async def lines(self, facts: Facts, ending: Ending) -> tuple[HeaderLine, ...]:
        """The header with the token for the upstream of this request. ExchangeRefused, ExchangeUnavailable.

        In exchange only for a token that was admitted in full: on a public route, and on one that only reports a
        refusal, the upstream gets none.
        """
        route, caller = ending.route, ending.identity
        assert route is not None  # the request was judged
        if (own := self._own.get(route.upstream)) is not None:
            ending.enter(EXCHANGE)
            return ((_NAME, await own.authorization()),)
        exchanged = self._exchanged.get(route.upstream)
        if exchanged is None or caller is None or ending.reported is not None:
            return ()
        ending.enter(EXCHANGE)
        token = find_credential(facts.authorization, token_bytes=self._token_bytes, dpop=True).token
        sender = partial(self._sender, facts)
        return ((_NAME, await exchanged.authorization(token, caller, sender=sender)),)

    def _sender(self, facts: Facts) -> str | None:
        return None if self._senders is None else self._senders.of(facts)

    def unwelcome(self, facts: Facts, admission: Admission) -> None:
        """The upstream responded with 401 to what it was shown: whoever asks next is shown another."""
        shown = next((value for name, value in reversed(admission.headers) if name == _NAME), None)
        if shown is None:
            return
        upstream = admission.route.upstream
        if (own := self._own.get(upstream)) is not None:
            own.unwelcome(shown)
        elif admission.identity is not None and (exchanged := self._exchanged.get(upstream)) is not None:
            token = find_credential(facts.authorization, token_bytes=self._token_bytes, dpop=True).token
            exchanged.unwelcome(token, admission.identity, shown)
