"""The decision API on real sockets: the same yes and no in every style, and nothing but questions of trusted proxies."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.core.config.assertion import AssertionSection
from gateway.core.config.client_certificates import ClientCertificateHeader
from gateway.core.config.cors import Cors
from gateway.core.config.dpop import DPoPSection
from gateway.core.config.issuers import Issuer
from gateway.core.config.routes import RouteSection
from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds
from tests.prover import bound_to, proof
from tests.wire import Message, Running, Start, demo_issuer, get, good_token, keys_file, starting

TRUSTED = ("127.0.0.1/32",)
ROUTES = (
    RouteSection(path="/health", access="public"),
    RouteSection(path="/orders/*", methods=("GET",), scopes=("read:orders",)),
    RouteSection(path="/orders/*", methods=("POST",), scopes=("write:orders",)),
    RouteSection(path="/reported/*", scopes=("admin",), mode="report"),
)

Style = Callable[..., bytes]


def _head(first: str, *lines: str) -> bytes:
    return "\r\n".join([first, *lines, "", ""]).encode("latin-1")


def nginx(method: str, target: str, *lines: str) -> bytes:
    facts = (f"X-Original-Method: {method}", f"X-Original-URI: {target}", "X-Original-Host: api.test")
    return _head("GET /nginx HTTP/1.1", "Host: gateway", *facts, *lines)


def ingress(method: str, target: str, *lines: str) -> bytes:
    facts = (f"X-Original-URL: https://api.test{target}", f"X-Original-Method: {method}")
    rest = ("X-Sent-From: nginx-ingress-controller", f"X-Auth-Request-Redirect: {target}", "X-Real-IP: 192.0.2.1")
    return _head("GET /ingress-nginx HTTP/1.1", "Host: gateway", *facts, *rest, "X-Forwarded-For: 192.0.2.1", *lines)


def forward(method: str, target: str, *lines: str) -> bytes:
    facts = (f"X-Forwarded-Method: {method}", f"X-Forwarded-Uri: {target}", "X-Forwarded-Host: api.test")
    return _head("GET /forward HTTP/1.1", "Host: gateway", *facts, "X-Forwarded-Proto: https", *lines)


def envoy(method: str, target: str, *lines: str) -> bytes:
    return _head(f"{method} /envoy{target} HTTP/1.1", "Host: api.test", *lines)


STYLES = pytest.mark.parametrize("style", [nginx, ingress, forward, envoy], ids=lambda style: style.__name__)


def authorization(**claims: Any) -> str:
    token = demo_issuer().access_token(alg="ES256", exp=4_000_000_000, **claims) if claims else good_token()
    return f"Authorization: Bearer {token}"


@pytest_asyncio.fixture
async def start(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Start]:
    async with starting(tmp_path_factory.getbasetemp()) as starts:

        async def start(**settings: Any) -> Running:
            defaults = {"decisions": "127.0.0.1:0", "trusted_proxies": TRUSTED, "routes": ROUTES}
            return await starts(**(defaults | settings))

        yield start


@pytest_asyncio.fixture
async def gateway(start: Start) -> Running:
    return await start()


async def ask(gateway: Running, question: bytes, method: str = "GET") -> Message:
    client = await gateway.client(gateway.gateway.decisions_address)
    response = await client.ask(question, method)
    client.reset()
    return response


def identity(response: Message) -> list[list[bytes]]:
    assert response.status == 200
    return [response.values(name) for name in (b"X-User-Id", b"X-Client-Id", b"X-Token-Scopes")]


CALLER = [[b"alice"], [b"demo-client"], [b"read:orders"]]
NOBODY = [[b""], [b""], [b""]]


@STYLES
async def test_a_yes_names_the_caller_and_has_no_body(gateway: Running, style: Style) -> None:
    response = await ask(gateway, style("GET", "/orders/1?x", authorization()))
    assert identity(response) == CALLER
    assert (response.values(b"Content-Length"), response.body) == ([b"0"], b"")
    assert gateway.upstream.requests == []


AUDIENCE = demo_issuer().audience
OWNED = (
    "request.method == 'GET' && request.path == '/mine/' + token.sub && request.host == 'api.test' "
    "&& request.query.a == ['1'] && request.headers['x-tenant'] == 'acme'"
)
#: method, target, claims (a login without a time is one of now), and the reason of the refusal, or none
ASKED: list[tuple[str, str, dict[str, Any], str | None]] = [
    ("GET", "/payments/1", {"acr": "gold", "auth_time": None}, None),
    ("GET", "/payments/1", {"acr": "gold"}, "insufficient_user_authentication"),
    ("GET", "/payments/1", {"acr": "bronze", "auth_time": None}, "insufficient_user_authentication"),
    ("GET", "/other/1", {"acr": "gold"}, "wrong_audience"),
    ("GET", "/other/1", {"aud": [AUDIENCE, "https://other.test"]}, None),
    ("GET", "/mine/alice?a=1", {"sub": "alice"}, None),
    ("GET", "/mine/alice?a=1&a=2", {"sub": "alice"}, "condition_false"),
    ("GET", "/mine/alice?a=1", {"sub": "bob"}, "condition_false"),
    ("POST", "/mine/alice?a=1", {"sub": "alice"}, "condition_false"),
]


@STYLES
async def test_audience_login_and_condition_are_asked_of_what_the_question_is_about(
    start: Start, tmp_path: Path, style: Style
) -> None:
    audience, keys = (AUDIENCE, "https://other.test"), keys_file(tmp_path)
    gateway = await start(
        issuers=(Issuer(issuer=demo_issuer().url, audience=audience, jwks_file=keys),),
        routes=(
            RouteSection(path="/payments/*", acr=("gold",), max_age=Seconds(600)),
            RouteSection(path="/other/*", audience="https://other.test"),
            RouteSection(path="/mine/*", condition=OWNED),
        ),
    )
    client = await gateway.client()
    for method, target, claims, reason in ASKED:
        now = {"auth_time": time.time()} if "auth_time" in claims else {}
        sent = (authorization(**claims | now), "X-Tenant: acme")
        response = await ask(gateway, style(method, target, *sent))
        traffic = await client.ask(_head(f"{method} {target} HTTP/1.1", "Host: api.test", *sent))
        assert response.status == traffic.status, target
        if reason is None:
            assert response.status == 200
        else:
            assert response.problem["reason"] == reason
            assert (response.body, response.values(b"WWW-Authenticate")) == (
                traffic.body,
                traffic.values(b"WWW-Authenticate"),
            )


@STYLES
async def test_a_header_without_a_value_is_empty_and_never_the_clients(gateway: Running, style: Style) -> None:
    forged = ("X-User-Id: root", "X-Client-Id: root", "X-Token-Scopes: all")
    machine = await ask(gateway, style("GET", "/orders/1", authorization(sub=None), *forged))
    assert identity(machine) == [[b""], [b"demo-client"], [b"read:orders"]]
    assert identity(await ask(gateway, style("GET", "/health", *forged))) == NOBODY
    assert identity(await ask(gateway, style("GET", "/health", authorization()))) == NOBODY


@STYLES
@pytest.mark.parametrize(
    ("method", "target", "lines", "status", "reason"),
    [
        ("GET", "/orders/1", (), 401, "missing_credential"),
        ("GET", "/orders/1", ("Authorization: Bearer a b",), 400, "malformed_credential"),
        ("GET", "/orders/1", ("Authorization: Bearer a.b.c",), 401, "token_malformed"),
        ("GET", "/orders/1", ("Authorization: Bearer " + "a" * 17000,), 431, "token_too_large"),
        ("POST", "/orders/1", ("",), 403, "insufficient_scope"),
        ("DELETE", "/orders/1", ("",), 405, "method_not_allowed"),
        ("GET", "/orders/%2e%2e/health", ("",), 400, "ambiguous_path"),
        ("GET", "//health", ("",), 400, "ambiguous_path"),
        ("TRACE", "/health", (), 405, "method_not_allowed"),
        ("GET", "/reported/..", (), 400, "ambiguous_path"),
        ("GET", "/orders/1", ("", "X-HTTP-Method-Override: DELETE"), 400, "bad_request"),
        ("GET", "/health", ("X_User_Id: root",), 400, "bad_request"),
    ],
)
async def test_a_no_is_the_same_response_as_on_the_traffic_port_with_its_reason_in_a_header(
    gateway: Running, style: Style, method: str, target: str, lines: tuple[str, ...], status: int, reason: str
) -> None:
    sent = tuple(line or authorization() for line in lines)
    response = await ask(gateway, style(method, target, *sent))
    assert (response.status, response.problem["reason"]) == (status, reason)
    assert response.values(b"X-Gateway-Reason") == [reason.encode()]
    assert bool(response.values(b"WWW-Authenticate")) == (status in {401, 403} or reason == "malformed_credential")
    assert response.values(b"X-User-Id") == []
    if reason != "bad_request":
        client = await gateway.client()
        traffic = await client.ask(_head(f"{method} {target} HTTP/1.1", "Host: api.test", *sent))
        assert (traffic.status, traffic.body) == (response.status, response.body)
        assert traffic.values(b"WWW-Authenticate") == response.values(b"WWW-Authenticate")


@STYLES
async def test_an_issuer_that_is_down_is_503_with_retry_after(start: Start, style: Style) -> None:
    broken = Issuer(issuer="https://issuer.test", audience=demo_issuer().audience, jwks_file="/nonexistent/jwks.json")
    gateway = await start(issuers=(broken,))
    response = await ask(gateway, style("GET", "/orders/1", authorization()))
    assert (response.status, response.problem["reason"]) == (503, "issuer_unavailable")
    assert int(response.values(b"Retry-After")[0]) > 0


@STYLES
async def test_a_route_that_only_reports_says_yes_and_names_who_was_admitted(gateway: Running, style: Style) -> None:
    assert identity(await ask(gateway, style("GET", "/reported/1"))) == NOBODY
    assert identity(await ask(gateway, style("GET", "/reported/1", authorization()))) == CALLER
    records = await gateway.stdout.records(2)
    assert [(record["outcome"], record["reason"]) for record in records] == [
        ("reported", "missing_credential"),
        ("reported", "insufficient_scope"),
    ]


@STYLES
async def test_the_log_and_the_metrics_have_the_request_that_was_asked_about(gateway: Running, style: Style) -> None:
    await ask(gateway, style("DELETE", "/orders/1?secret", authorization()))
    record = await gateway.ended()
    assert [record[name] for name in ("method", "path", "status", "reason")] == [
        "DELETE", "/orders/1", 405, "method_not_allowed",
    ]  # fmt: skip
    await ask(gateway, style("GET", "/orders/1?secret", authorization()))
    record = await gateway.ended(2)
    assert [record[name] for name in ("method", "route", "status", "outcome")] == [
        "GET", "GET /orders/*", 200, "admitted",
    ]  # fmt: skip
    assert "upstream_ms" not in record
    metrics = (await gateway.admin("/metrics")).body
    assert b'outcome="admitted",reason="-",route="GET /orders/*",status="2xx"} 1.0' in metrics
    gateway.silent_about(good_token(), "secret")


@STYLES
async def test_a_stranger_is_not_answered(start: Start, style: Style) -> None:
    gateway = await start(trusted_proxies=("10.0.0.0/8",))
    response = await ask(gateway, style("GET", "/health"))
    assert (response.status, response.problem["reason"]) == (400, "bad_request")
    assert response.problem["detail"] == "Decisions are given to trusted proxies only."
    assert "none of trusted_proxies" in (await gateway.ended())["evidence"]


@pytest.mark.parametrize(
    "question",
    [
        _head("GET /nginx HTTP/1.1", "Host: gateway", "X-Original-URI: /health"),
        _head("GET /nginx?X-Original-URI=/health HTTP/1.1", "Host: gateway", "X-Original-Method: GET"),
        nginx("GET", "/health", "x-original-uri: /health"),
        ingress("GET", "/health", "x-original-url: https://api.test/health"),
        _head("GET /ingress-nginx HTTP/1.1", "Host: gateway", "X-Original-Method: GET", "X-Original-URI: /health"),
        forward("GET", "/health", "X-Forwarded-Uri: /orders/1"),
        forward("GET", "/health", "X-Forwarded-Host: other.test"),
        _head("GET /forward HTTP/1.1", "Host: gateway", "X-Original-Method: GET", "X-Original-URI: /health"),
        _head("GET /nginx HTTP/1.1", "Host: gateway", "X-Forwarded-Method: GET", "X-Forwarded-Uri: /health"),
    ],
)
async def test_a_fact_that_is_missing_or_repeated_is_said_to_be(gateway: Running, question: bytes) -> None:
    response = await ask(gateway, question)
    assert (response.status, response.problem["reason"]) == (400, "bad_request")
    assert response.problem["detail"].startswith("The proxy did not say exactly once")
    assert "x-" in (await gateway.ended())["evidence"]


@pytest.mark.parametrize(
    ("style", "lines"),
    [
        (nginx, ("X-Forwarded-Uri: /health", "X-Forwarded-Method: GET")),
        (forward, ("X-Original-URI: /health", "X-Original-Method: GET", "X-Original-URL: /health")),
        (envoy, ("X-Original-URI: /health", "X-Original-Method: GET", "X-Forwarded-Uri: /health")),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_each_style_reads_its_own_facts_alone(start: Start, style: Style, lines: tuple[str, ...]) -> None:
    gateway = await start(pass_override_headers=True)
    assert (await ask(gateway, style("GET", "/orders/1", *lines))).status == 401


@STYLES
async def test_routes_of_a_host_are_for_that_host(start: Start, style: Style) -> None:
    route = RouteSection(path="/a", hosts=("api.test",), access="public")
    other = RouteSection(path="/a", hosts=("other.test",))
    gateway = await start(routes=(route, other), unmatched="refuse")
    assert (await ask(gateway, style("GET", "/a"))).status == 200
    assert (await ask(gateway, style("GET", "/a").replace(b"api.test", b"other.test"))).status == 401
    assert (await ask(gateway, style("GET", "/a").replace(b"api.test", b"third.test"))).status == 404


@STYLES
async def test_where_a_token_is_optional_nobody_is_told_by_empty_headers(start: Start, style: Style) -> None:
    gateway = await start(routes=(RouteSection(path="/prices", access="optional"),))
    nobody = await ask(gateway, style("GET", "/prices", "X-User-Id: root"))
    assert (nobody.status, nobody.values(b"X-User-Id"), nobody.values(b"X-Client-Id")) == (200, [b""], [b""])
    told = await ask(gateway, style("GET", "/prices", authorization()))
    assert (told.status, told.values(b"X-User-Id")) == (200, [b"alice"])
    refused = await ask(gateway, style("GET", "/prices", "Authorization: Bearer nonsense"))
    assert (refused.status, refused.values(b"X-Gateway-Reason")) == (401, [b"token_malformed"])


async def test_without_routes_every_path_needs_a_token(start: Start) -> None:
    gateway = await start(routes=())
    assert (await ask(gateway, nginx("GET", "/any//../path", authorization()))).status == 200
    assert (await ask(gateway, nginx("GET", "/any"))).status == 401


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_the_method_of_the_question_is_nothing_where_a_header_says_it(gateway: Running, method: str) -> None:
    for question in (nginx("GET", "/orders/1", authorization()), forward("GET", "/orders/1", authorization())):
        asked = question.replace(b"GET /", f"{method} /".encode(), 1)
        assert (await ask(gateway, asked, method)).values(b"X-User-Id") == [b"alice"]
    refused = await ask(gateway, nginx("GET", "/orders/1").replace(b"GET /", f"{method} /".encode(), 1), method)
    assert (refused.status, refused.values(b"X-Gateway-Reason")) == (401, [b"missing_credential"])


@pytest.mark.parametrize("path", ["/", "/livez", "/orders/1", "/health", "/nginx/", "/envoy"])
async def test_there_is_nothing_at_other_paths(gateway: Running, path: str) -> None:
    response = await ask(gateway, get(path))
    assert (response.status, response.problem["reason"]) == (404, "no_route")


async def test_a_malformed_question_is_answered_with_its_reason(gateway: Running) -> None:
    response = await ask(gateway, b"GET /nginx HTTP/1.1\r\nX y\r\n\r\n")
    assert (response.status, response.problem["reason"]) == (400, "bad_request")
    assert response.values(b"X-Gateway-Reason") == [b"bad_request"]


async def test_a_proxy_keeps_its_connection(gateway: Running) -> None:
    client = await gateway.client(gateway.gateway.decisions_address)
    for _ in range(3):
        assert (await client.ask(nginx("GET", "/health"))).status == 200
        assert (await client.ask(nginx("GET", "/orders/1"))).status == 401
    body = nginx("GET", "/health", "Content-Length: 4") + b"body"
    assert (await client.ask(body)).status == 200


async def test_tokens_are_remembered_across_both_listeners(gateway: Running) -> None:
    client = await gateway.client()
    assert (await client.ask(get("/orders/1"))).status == 200
    assert (await ask(gateway, nginx("GET", "/orders/1", authorization()))).status == 200
    assert b'gateway_token_cache_lookups_total{result="hit"} 1.0' in (await gateway.admin("/metrics")).body


async def test_the_decisions_are_on_their_own_listener_and_drain_with_the_traffic(gateway: Running) -> None:
    assert f"decisions on {gateway.gateway.decisions_address}," in gateway.gateway.summary()
    client = await gateway.client()
    assert json.loads((await client.ask(nginx("GET", "/health"))).body)["reason"] == "missing_credential"
    waiting = await gateway.client(gateway.gateway.decisions_address)
    assert (await waiting.ask(nginx("GET", "/health"))).status == 200
    await gateway.stop()
    assert await waiting.is_closed()
    with pytest.raises(ConnectionRefusedError):
        await ask(gateway, nginx("GET", "/health"))


async def test_no_decision_listener_unless_it_is_asked_for(start: Start) -> None:
    gateway = await start(decisions=None)
    assert gateway.gateway.decisions_address == ""
    assert "decisions" not in gateway.gateway.summary()


async def test_a_proxy_that_vanishes_is_no_error(gateway: Running) -> None:
    for _ in range(10):
        client = await gateway.client(gateway.gateway.decisions_address)
        await client.send(nginx("GET", "/orders/1", authorization()))
        client.reset()
    assert (await ask(gateway, nginx("GET", "/health"))).status == 200
    assert gateway.errors() == []


@STYLES
async def test_a_yes_carries_the_assertion(start: Start, style: Style) -> None:
    gateway = await start(assertion=AssertionSection(issuer="https://gateway.test"))
    (signed,) = (await ask(gateway, style("GET", "/orders/1", authorization()))).values(b"X-Gateway-Assertion")
    assert signed.count(b".") == 2
    assert (await ask(gateway, style("GET", "/health"))).values(b"X-Gateway-Assertion") == [b""]


@STYLES
async def test_a_preflight_is_let_through_without_an_identity(start: Start, style: Style) -> None:
    gateway = await start(cors=Cors(origins=("https://app.test",)))
    lines = ("Origin: https://app.test", "Access-Control-Request-Method: GET")
    assert identity(await ask(gateway, style("OPTIONS", "/orders/1", *lines, authorization()))) == NOBODY
    refused = await ask(gateway, style("GET", "/orders/1", lines[0]))
    assert (refused.status, refused.values(b"Access-Control-Allow-Origin")) == (401, [b"https://app.test"])


@STYLES
async def test_a_certificate_bound_token_needs_the_header_of_the_asking_proxy(start: Start, style: Style) -> None:
    header = ClientCertificateHeader(name="X-Forwarded-Client-Cert", format="xfcc")
    gateway = await start(client_certificate_header=header)
    client = await gateway.client(gateway.gateway.decisions_address)
    digest = sha256(b"certificate").digest()
    bound = authorization(cnf={"x5t#S256": urlsafe_b64encode(digest).rstrip(b"=").decode()})
    line = f"X-Forwarded-Client-Cert: Hash={digest.hex()}"
    assert (await client.ask(style("GET", "/orders/1", bound, line))).status == 200
    for lines, reason in (
        ((), b"proof_required"),
        ((f"X-Forwarded-Client-Cert: Hash={'0' * 64}",), b"proof_mismatch"),
        ((line, line), b"proof_invalid"),
        (("X-Forwarded-Client-Cert: nothing",), b"proof_invalid"),
    ):
        response = await client.ask(style("GET", "/orders/1", bound, *lines))
        assert (response.status, response.values(b"x-gateway-reason")) == (401, [reason])


@STYLES
async def test_hosts_that_are_not_served_are_refused_here_too(start: Start, style: Style) -> None:
    gateway = await start(hosts=("api.test",), routes=(RouteSection(path="/a", access="public"),))
    assert (await ask(gateway, style("GET", "/a"))).status == 200
    refused = await ask(gateway, style("GET", "/a").replace(b"api.test", b"other.test"))
    assert (refused.status, refused.values(b"X-Gateway-Reason")) == (421, [b"unknown_host"])


@STYLES
async def test_a_bound_token_is_decided_on_with_its_proof_and_both_responses_have_a_nonce(
    start: Start, style: Style
) -> None:
    secret = Secret(env="NONCE_KEY")
    dpop = DPoPSection(nonce="required", nonce_key=secret)
    gateway = await start(dpop=dpop, external_url="https://api.test", secrets={secret: "k" * 32})
    token = demo_issuer().access_token(alg="ES256", exp=4_000_000_000, cnf=bound_to())

    def question(nonce: object, **changes: Any) -> bytes:
        of = {"htu": "https://api.test/orders/1", "iat": time.time(), "nonce": nonce, **changes}
        sent = proof(token.encode(), **of).decode()
        return style("GET", "/orders/1?a=b", f"Authorization: DPoP {token}", f"DPoP: {sent}")

    async def decided(asked: bytes) -> tuple[int, list[bytes], int]:
        said = await ask(gateway, asked)
        return said.status, said.values(b"X-Gateway-Reason"), len(said.values(b"DPoP-Nonce"))

    refused = await ask(gateway, question(...))
    (challenge,), (nonce,) = refused.values(b"WWW-Authenticate"), refused.values(b"DPoP-Nonce")
    assert (refused.status, challenge[:28]) == (401, b'DPoP error="use_dpop_nonce",')
    asked = question(nonce.decode())
    assert await decided(asked) == (200, [], 1)
    assert await decided(asked) == (401, [b"proof_replayed"], 1)
    elsewhere = question(nonce.decode(), htu="https://evil.example/orders/1")
    assert await decided(elsewhere) == (401, [b"proof_invalid"], 1)
    bearer = style("GET", "/orders/1", f"Authorization: Bearer {token}")
    assert await decided(bearer) == (401, [b"proof_required"], 1)
    # A bearer token's yes has none: nobody needs it.
    assert await decided(style("GET", "/orders/1", authorization())) == (200, [], 0)
