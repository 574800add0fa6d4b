"""Places of a token that make sense."""

from typing import Any

import pytest

from gateway.core.checks.credentials import credential_problems, credential_warnings
from gateway.core.config.client_certificates import ClientCertificateHeader
from gateway.core.config.credentials import CredentialPlace as Place
from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.config.upstreams import UpstreamSection
from tests.signer import issuer


def config(*credentials: Any, **settings: Any) -> Config:
    return Config(
        issuers=(issuer(),),
        **{"upstream": "http://localhost:1", "credentials": credentials or ("authorization",), **settings},
    )


def problems(*credentials: Any, **settings: Any) -> list[str]:
    return [str(problem) for problem in credential_problems(config(*credentials, **settings))]


def warned(*credentials: Any, **settings: Any) -> list[str]:
    return [str(warning) for warning in credential_warnings(config(*credentials, **settings))]


@pytest.mark.parametrize(
    "name",
    [
        "X-Access-Token",
        "Cf-Access-Jwt-Assertion",
        "X-Goog-Iap-Jwt-Assertion",
        "x-amzn-oidc-accesstoken",
        "X-Forwarded-Access-Token",
        "X_Token",
    ],
)
def test_a_header_may_carry_a_token(name: str) -> None:
    assert problems("authorization", Place(header=name)) == []
    assert warned("authorization", Place(header=name)) == []


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("", "is not a valid header name: letters, digits and hyphens are"),
        ("X Token", "is not a valid header name: letters, digits and hyphens are"),
        ("Authorization", "cannot carry a token: it carries the client's own credentials"),
        ("Cookie", "cannot carry a token: it carries the client's own credentials"),
        ("connection", "cannot carry a token: it is a hop-by-hop header, which no upstream would get"),
        ("Upgrade", "cannot carry a token: it is a hop-by-hop header, which no upstream would get"),
        ("Host", "cannot carry a token: it belongs to the framing and routing of the request"),
        ("Content-Type", "cannot carry a token: it describes the body of the request"),
        ("X-Forwarded-For", "cannot carry a token: it is a forwarding header"),
        ("X-Request-Id", "cannot carry a token: it is the identifier of the request"),
        ("Sec-WebSocket-Protocol", "cannot carry a token: it belongs to browsers and to WebSocket"),
        ("X-Original-URL", "cannot carry a token: it would change the method or the path behind the gateway"),
        ("X-User-Id", "cannot carry a token: it is an identity header"),
        ("x_user_id", "cannot carry a token: it is an identity header"),
        ("X-Gateway-Assertion", "cannot carry a token: it is the header of the assertion"),
        ("X-Gateway-Token", "cannot carry a token: it is reserved for the gateway"),
        ("DPoP", "cannot carry a token: it is the proof of possession (RFC 9449)"),
        ("X-Api-Key", "cannot carry a token: it is set for an upstream"),
    ],
)
def test_a_header_of_somebody_else_carries_none(name: str, wrong: str) -> None:
    upstreams = {"default": UpstreamSection(url="http://localhost:1", headers={"X-Api-Key": "k"})}
    assert problems(Place(header=name), upstreams=upstreams, upstream=None, identity_headers={"X-User-Id": "sub"}) == [
        f"credentials[0].header: {wrong}"
    ]


def test_each_place_is_one_and_stands_once() -> None:
    assert problems("authorization", "authorization") == ["credentials[1]: is credentials[0] again"]
    assert problems(Place(header="X-A"), Place(header="x_a")) == ["credentials[1].header: is credentials[0] again"]
    (problem,) = problems(Place())
    assert problem.startswith("credentials[0]: must have exactly one of ")
    assert problems(credentials=()) == ["credentials: must have at least one place; authorization is the usual one"]


def test_places_of_a_route_are_told_where_they_stand() -> None:
    routes = (
        RouteSection(path="/a", credentials=(Place(header="Host"),)),
        RouteSection(path="/b", credentials=()),
        RouteSection(path="/c", access="public", credentials=("authorization",)),
        RouteSection(path="/d", access="public"),
    )
    assert [told.partition(": ")[0] for told in problems(routes=routes)] == [
        "routes[0].credentials[0].header",
        "routes[1].credentials",
        "routes[2].credentials",
    ]


def test_an_upstream_that_keeps_the_token_is_told_that_it_gets_no_other() -> None:
    upstreams = {"default": UpstreamSection(url="http://localhost:1", authorization="keep")}
    assert warned(upstreams=upstreams) == []
    (told,) = warned("authorization", Place(header="X-A"), upstreams=upstreams)
    assert told.startswith("credentials[1].header: is not handed to upstream default")


def test_two_kinds_are_two_places() -> None:
    (problem,) = problems(Place(header="X-A", cookie="b"))
    assert problem == "credentials[0]: must have exactly one of header, websocket, query and cookie"
    assert problems(Place(query="t"), Place(cookie="t"), Place(websocket="t"), Place(query="T")) == []


@pytest.mark.parametrize(
    ("place", "key"),
    [
        (Place(query="access token"), "query"),
        (Place(query="access%5Ftoken"), "query"),
        (Place(query="t[]"), "query"),
        (Place(query=""), "query"),
        (Place(cookie="a b"), "cookie"),
        (Place(cookie="a=b"), "cookie"),
        (Place(websocket="bear/er"), "websocket"),
        (Place(websocket="b,c"), "websocket"),
    ],
)
def test_a_name_can_be_written_in_one_way(place: Place, key: str) -> None:
    (problem,) = problems(place)
    assert problem.startswith(f"credentials[0].{key}: must be ")


def test_places_that_no_request_can_use_are_told() -> None:
    posts = RouteSection(
        path="/a", methods=("POST",), credentials=(Place(query="t"), Place(websocket="b"), Place(cookie="c"))
    )
    gets = RouteSection(path="/b", methods=("HEAD",), credentials=(Place(query="t"),))
    assert problems(routes=(posts, gets)) == [
        "routes[0].credentials[0].query: has no effect: the route does not take GET",
        "routes[0].credentials[1].websocket: has no effect: the route does not take GET",
    ]
    assert problems(decisions_sources="all") == ["decisions_sources: has no effect without decisions"]
    assert problems(decisions_sources="all", decisions=":8081") == []


def test_what_is_unsafe_or_odd_about_a_place_is_told() -> None:
    url = {"external_url": "https://api.example.com"}
    (query,) = warned(Place(query="access_token"))
    assert query.startswith("credentials[0].query: is unsafe: URLs are logged, kept and shared")
    assert warned(Place(cookie="__Host-token"), **url) == []
    assert warned(Place(cookie="token"), **url) == [
        "credentials[0].cookie: has no __Host- before its name: other hosts of its domain may set it"
    ]
    (ours,) = warned(Place(cookie="__Host-token"))
    assert ours.startswith("credentials[0].cookie: needs external_url or hosts for browsers that do not send ")
    assert warned(Place(cookie="__Host-token"), hosts=("api.example.com",)) == []
    # What is wrong with the URL is said elsewhere.
    assert warned(Place(cookie="__Host-token"), external_url="api.example.com") == []
    assert warned(Place(websocket="bearer")) == []


def test_what_the_decision_api_makes_of_a_place_is_told() -> None:
    (refused,) = warned(Place(websocket="bearer"), Place(header="X-A"), decisions=":8081")
    assert refused.startswith("credentials[0].websocket: is refused by the decision API")
    (unsafe,) = warned(Place(websocket="bearer"), decisions=":8081", decisions_sources="all")
    assert unsafe.startswith("decisions_sources: is unsafe: ")


def test_the_header_of_certificates_carries_no_token() -> None:
    certificates = ClientCertificateHeader(name="X-Certificate", format="pem")
    assert problems(Place(header="x-certificate"), client_certificate_header=certificates) == [
        "credentials[0].header: cannot carry a token: it is where a proxy says which certificate its client has"
    ]
