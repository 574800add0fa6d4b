"""A call of Envoy over gRPC, seen as an exchange with the client whose request it asks about; what the call gets.

Knows nothing of gRPC and its messages: those are `grpc_messages` and `grpc_server`.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.core.config.file import Config
from gateway.core.decision.attributes import Attributes, removed
from gateway.core.decision.question import DecisionRules
from gateway.core.errors import Refusal
from gateway.core.http.challenge import Challenges, compose_refusal
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.response_lines import with_lines
from gateway.core.routing.admission import Admission
from gateway.core.token.identity import Identity
from gateway.decisions.http import REASON_HEADER
from gateway.gate import Gate
from gateway.messages import Body, Opened, OwnResponse, Response
from gateway.ports import Ending, Exchange, Rest


class Peer(Protocol):
    """Who asks."""

    @property
    def address(self) -> str:
        """IP address; empty: nobody knows."""

    @property
    def trusted(self) -> bool:
        """It is one of `trusted_proxies`."""


#: connections of proxies that ask: each has few of them
MAX_CONNECTIONS: Final = 256


@dataclass(frozen=True, slots=True, repr=False)
class Admitted:
    """A yes, and what the proxy changes of the request and of its response."""

    #: in place of all that the request has under the same names
    written: tuple[HeaderLine, ...]
    #: in lower case
    removed: tuple[bytes, ...]
    #: in place of what the API's response has under the same names
    told: tuple[HeaderLine, ...]
    #: who is calling, for what else the proxy does; None: nobody in particular
    identity: Identity | None


@dataclass(frozen=True, slots=True, repr=False)
class Denied:
    """A no: the whole response to the client."""

    status: int
    headers: tuple[HeaderLine, ...]
    body: bytes


Verdict = Admitted | Denied


class Call:
    """One call: an Exchange whose response is kept for whoever asked."""

    #: a proxy asks about the head only
    body: Body | None = None
    cut_by: Refusal | None = None
    bytes_in = 0

    def __init__(self, told: Attributes, *, peername: tuple[str, int] | None) -> None:
        """`peername`: address and port of whoever asks; None: nobody knows."""
        self._told = told
        self._peername = peername
        self._calls: Calls | None = None
        #: the request as it came, before a place of a token was emptied
        self.asked: Facts | None = None
        #: None: nobody has decided yet
        self.verdict: Verdict | None = None
        self.began_at = 0.0
        self.bytes_out = 0

    def served_by(self, calls: "Calls") -> "Call":
        """The same, read by the rules of whoever decides about it."""
        self._calls = calls
        return self

    @property
    def has_begun(self) -> bool:
        """It has its verdict."""
        return self.verdict is not None

    def read_facts(self) -> Facts:
        """The request that is asked about."""
        assert self._calls is not None  # or nobody would ask
        peer = self._calls.peer_of(self._peername)
        new_id = f"{random.getrandbits(128):032x}"
        rules = self._calls.rules
        self.asked = rules.asked_over_grpc(self._told, peer=peer.address, trusted=peer.trusted, new_id=new_id)
        return self.asked

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
        """Never, either."""
        raise TypeError("a response that goes on to what has none")

    async def respond(self, response: OwnResponse, *, lines: tuple[HeaderLine, ...] = ()) -> None:
        """Never: a yes is more than a response."""
        raise TypeError("a response of ours to a question")

    async def refuse(self, refusal: Refusal, *, lines: tuple[HeaderLine, ...] = ()) -> None:
        """A no, as the client of the traffic port gets it."""
        assert self._calls is not None  # or nobody would have refused
        response = compose_refusal(refusal, challenges=self._calls.challenges)
        headers = with_lines(list(response.headers), (*lines, (REASON_HEADER, refusal.reason.encode("ascii"))))
        kept = tuple(line for line in headers if line[0].lower() != b"content-length")
        self.decide(Denied(response.status, kept, response.body))
        self.bytes_out = len(response.body)

    def found(self) -> Verdict | None:
        """The verdict, whatever was there before; None: nobody has decided."""
        return self.verdict

    def decide(self, verdict: Verdict) -> None:
        """It is decided now."""
        self.began_at = time.perf_counter()
        self.verdict = verdict

    def abort(self) -> None:
        """Nothing that is under way could be cut."""


class Calls:
    """Decides about calls."""

    def __init__(self, gate: Gate, config: Config, *, peer_of: Callable[[object], Peer]) -> None:
        """`peer_of`: who is at the other end of a connection, by the name that its socket has there."""
        self._gate: Final = gate
        self.rules: Final = DecisionRules.of(config)
        self.challenges: Final = Challenges.of(config)
        self.peer_of: Final = peer_of

    async def handle(self, call: Exchange) -> None:
        """One call to its end; it has its verdict then."""
        assert isinstance(call, Call)
        await self._gate.handle(call.served_by(self), carry_out=self._say_yes)

    async def _say_yes(self, ending: Ending, admission: Admission, exchange: Exchange) -> None:
        assert isinstance(exchange, Call)
        assert exchange.asked is not None  # or nothing would have been admitted
        lines = self.rules.response_lines(admission.headers)
        ending.status = 200
        exchange.decide(
            Admitted(
                written=tuple(line for line in lines if line[1]),
                removed=tuple(removed(exchange.asked, admission.headers, lines)),
                told=tuple(line for line in ending.response_lines if line[1]),
                identity=admission.identity,
            )
        )
