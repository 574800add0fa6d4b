"""The decision API: a yes or no for proxies that forward by themselves. The same gate decides; nothing is forwarded."""

from collections.abc import Sequence

from gateway.core.config.file import Config
from gateway.core.decision.question import DecisionRules
from gateway.core.errors import Refusal
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.rates.fields import RATE_FIELDS
from gateway.core.routing.admission import Admission
from gateway.gate import Gate
from gateway.messages import Body, Opened, OwnResponse, Response
from gateway.ports import Ending, Exchange, Rest

#: what a client is told with a yes as well, if the proxy passes it on
TOLD = RATE_FIELDS | {b"DPoP-Nonce"}
#: so that a proxy that drops bodies can still tell its client why
REASON_HEADER = b"X-Gateway-Reason"


class Subrequest:
    """A proxy's exchange, seen as one with the client whose request it asks about."""

    #: a proxy asks about the head only
    body: Body | None = None

    def __init__(self, exchange: Exchange, rules: DecisionRules) -> None:
        self._exchange = exchange
        self._rules = rules

    @property
    def has_begun(self) -> bool:
        """A final response has begun."""
        return self._exchange.has_begun

    @property
    def began_at(self) -> float:
        """When that was."""
        return self._exchange.began_at

    @property
    def cut_by(self) -> Refusal | None:
        """Why the gateway itself cut the connection, if it did."""
        return self._exchange.cut_by

    @property
    def bytes_in(self) -> int:
        """Bytes of body that were read."""
        return self._exchange.bytes_in

    @property
    def bytes_out(self) -> int:
        """Bytes of body that were written."""
        return self._exchange.bytes_out

    def read_facts(self) -> Facts:
        """The request that is asked about."""
        return self._rules.asked(self._exchange.read_facts())

    def inform(self, status: int, reason: bytes, headers: Sequence[HeaderLine]) -> None:
        """Nothing: no upstream is asked."""

    async def relay(
        self,
        response: Response,
        *,
        lines: tuple[HeaderLine, ...] = (),
        by: Opened | None = None,
    ) -> None:
        """Never: nothing is forwarded."""
        raise TypeError("a response of an upstream to a question")

    def go_on(self, rest: Rest) -> None:
        """Never: there is no response that could."""
        raise TypeError("a response that goes on to what has none")

    async def respond(self, response: OwnResponse, *, lines: tuple[HeaderLine, ...] = ()) -> None:
        """A yes."""
        await self._exchange.respond(response, lines=lines)

    async def refuse(self, refusal: Refusal, *, lines: tuple[HeaderLine, ...] = ()) -> None:
        """A no, with its reason in a header too."""
        reason = (REASON_HEADER, refusal.reason.encode("ascii"))
        await self._exchange.refuse(refusal, lines=(*lines, reason))

    def abort(self) -> None:
        """Cuts the connection."""
        self._exchange.abort()


class Decisions:
    """Serves the decision listener."""

    def __init__(self, gate: Gate, config: Config) -> None:
        self._gate = gate
        self._rules = DecisionRules.of(config)

    async def handle(self, exchange: Exchange) -> None:
        """One question to its end."""
        await self._gate.handle(Subrequest(exchange, self._rules), carry_out=self._say_yes)

    async def _say_yes(self, ending: Ending, admission: Admission, exchange: Exchange) -> None:
        lines = self._rules.response_lines(admission.headers)
        ending.status = 200
        told = tuple(line for line in ending.response_lines if line[0] in TOLD and line[1])
        await exchange.respond(OwnResponse(200, b"OK", (*lines, (b"Content-Length", b"0"))), lines=told)
