"""What the gate needs from outside, as small protocols. `app` decides who stands behind them."""

from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.core.config.condition import Condition
from gateway.core.errors import Refusal
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.proof.dpop import Proof
from gateway.core.rates.bad_tokens import BadTokens
from gateway.core.rates.rules import RateRule
from gateway.core.routing.admission import Admission
from gateway.core.routing.route import Route
from gateway.core.token.identity import Identity
from gateway.core.token.introspected import IntrospectionResponse
from gateway.core.token.keys import Key
from gateway.core.trail import Step, Trail
from gateway.core.upstream.assertion import SigningKey
from gateway.core.upstream.headers import UpstreamHeaders
from gateway.events import Event
from gateway.messages import Body, Opened, OwnResponse, Response


class Issuers(Protocol):
    """The keys of the configured issuers, by configured name."""

    def find_keys(self, issuer: str, *, alg: str, kid: str | None) -> tuple[Key, ...]:
        """Keys known now that may have signed; empty when there are none. Touches no network."""

    def has_key(self, issuer: str, thumbprint: str) -> bool:
        """Whether the issuer still publishes the key, as far as we know, and our copy is not too old."""

    async def fetch_keys(
        self, issuer: str, *, alg: str, kid: str | None, tried: tuple[Key, ...] = ()
    ) -> tuple[Key, ...]:
        """The same after asking the issuer anew, without those of `tried`, which did not sign.

        UnknownKey: a fetch begun after this call has no other. IssuerUnavailable: nobody can tell now.
        """


class Introspections(Protocol):
    """What issuers say of tokens when they are asked (RFC 7662), by configured name."""

    async def introspect(
        self,
        issuer: str,
        token: bytes,
        digest: bytes,
        *,
        sender: str | None = None,
        after: float | None = None,
        check_again: Callable[[], None] | None = None,
    ) -> IntrospectionResponse:
        """What the issuer says of an active token. TokenInactive, IntrospectionUnavailable.

        `digest`: its SHA-256. `sender`: the client address that counts. `after`: what was said until then does not.
        `check_again`: before it is asked, for which somebody may have had to wait; it may raise.
        """


class Cache(Protocol):
    """What others said and need not be asked again for a while. Never raises: what cannot be had is not there."""

    async def get(self, key: bytes) -> bytes | None:
        """What was put under this key, unless its end is past."""

    async def put(self, key: bytes, value: bytes, *, seconds: float) -> None:
        """Keeps it for so long, where it can."""

    async def drop(self, key: bytes) -> None:
        """Forgets it, where it can be reached."""


class Signer(Protocol):
    """The key that signs assertions."""

    def current(self) -> SigningKey:
        """The key that signs now. Touches no file."""


class Assertions(Protocol):
    """Proofs of origin for upstreams."""

    def lines(self, identity: Identity, *, upstream: str) -> tuple[HeaderLine, ...]:
        """The headers that prove to this upstream who is calling. Waits for nothing."""


class Rates(Protocol):
    """How often somebody may."""

    @property
    def bad_tokens(self) -> BadTokens | None:
        """None: they are not counted."""

    async def check(self, rules: tuple[RateRule, ...], facts: Facts, ending: "Ending") -> None:
        """Counts a request by these rules, and adds what the client is told of it to the response.

        RateLimited: one of them refuses, and it counts for none. StoreUnavailable: nobody can tell, as configured.
        """


class Conditions(Protocol):
    """What routes ask of whole requests."""

    def check(self, condition: Condition, facts: Facts, ending: "Ending", headers: UpstreamHeaders) -> None:
        """ConditionFalse: the request does not meet it, or nobody can say; `ending` then has which. Waits for nothing.

        `headers`: says which lines of the client a condition may be told.
        """


class Revocations(Protocol):
    """What was revoked, as far as this process knows."""

    @property
    def is_needed(self) -> bool:
        """Whether `check` can refuse anything now."""

    def check(self, identity: Identity) -> None:
        """TokenRevoked; StoreUnavailable: nobody can tell now. Waits for nothing."""


class Replays(Protocol):
    """The proofs of possession that were used."""

    async def use(self, proof: Proof) -> None:
        """Uses one up. ProofReplayed: it was used before. StoreUnavailable: nobody can tell now."""


class OwnPaths(Protocol):
    """Paths of the traffic listener that the gateway itself responds at, before there are routes."""

    def hears(self, facts: Facts) -> bool:
        """Whether this request is for one of them."""

    async def handle(self, ending: "Ending", exchange: "Exchange") -> None:
        """One of these requests, and its response. `ending` has its facts. A Refusal is the response."""


class Upstream(Protocol):
    """The API behind the gateway."""

    async def send(self, facts: Facts, admission: Admission, client: "Exchange") -> Response:
        """One request to the API; the admission's target and headers are all it gets, framing excepted.

        UpstreamUnreachable, UpstreamTimeout, UpstreamProtocolError, UpstreamBusy, or what the client's body raises.
        """


class Exchange(Protocol):
    """The client's side of one request."""

    @property
    def body(self) -> Body | None:
        """None when the request has none."""

    @property
    def has_begun(self) -> bool:
        """A final response has begun: it can be cut off, and no longer be replaced."""

    @property
    def began_at(self) -> float:
        """When that was, in seconds of `time.perf_counter`; 0 while it has not."""

    @property
    def cut_by(self) -> Refusal | None:
        """Why the gateway itself cut the connection, if it did."""

    @property
    def bytes_in(self) -> int:
        """Bytes of body so far, from the client."""

    @property
    def bytes_out(self) -> int:
        """The same, to the client."""

    def read_facts(self) -> Facts:
        """What the request says. BadRequest, TooLarge, Draining: it is not one to judge."""

    def inform(self, status: int, reason: bytes, headers: Sequence[HeaderLine]) -> None:
        """Writes an interim response of the upstream (RFC 9110 section 15.2), where the client understands it."""

    async def relay(
        self,
        response: Response,
        *,
        lines: tuple[HeaderLine, ...] = (),
        by: Opened | None = None,
    ) -> None:
        """Writes a response of somebody else, the upstream, with `lines` in place of what it says there itself.

        ClientDisconnected, what its `read` raises.

        `by`: of an endless response, which ends with their token. InvalidToken: it did.
        """

    def go_on(self, rest: "Rest") -> None:
        """The request is handled but for this, which whoever had it handled is to run."""

    async def respond(self, response: OwnResponse, *, lines: tuple[HeaderLine, ...] = ()) -> None:
        """Writes a response of ours that is no refusal, with further header lines. ClientDisconnected."""

    async def refuse(self, refusal: Refusal, *, lines: tuple[HeaderLine, ...] = ()) -> None:
        """Writes a refusal, with further header lines. ClientDisconnected."""

    def abort(self) -> None:
        """Cuts the connection, so that nobody takes what was sent for a whole response."""


class Rest(Protocol):
    """What is left of a request that was handled: a response that does not end by itself."""

    async def run(self) -> None:
        """To its end. Raises nothing but CancelledError."""


class Service(Protocol):
    """Whoever responds to the requests of a listener: the gate, the decision API or the admin pages."""

    async def handle(self, exchange: Exchange, /) -> None:
        """One request to its end."""


class Ending(Trail):
    """One request and how it ended, step by step: for metrics, the access log and `explain`."""

    def __init__(self, *, status: int = 0, refusal: Refusal | None = None) -> None:
        Trail.__init__(self)  # as super() would, at half its price: one of these is made for every request
        #: None when there never were any: the request could not be parsed
        self.facts: Facts | None = None
        self.route: Route | None = None
        #: who is calling, as soon as the token is known to be theirs to use
        self.identity: Identity | None = None
        #: how the condition of its route came out: true, false, or error; None: it was not asked
        self.condition: str | None = None
        #: what would have been refused on a route that only reports, and the step that would have
        self.reported: Refusal | None = None
        self.reported_at: Step | None = None
        #: what steps add to the response, whoever makes it
        self.response_lines: tuple[HeaderLine, ...] = ()
        #: what the API is told of the trace that the request is part of; none while nothing is traced
        self.upstream_lines: tuple[HeaderLine, ...] = ()
        #: status the client got
        self.status = status
        #: None when admitted and relayed to the end
        self.refusal = refusal
        #: seconds from the end of the head to the end of the response
        self.duration = 0.0
        #: seconds from the upstream request to the head of its response; None when none was made or none came
        self.upstream_duration: float | None = None
        #: seconds in which the upstream, or the client's body for it, was waited for, whatever came of it
        self.waited = 0.0
        #: seconds from the end of the head to the head of the response, less `waited`; None when there was no response
        self.own_duration: float | None = None
        self.bytes_in = 0
        self.bytes_out = 0
        #: the response that goes on once the request is handled, and for how many seconds its token lives; None: for
        #: as long as it likes, or there is none
        self.endless: Response | None = None
        self.seconds_left: float | None = None

    def report(self, refusal: Refusal) -> None:
        """The step that was entered last refuses, and the route lets pass nevertheless."""
        self.reported, self.reported_at = refusal, self.step

    def measure(self, exchange: Exchange, started: float, ended: float) -> None:
        """It is over: how long it took, and how much went either way. Seconds of `time.perf_counter`."""
        self.duration = ended - started
        began = exchange.began_at
        if began > 0.0:
            self.own_duration = began - started - self.waited
        self.bytes_in, self.bytes_out = exchange.bytes_in, exchange.bytes_out


class UpstreamTokens(Protocol):
    """Tokens that upstreams get in place of the client's credential: the gateway's own, or in exchange."""

    async def lines(self, facts: Facts, ending: Ending) -> tuple[HeaderLine, ...]:
        """The header with the token for the upstream of a request that was judged; nothing where it gets none.

        ExchangeRefused, ExchangeUnavailable.
        """

    def unwelcome(self, facts: Facts, admission: Admission) -> None:
        """The upstream responded with 401. Waits for nothing."""


class Observer(Protocol):
    """Hears of everything; decides nothing, waits for nothing, raises nothing."""

    def token_looked_up(self, *, hit: bool) -> None:
        """The verified-token cache was asked."""

    def token_verified(self, issuer: str | None, refusal: Refusal | None) -> None:
        """A token that was not in the cache was judged; `issuer` None when it is none of ours."""

    def happened(self, event: Event) -> None:
        """One of the rare facts."""

    def connections_open(self, count: int) -> None:
        """How many client connections there are now."""

    def requests_in_flight(self, count: int) -> None:
        """How many requests are under way now."""

    def upstream_connections(self, upstream: str, *, idle: int, busy: int) -> None:
        """How many connections to a configured upstream there are now: kept for reuse, and with a request."""

    def tunnels_open(self, count: int) -> None:
        """How many client connections are tunnels now."""

    def request_ended(self, ending: Ending) -> None:
        """A request, or an attempt at one, is over."""
