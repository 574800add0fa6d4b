"""Who stands where the API, the client and the token endpoints would, when a request is only explained."""

from typing import Final

from gateway.core.config.file import Config, upstreams_of
from gateway.core.config.upstreams import token_requests_of
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.proof.certificate_header import thumbprint_of
from gateway.core.routing.admission import Admission
from gateway.core.trail import Step
from gateway.messages import Response
from gateway.ports import Ending, Exchange

EXCHANGED: Final = "a token in exchange for the caller's; nobody is asked for it here"
FETCHED: Final = "the gateway's own token, from the token endpoint; nobody is asked for it here"


class Nowhere:
    """An Upstream that nothing is sent to."""

    async def send(self, facts: Facts, admission: Admission, client: Exchange) -> Response:
        """Never."""
        raise NotImplementedError(f"{facts.method} {admission.target!r} is only explained, {client} not asked")


class Shown:
    """What a client would show of itself."""

    def __init__(self, certificate: bytes | None) -> None:
        self._certificate = certificate

    def thumbprint(self) -> str | None:
        """Of the certificate, where there is one."""
        return None if self._certificate is None else thumbprint_of(self._certificate)


class Unasked:
    """The UpstreamTokens that nobody is asked for: of each it is only said that there would be one."""

    def __init__(self, config: Config) -> None:
        self._told = {
            name: (EXCHANGED if "exchange" in requests else FETCHED)
            for name, upstream in upstreams_of(config).items()
            if (requests := token_requests_of(upstream))
        }

    async def lines(self, facts: Facts, ending: Ending) -> tuple[HeaderLine, ...]:
        """Says which token the upstream would get."""
        assert ending.route is not None
        told = self._told.get(ending.route.upstream)
        if told is None:
            return ()
        if told is EXCHANGED and (ending.identity is None or ending.reported is not None):
            return ()
        ending.enter(Step.EXCHANGE)
        ending.saw({"token": told})
        return ((b"Authorization", told.encode()),)

    def unwelcome(self, facts: Facts, admission: Admission) -> None:
        """Never: no upstream responds."""
        raise NotImplementedError(f"{facts.method} {admission.target!r} is only explained")
