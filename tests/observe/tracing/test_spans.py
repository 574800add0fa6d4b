"""What is told of a request, by the conventions of OpenTelemetry; and what never is."""

import time
from typing import Any

import pytest

from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.config.upstreams import UpstreamSection
from gateway.core.errors import BadRequest, InsufficientScope, UpstreamTimeout
from gateway.core.http.facts import Facts
from gateway.core.routing.table import RouteTable
from gateway.core.trail import POLICY, ROUTE, UPSTREAM
from gateway.observe.tracing.spans import Span, Teller
from gateway.ports import Ending
from gateway.sampled import Part, Sampler, Traced
from tests.memory import facts, identity
from tests.signer import issuer

TOKEN = b"eyJhbGciOiJFUzI1NiJ9.c29tZSBjbGFpbXMgdGhhdCBub2JvZHkgc2hvdWxkIHJlYWQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
CONFIG = Config(
    upstreams={
        "default": UpstreamSection(url="http://API.example:3000"),
        "v6": UpstreamSection(url="https://[::1]:8443"),
        "socket": UpstreamSection(url="unix:/run/api.sock"),
    },
    issuers=(issuer(),),
    routes=(
        RouteSection(path="/shop/orders/*", name="orders", strip_prefix="/shop"),
        RouteSection(path="/six/*", upstream="v6"),
        RouteSection(path="/socket/*", upstream="socket", methods=("GET",)),
    ),
)


def traced(told: Facts) -> Traced:
    ending, _ = Sampler(1.0, ended=lambda part: None).begin(Ending(), told, time.perf_counter())
    assert isinstance(ending, Traced)
    ending.enter(ROUTE)
    ending.route = RouteTable(CONFIG).match(told)
    return ending


def relayed(told: Facts, status: int = 200, **fields: Any) -> list[Span]:
    """The spans of the API and of the request."""
    ending = traced(told)
    ending.enter(UPSTREAM)
    ending.status, ending.waited = status, 0.25
    ending.upstream_duration = None if "refusal" in fields else 0.25
    for name, value in fields.items():
        setattr(ending, name, value)
    return Teller(lambda: CONFIG).of_request(ending)


def test_a_request_and_the_one_to_the_api() -> None:
    told = facts(TOKEN, target=b"/shop/orders/7?secret=1", host=b"shop.example:8443", request_id="r-1")
    upstream, server = relayed(told, identity=identity())
    assert (server.name, server.kind, server.parent_id) == ("GET /shop/orders/*", "server", None)
    assert server.attributes == {
        "http.request.method": "GET",
        "url.scheme": "https",
        "url.path": "/shop/orders/7",
        "network.protocol.version": "1.1",
        "network.peer.address": "192.0.2.1",
        "server.address": "shop.example",
        "server.port": 8443,
        "http.route": "/shop/orders/*",
        "http.response.status_code": 200,
        "bearer_gateway.request_id": "r-1",
        "bearer_gateway.outcome": "admitted",
        "bearer_gateway.route": "orders",
        "bearer_gateway.issuer": "local",
    }
    assert [name for name, _ in server.events] == ["route", "upstream"]
    assert server.started <= server.events[0][1] <= server.events[1][1] <= server.ended
    assert not server.is_error
    assert (upstream.name, upstream.kind, upstream.parent_id) == ("GET", "client", server.span_id)
    assert upstream.trace_id == server.trace_id
    assert upstream.attributes == {
        "http.request.method": "GET",
        "bearer_gateway.upstream": "default",
        "server.address": "api.example",
        "server.port": 3000,
        "url.full": "http://api.example:3000/orders/7",
        "http.response.status_code": 200,
    }
    assert upstream.ended - upstream.started == pytest.approx(0.25e9, rel=0.01)


@pytest.mark.parametrize(
    ("target", "url", "server"),
    [
        (b"/six/1", "https://[::1]:8443/six/1", {"server.address": "::1", "server.port": 8443}),
        (b"/socket/1", "http://localhost/socket/1", {"server.address": "/run/api.sock", "network.transport": "unix"}),
    ],
)
def test_where_the_api_is(target: bytes, url: str, server: dict[str, str | int]) -> None:
    upstream, _ = relayed(facts(target=target))
    assert upstream.attributes["url.full"] == url
    assert server.items() <= upstream.attributes.items()


def test_an_upstream_that_another_configuration_had_is_told_by_name() -> None:
    ending = traced(facts(target=b"/six/1"))
    ending.enter(UPSTREAM)
    now = Config(upstream="http://127.0.0.1:1", issuers=(issuer(),))
    upstream, server = Teller(lambda: now).of_request(ending)
    assert upstream.attributes["bearer_gateway.upstream"] == "v6"
    assert "url.full" not in upstream.attributes
    assert "http.route" not in server.attributes


def test_a_refusal_has_its_reason_and_step_and_is_no_error_of_ours() -> None:
    ending = traced(facts(target=b"/six/1"))
    ending.enter(POLICY)
    ending.status, ending.refusal = 403, InsufficientScope("admin")
    (server,) = Teller(lambda: CONFIG).of_request(ending)
    assert server.attributes["bearer_gateway.outcome"] == "refused"
    assert server.attributes["bearer_gateway.reason"] == "insufficient_scope"
    assert server.attributes["bearer_gateway.step"] == "policy"
    assert server.attributes["http.response.status_code"] == 403
    assert not server.is_error
    assert "error.type" not in server.attributes
    assert "admin" not in repr(server)


def test_what_a_route_only_reports_is_told_with_the_step_that_would_have_refused() -> None:
    ending = traced(facts(target=b"/six/1"))
    ending.enter(POLICY)
    ending.report(InsufficientScope("admin"))
    ending.enter(UPSTREAM)
    ending.status = 200
    _, server = Teller(lambda: CONFIG).of_request(ending)
    assert server.attributes["bearer_gateway.outcome"] == "reported"
    assert server.attributes["bearer_gateway.step"] == "policy"


def test_an_api_that_does_not_respond() -> None:
    upstream, server = relayed(facts(target=b"/six/1"), status=504, refusal=UpstreamTimeout("x"))
    assert (upstream.is_error, server.is_error) == (True, True)
    assert upstream.attributes["error.type"] == server.attributes["error.type"] == UpstreamTimeout.reason
    assert "http.response.status_code" not in upstream.attributes


@pytest.mark.parametrize(("status", "of_upstream", "of_server"), [(404, True, False), (500, True, True)])
def test_an_api_that_refuses_or_fails(status: int, *, of_upstream: bool, of_server: bool) -> None:
    upstream, server = relayed(facts(target=b"/six/1"), status=status)
    assert (upstream.is_error, server.is_error) == (of_upstream, of_server)
    assert upstream.attributes["error.type"] == str(status)
    assert server.attributes.get("error.type") == (str(status) if of_server else None)


def test_a_method_nobody_knows_names_no_span() -> None:
    upstream, server = relayed(facts(method="MKCOL", target=b"/six/1"))
    assert (upstream.name, server.name) == ("HTTP", "HTTP /six/*")
    assert upstream.attributes["http.request.method"] == server.attributes["http.request.method"] == "_OTHER"


def test_a_peer_on_a_socket_and_a_client_without_host() -> None:
    _, server = relayed(facts(target=b"/six/1", peer="unix", host=None))
    assert server.attributes["network.transport"] == "unix"
    assert not {"network.peer.address", "server.address"} & server.attributes.keys()


def test_a_host_that_is_none_is_left_out() -> None:
    _, server = relayed(facts(target=b"/six/1", host=b"a b"))
    assert "server.address" not in server.attributes


@pytest.mark.parametrize(
    "fields",
    [
        {"target": b"/six/" + TOKEN},
        {"target": b"/six/" + TOKEN[10:60]},
        {"target": b"/six/1?access_token=" + TOKEN},
        {"target": b"/six/1%3Faccess_token=" + TOKEN},
        {"request_id": TOKEN.decode()},
    ],
)
def test_a_token_is_never_told(fields: dict[str, Any]) -> None:
    for span in relayed(facts(TOKEN, **{"target": b"/six/1", **fields}), identity=identity()):
        said = repr(span)
        for start in range(0, len(TOKEN) - 16, 4):
            assert TOKEN[start : start + 16].decode() not in said


def test_who_calls_is_not_told() -> None:
    said = repr(relayed(facts(TOKEN, target=b"/six/1"), identity=identity(subject="alice@shop", client="app-7")))
    assert "alice" not in said
    assert "app-7" not in said


def test_what_could_not_be_read() -> None:
    ending = Ending(status=400, refusal=BadRequest("no Host"))
    ending.duration = 0.5
    (span,) = Teller(lambda: CONFIG).of_request(ending)
    assert (span.name, span.ended - span.started) == ("HTTP", 500_000_000)
    assert len(span.trace_id) == 32
    assert span.attributes["bearer_gateway.reason"] == "bad_request"


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [(200, None, None), (503, "FetchFailed", "503"), (None, "FetchFailed", "FetchFailed"), (404, None, "404")],
)
def test_a_question_to_an_issuer(status: int | None, error: str | None, kind: str | None) -> None:
    part = Part(traced(facts(target=b"/six/1")), "introspection")
    part.method, part.address, part.status = "POST", "https://i.example/introspect", status
    part.end(error=error)
    span = Teller(lambda: CONFIG).of_part(part)
    assert (span.name, span.kind, span.parent_id) == ("POST introspection", "client", part.request.span_id)
    assert span.attributes["url.full"] == "https://i.example/introspect"
    assert (span.attributes["server.address"], span.attributes["server.port"]) == ("i.example", 443)
    assert span.attributes["bearer_gateway.use"] == "introspection"
    assert span.attributes.get("error.type") == kind
    assert span.is_error == (kind is not None)
