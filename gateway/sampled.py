"""Which requests are traced, what is noted of those, and what every request tells the API of its trace.

One that is not costs no more than the line for the API. Knows nothing of OpenTelemetry: see `observe.tracing`.
"""

import random
import time
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Final, Self

from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.trace_context import parse_traceparent, write_traceparent
from gateway.core.trail import Step
from gateway.ports import Ending

_TRACEPARENT: Final = b"traceparent"
_TRACESTATE: Final = b"tracestate"
_REQUEST_ID: Final = b"x-request-id"


class Traced(Ending):
    """A request that is traced, and how it ended: when each step was entered, too."""

    def __init__(
        self, facts: Facts, started: float, trace_id: bytes, parent_id: bytes | None, *, ended: "Callable[[Part], None]"
    ) -> None:
        """`started`: seconds of `time.perf_counter`. `ended`: hears of each part of it."""
        Ending.__init__(self)
        self.facts = facts
        #: 32 hex digits
        self.trace_id: Final = trace_id
        #: 16 hex digits: of the span that the caller named; None: the trace begins here
        self.parent_id: Final = parent_id
        #: of the span of this request, and of that of its request to the API
        self.span_id: Final = new_span_id()
        self.upstream_span_id: Final = new_span_id()
        #: when it began, and when each of `steps` was entered, in seconds of `time.perf_counter`
        self.started: Final = started
        self.times: Final[list[float]] = [started]
        #: whoever does something on its behalf finds it there
        self.place: Final = Place(self)
        self.part_ended: Final = ended

    def enter(self, step: Step) -> None:
        """Takes the next step, now."""
        self.times.append(time.perf_counter())
        self.account.append(step)

    def end(self) -> None:
        """It ended: what begins from now on is no part of it."""
        self.place.request = None


class Errand:
    """What the gateway does by itself, and no traced request waits for: it has a trace of its own."""

    def __init__(
        self, use: str, issuer: str, *, ended: "Callable[[Errand], None]", part_ended: "Callable[[Part], None]"
    ) -> None:
        """`use`: as that of a part. `issuer`: its configured name. `ended`: hears of it; `part_ended`: of its parts."""
        self.use: Final = use
        self.issuer: Final = issuer
        self.trace_id: Final = new_span_id() + new_span_id()
        self.span_id: Final = new_span_id()
        #: seconds of `time.perf_counter`
        self.started: Final = time.perf_counter()
        #: why it came to nothing
        self.error: str | None = None
        self.place: Final = Place(self)
        self.part_ended: Final = part_ended
        self._ended: Final = ended

    def end(self, *, error: str | None = None) -> None:
        """It ended now."""
        self.error = error
        self.place.request = None
        self._ended(self)


class Place:
    """Where a traced request, or an errand, is found while it is under way.

    What it begins may go on for hours, and so may its connections: they keep this, and nothing of the request.
    """

    __slots__ = ("request",)

    def __init__(self, request: Traced | Errand) -> None:
        self.request: Traced | Errand | None = request


class Part:
    """One question to somebody else in the course of a traced request or an errand, from its beginning to its end.

    As a context: what is raised within is noted by its class, and goes on.
    """

    def __init__(self, request: Traced | Errand, use: str) -> None:
        self.request: Final = request
        self.span_id: Final = new_span_id()
        #: what was asked for: keys, introspection, userinfo, token, store
        self.use: Final = use
        #: by whom: the method and the address without query; None: no HTTP
        self.method: str | None = None
        self.address: str | None = None
        #: of the response, where one came
        self.status: int | None = None
        #: why none came, or none that is of use
        self.error: str | None = None
        #: seconds of `time.perf_counter`
        self.started = time.perf_counter()
        self.ended = 0.0

    def end(self, *, error: str | None = None) -> None:
        """It ended now."""
        self.error = error
        self.ended = time.perf_counter()
        self.request.part_ended(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        status = getattr(error, "status", None)
        if isinstance(status, int):
            self.status = status
        self.end(error=None if kind is None else kind.__name__)


class Unnoted:
    """In place of a part that nobody hears of."""

    def __init__(self) -> None:
        self.status: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass


#: that of the request or errand on whose behalf something is done; None: it is not traced, or there is none
_CURRENT: Final[ContextVar[Place | None]] = ContextVar("traced request", default=None)


def current() -> Traced | Errand | None:
    """The traced request, or the errand, on whose behalf this is done."""
    place = _CURRENT.get()
    return None if place is None else place.request


def asking(use: str, method: str, address: str) -> Part | Unnoted:
    """A context in which somebody is asked over HTTP; `status` is that of the response. `address`: without query."""
    request = current()
    if request is None:
        return Unnoted()
    part = Part(request, use)
    part.method, part.address = method, address
    return part


class Sampler:
    """Decides which requests are traced, and names the trace of every one."""

    def __init__(
        self,
        share: float,
        *,
        ended: Callable[[Part], None],
        errand_ended: Callable[[Errand], None] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`share`: from 0 to 1. `ended`: hears of the parts of traced requests. `chance`: a number in [0, 1).

        `errand_ended`: hears of errands; None: none is traced.
        """
        self._share: Final = share
        self._errand_ended: Final = errand_ended
        self._ended: Final = ended
        self._chance: Final = chance

    def begin(self, ending: Ending, facts: Facts, started: float) -> tuple[Ending, Facts]:
        """The ending of a request that begins, with the lines for the API, and its facts without what counts no more.

        `ending` itself, unless the request is traced. `started`: seconds of `time.perf_counter`.
        """
        named: bytes | None = None
        count = 0
        has_state = has_id = False
        for line in facts.lines:
            name = line.name
            length = len(name)
            if length == 11 and name.lower() == _TRACEPARENT:
                named, count = line.value, count + 1
            elif length == 10 and name.lower() == _TRACESTATE:
                has_state = True
            elif length == 12 and name.lower() == _REQUEST_ID:
                has_id = True
        told = parse_traceparent(named) if named is not None and count == 1 else None
        # Whoever may say 01 has all of their requests recorded: only those who speak for others are believed.
        is_sampled = told.is_sampled if told is not None and facts.trusted else self._chance() < self._share
        if told is None and has_state:
            # W3C Trace Context section 4.3: what vendors noted of another trace is not true of this one.
            facts = ending.facts = _without_state(facts)
        if is_sampled:
            trace_id = _new_trace_id(facts, has_id=has_id) if told is None else told.trace_id
            parent_id = None if told is None else told.parent_id
            traced = Traced(facts, started, trace_id, parent_id, ended=self._ended)
            ending, span_id = traced, traced.upstream_span_id
            _CURRENT.set(traced.place)
        else:
            if _CURRENT.get() is not None:
                # Of a request before this one on the same connection.
                _CURRENT.set(None)
            if told is None:
                # What nearly every request takes. Nobody will ever look for the span: it needs no id drawn for it.
                trace_id = _new_trace_id(facts, has_id=has_id)
                ending.upstream_lines = ((_TRACEPARENT, b"00-" + trace_id + b"-" + trace_id[16:] + b"-00"),)
                return ending, facts
            trace_id, span_id = told.trace_id, new_span_id()
        is_random = told is not None and told.is_random
        written = write_traceparent(trace_id, span_id, is_sampled=is_sampled, is_random=is_random)
        ending.upstream_lines = ((_TRACEPARENT, written),)
        return ending, facts

    def begin_errand(self, use: str, issuer: str) -> Errand | None:
        """What this task does from now on, as far as nobody's traced request waits for it; None: it is no errand.

        Every one is traced, since there are few, unless no request is that begins here.
        """
        if self._errand_ended is None or self._share <= 0.0 or current() is not None:
            return None
        errand = Errand(use, issuer, ended=self._errand_ended, part_ended=self._ended)
        _CURRENT.set(errand.place)
        return errand

    def takes_unread(self) -> bool:
        """Whether a request that could not be read is traced: nobody knows of a trace that it is part of."""
        return self._chance() < self._share


def trace_of(lines: tuple[HeaderLine, ...]) -> str:
    """The trace that the lines for the API name, in 32 hex digits."""
    return lines[0][1][3:35].decode("ascii")


def _new_trace_id(facts: Facts, *, has_id: bool) -> bytes:
    """32 hex digits: the id of the request, where we made that (`relay.client.facts`), and not its client."""
    request_id = facts.request_id
    if has_id or len(request_id) != 32:
        return new_span_id() + new_span_id()
    return request_id.encode("ascii")


def new_span_id() -> bytes:
    """16 hex digits."""
    return b"%016x" % random.getrandbits(64)


def _without_state(facts: Facts) -> Facts:
    headers = tuple([line for line in facts.headers if line[0].lower() != _TRACESTATE])
    return facts.emptied(target=facts.target, headers=headers, placed=facts.placed)
