"""What is told of a traced request: its span, that of the API, and those of questions to others, as plain values.

By the conventions of OpenTelemetry for HTTP, where there are any. Never a token, a query or the value of a claim.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from gateway.core.addresses import Origin, parse_upstream, parse_url
from gateway.core.config.file import Config, upstreams_of
from gateway.core.config.routes import route_name
from gateway.core.http.facts import Facts
from gateway.core.trail import UPSTREAM
from gateway.observe.access import without_token
from gateway.observe.metrics.metrics import outcome_of
from gateway.ports import Ending
from gateway.sampled import Errand, Part, Traced, new_span_id

#: methods that a span is named by; any other is _OTHER
METHODS: Final = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
#: characters of a path
_PATH_SHOWN: Final = 1024
#: what is named by us, and not by the conventions
_OURS: Final = "bearer_gateway."

Attribute = str | int


@dataclass(frozen=True, slots=True)
class Span:
    """One span, over and done with."""

    name: str
    kind: Literal["server", "client", "internal"]
    #: 32 hex digits, and 16; the parent's too, where there is one
    trace_id: bytes
    span_id: bytes
    parent_id: bytes | None
    #: nanoseconds since the epoch
    started: int
    ended: int
    attributes: Mapping[str, Attribute]
    #: name and time of each
    events: tuple[tuple[str, int], ...] = ()
    is_error: bool = False


class Teller:
    """Makes spans of what was noted. Knows how the configuration names things."""

    def __init__(self, config: Callable[[], Config]) -> None:
        """`config`: the one that serves now."""
        self._config = config
        self._known: Config | None = None
        #: name of a route to its path, and of an upstream to where it is
        self._paths: dict[str, str] = {}
        self._upstreams: dict[str, Origin] = {}

    def _look(self) -> None:
        config = self._config()
        if config is not self._known:
            self._known = config
            self._paths = {route_name(route): route.path for route in config.routes}
            self._upstreams = {name: parse_upstream(one.url) for name, one in upstreams_of(config).items()}

    def of_request(self, ending: Ending) -> list[Span]:
        """The span of a request, and before it that of its request to the API. It is over since now."""
        clock = _Clock()
        if not isinstance(ending, Traced):
            return [self._of_unread(ending, clock)]
        self._look()
        facts = ending.facts
        assert facts is not None  # or nobody would know that it is traced
        made: list[Span] = []
        upstream = self._of_upstream(ending, facts, clock)
        if upstream is not None:
            made.append(upstream)
        route = None if ending.route is None else self._paths.get(ending.route.name)
        attributes = _of_facts(facts) | _of_ending(ending)
        if route is not None:
            attributes["http.route"] = route
        if ending.identity is not None:
            attributes[_OURS + "issuer"] = ending.identity.issuer
        steps = zip(ending.steps[1:], ending.times[1:], strict=True)
        made.append(
            Span(
                name=_named(facts.method, route),
                kind="server",
                trace_id=ending.trace_id,
                span_id=ending.span_id,
                parent_id=ending.parent_id,
                started=clock.at(ending.started),
                ended=clock.now,
                attributes=attributes,
                events=tuple((step.value, clock.at(when)) for step, when in steps),
                is_error=ending.status >= 500,
            )
        )
        return made

    def _of_unread(self, ending: Ending, clock: "_Clock") -> Span:
        return Span(
            name="HTTP",
            kind="server",
            trace_id=new_span_id() + new_span_id(),
            span_id=new_span_id(),
            parent_id=None,
            started=clock.now - int(ending.duration * 1e9),
            ended=clock.now,
            attributes={"http.request.method": "_OTHER", **_of_ending(ending)},
            is_error=ending.status >= 500,
        )

    def _of_upstream(self, ending: Traced, facts: Facts, clock: "_Clock") -> Span | None:
        """None: the API was not asked."""
        if ending.route is None or ending.step is not UPSTREAM:
            return None
        asked = ending.times[-1]
        origin = self._upstreams.get(ending.route.upstream)
        forwarded = facts.emptied(target=ending.route.forwarded_target(facts.target), headers=(), placed=())
        attributes: dict[str, Attribute] = {
            **_method(facts.method),
            _OURS + "upstream": ending.route.upstream,
        }
        if origin is not None:
            path = _shown(forwarded.path[:_PATH_SHOWN], facts)
            attributes |= {**_origin_of(origin), "url.full": _url(origin) + path}
        failed = ending.upstream_duration is None
        if not failed:
            attributes["http.response.status_code"] = ending.status
        if failed and ending.refusal is not None:
            attributes["error.type"] = ending.refusal.reason
        elif ending.status >= 400:
            attributes["error.type"] = str(ending.status)
        return Span(
            name=_named(facts.method, None),
            kind="client",
            trace_id=ending.trace_id,
            span_id=ending.upstream_span_id,
            parent_id=ending.span_id,
            started=clock.at(asked),
            ended=clock.at(asked + ending.waited),
            attributes=attributes,
            is_error=failed or ending.status >= 400,
        )

    def of_part(self, part: Part) -> Span:
        """The span of a question to somebody else, which has just ended."""
        clock = _Clock()
        attributes: dict[str, Attribute] = {_OURS + "use": part.use}
        if part.method is None or part.address is None:
            name = f"store {part.use}"
            attributes["db.system.name"] = "redis"
        else:
            name = f"{part.method} {part.use}"
            attributes |= {**_method(part.method), "url.full": part.address, **_server(part.address)}
        if part.status is not None:
            attributes["http.response.status_code"] = part.status
        failed = part.error is not None or (part.status or 0) >= 400
        if failed:
            attributes["error.type"] = str(part.status) if part.status is not None else part.error or "_OTHER"
        return Span(
            name=name,
            kind="client",
            trace_id=part.request.trace_id,
            span_id=part.span_id,
            parent_id=part.request.span_id,
            started=clock.at(part.started),
            ended=clock.at(part.ended),
            attributes=attributes,
            is_error=failed,
        )

    def of_errand(self, errand: Errand) -> Span:
        """The span of what the gateway did by itself, and has just ended."""
        clock = _Clock()
        attributes: dict[str, Attribute] = {_OURS + "use": errand.use, _OURS + "issuer": errand.issuer}
        if errand.error is not None:
            attributes["error.type"] = errand.error
        return Span(
            name=f"fetch {errand.use}",
            kind="internal",
            trace_id=errand.trace_id,
            span_id=errand.span_id,
            parent_id=None,
            started=clock.at(errand.started),
            ended=clock.now,
            attributes=attributes,
            is_error=errand.error is not None,
        )


class _Clock:
    """Now, and what times of `time.perf_counter` are in nanoseconds since the epoch."""

    def __init__(self) -> None:
        self.now: Final = time.time_ns()
        self._counter: Final = time.perf_counter()

    def at(self, counted: float) -> int:
        return self.now - int((self._counter - counted) * 1e9)


def _of_facts(facts: Facts) -> dict[str, Attribute]:
    attributes: dict[str, Attribute] = {
        **_method(facts.method),
        "url.scheme": facts.scheme,
        "url.path": _shown(facts.path[:_PATH_SHOWN], facts),
        "network.protocol.version": f"{facts.version[0]}.{facts.version[1]}",
        _OURS + "request_id": _shown(facts.request_id, facts),
    }
    if facts.peer == "unix":
        attributes["network.transport"] = "unix"
    else:
        attributes["network.peer.address"] = facts.peer
    if facts.host is not None:
        host = facts.host.decode("ascii", "backslashreplace")
        attributes |= _server(f"{facts.scheme}://{host}/")
    return attributes


def _of_ending(ending: Ending) -> dict[str, Attribute]:
    attributes: dict[str, Attribute] = {_OURS + "outcome": outcome_of(ending)}
    if ending.status:
        attributes["http.response.status_code"] = ending.status
    if ending.route is not None:
        attributes[_OURS + "route"] = ending.route.name
    told = ending.refusal or ending.reported
    if told is not None:
        attributes[_OURS + "reason"] = told.reason
        attributes[_OURS + "step"] = str(ending.step if ending.reported_at is None else ending.reported_at)
    if ending.status >= 500:
        attributes["error.type"] = str(ending.status) if ending.refusal is None else ending.refusal.reason
    return attributes


def _method(method: str) -> dict[str, Attribute]:
    return {"http.request.method": method if method in METHODS else "_OTHER"}


def _named(method: str, route: str | None) -> str:
    name = method if method in METHODS else "HTTP"
    return name if route is None else f"{name} {route}"


def _server(address: str) -> dict[str, Attribute]:
    """The host and port of an address; nothing of one that has none."""
    try:
        url = parse_url(address)
    except ValueError:
        return {}
    return {"server.address": url.host, "server.port": url.port}


def _origin_of(origin: Origin) -> dict[str, Attribute]:
    if origin.path is not None:
        return {"server.address": origin.path, "network.transport": "unix"}
    return {"server.address": origin.host, "server.port": origin.port}


def _url(origin: Origin) -> str:
    """What stands before the path."""
    if origin.path is not None:
        return "http://localhost"
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return f"{origin.scheme}://{host}:{origin.port}"


def _shown(text: str, facts: Facts) -> str:
    """`text` without pieces of a token of the request."""
    credentials = [*facts.authorization, *[placed.value for placed in facts.placed]]
    return without_token(text, b" ".join(credentials).decode("latin-1"))
