from typing import Any

import msgspec
import pytest

from gateway.core.addresses import parse_address
from gateway.core.checks.upstreams import upstream_problems, upstream_warnings
from gateway.core.config.assertion import AssertionSection
from gateway.core.config.file import Config
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.issuers import Issuer
from gateway.core.config.secret import Secret
from gateway.core.config.upstream_tokens import ClientCredentials, TokenExchange
from gateway.core.config.upstreams import BasicCredential, UpstreamCredential, UpstreamSection, UpstreamTls

FILE, ENV = Secret(file="/run/a"), Secret(env="A_1")
OWN = ClientCredentials(token_endpoint="https://login", client_id="gateway", client_secret=FILE)
FOUND = UpstreamSection(url="https://shop")
EXCHANGE = TokenExchange(token_endpoint="https://login", client_id="gateway", key=ENV)


def a_config(upstream: UpstreamSection, **rest: Any) -> Config:
    issuers = (Issuer(issuer="https://i.example", audience="a"),)
    return Config(**{"upstream": "http://127.0.0.1:3000", "issuers": issuers, "upstreams": {"shop": upstream}, **rest})


def told(upstream: UpstreamSection, **rest: Any) -> list[str]:
    found = [str(problem) for problem in upstream_problems(a_config(upstream, **rest), {})]
    assert all(sentence.startswith("upstreams.shop.") for sentence in found)
    return [sentence.removeprefix("upstreams.shop.") for sentence in found]


def reached(**settings: Any) -> list[str]:
    return told(UpstreamSection(**{"url": "https://shop", **settings}))


def test_an_upstream_may_have_everything() -> None:
    upstream = UpstreamSection(
        url="https://shop",
        max_connections=1,
        tls=UpstreamTls(ca_file="a", certificate="b", key="c", server_name="Shop.Example"),
        authorization=UpstreamCredential(basic=BasicCredential(user="", password=FILE)),
        headers={"X-Api-Key": ENV, "Accept": "", "X-Tenant": "blue (ä)", "User-Agent": "gateway"},
    )
    assert told(upstream) == []
    assert list(upstream_warnings(a_config(upstream))) == []


@pytest.mark.parametrize(
    ("upstreams", "sentence"),
    [
        ({}, "is required"),
        (
            {"shop": FOUND},
            "is required beside upstreams: routes go there that name none; or call one of them default",
        ),
    ],
)
def test_a_file_without_a_default_is_told_what_is_missing(upstreams: dict[str, UpstreamSection], sentence: str) -> None:
    (problem,) = upstream_problems(msgspec.structs.replace(a_config(FOUND), upstream=None, upstreams=upstreams), {})
    assert str(problem) == f"upstream: {sentence}"


@pytest.mark.parametrize("key", ["connect_timeout", "response_timeout", "keepalive", "pool_timeout"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_no_time_is_nothing(key: str, value: float) -> None:
    assert reached(**{key: value}) == [f"{key}: must be more than 0"]


@pytest.mark.parametrize(("age", "sound"), [(0, False), (-1, False), (float("nan"), False), (0.1, True), (None, True)])
def test_a_connection_has_an_age_or_any(age: float | None, *, sound: bool) -> None:
    assert reached(max_age=age) == ([] if sound else ["max_age: must be more than 0; null is any"])


@pytest.mark.parametrize(
    ("connections", "sound"), [(0, False), (-1, False), (1, True), (65_535, True), (65_536, False)]
)
def test_there_is_at_least_one_connection_and_no_more_than_ports(connections: int, *, sound: bool) -> None:
    assert reached(max_connections=connections) == ([] if sound else ["max_connections: must be from 1 to 65535"])


@pytest.mark.parametrize("url", ["http://shop", "unix:/run/shop"])
def test_tls_is_for_https(url: str) -> None:
    assert reached(url=url, tls=UpstreamTls()) == ["tls: has no effect: url does not begin with https://"]


def test_tls_of_an_upstream_without_a_readable_url_is_not_judged_by_it() -> None:
    (sentence,) = reached(url="shop", tls=UpstreamTls())
    assert sentence.startswith("url: ")


@pytest.mark.parametrize(
    ("tls", "sentences"),
    [
        ({}, []),
        ({"allow_insecure": True, "server_name": "10.0.0.1"}, []),
        ({"certificate": "a"}, ["tls.key: is required beside certificate"]),
        ({"key": "a"}, ["tls.certificate: is required beside key"]),
        ({"ca_file": "", "certificate": "", "key": ""}, ["tls.ca_file: must not be empty", "tls.certificate: must not be empty", "tls.key: must not be empty"]),
        ({"ca_file": "a", "allow_insecure": True}, ["tls.allow_insecure: contradicts ca_file, against which nothing would be checked; one of them must go"]),
        *(({"server_name": name}, ["tls.server_name: must be a host name such as api.example.com, without port"]) for name in ("", "a:443", "https://a", "a/b", "a b", "a@b", "-a")),
    ],
)  # fmt: skip
def test_what_contradicts_itself_in_tls_is_told(tls: dict[str, Any], sentences: list[str]) -> None:
    assert reached(tls=UpstreamTls(**tls)) == sentences


def test_the_assertion_may_be_what_the_api_is_shown() -> None:
    for credential in ("assertion", UpstreamCredential(assertion="beside")):
        upstream = UpstreamSection(url="https://shop", authorization=credential)
        assert told(upstream, assertion=AssertionSection(issuer="g")) == []


def test_credentials_that_are_sent_in_the_clear_are_unsafe() -> None:
    section = TokenExchange(token_endpoint="http://login", client_id="g", client_secret=FILE, allow_http=True)
    config = a_config(UpstreamSection(url="https://shop", authorization=UpstreamCredential(exchange=section)))
    sound = msgspec.structs.replace(section, token_endpoint="https://login", allow_http=False)
    assert not [
        *upstream_warnings(
            a_config(UpstreamSection(url="https://shop", authorization=UpstreamCredential(exchange=sound)))
        )
    ]
    (warning,) = upstream_warnings(config)
    assert warning.path == "upstreams.shop.authorization.exchange.allow_http"
    assert warning.sentence.startswith("is unsafe: whoever is on the way to the token endpoint")


def test_a_certificate_that_nobody_checks_is_unsafe() -> None:
    config = a_config(UpstreamSection(url="https://shop", tls=UpstreamTls(allow_insecure=True)))
    assert [str(warning) for warning in upstream_warnings(config)] == [
        "upstreams.shop.tls.allow_insecure: is unsafe: anybody on the way may be the API"
    ]


@pytest.mark.parametrize(
    ("credential", "sentences"),
    [
        (UpstreamCredential(bearer=FILE), []),
        (UpstreamCredential(), ["authorization: must have bearer, basic, client_credentials, exchange or assertion"]),
        (UpstreamCredential(client_credentials=OWN), []),
        (UpstreamCredential(exchange=EXCHANGE), []),
        (UpstreamCredential(bearer=FILE, exchange=EXCHANGE, assertion="alone"), [
            "authorization.assertion: needs the section assertion",
            "authorization.exchange: cannot stand beside bearer; one of them must go",
            "authorization.assertion: cannot stand beside bearer; one of them must go",
        ]),
        ("assertion", ["authorization: needs the section assertion"]),
        (UpstreamCredential(client_credentials=ClientCredentials(token_endpoint="https://a", client_id="g")), ["authorization.client_credentials.client_secret: is required for client_secret_basic; or auth names another way"]),
        (UpstreamCredential(exchange=TokenExchange(token_endpoint="https://a", client_id="g")), ["authorization.exchange.client_secret: is required for client_secret_basic; or auth names another way"]),
        (UpstreamCredential(exchange=TokenExchange(token_endpoint="https://a", client_id="g", client_secret=Secret())), ["authorization.exchange.client_secret: must have file or env"]),
        (UpstreamCredential(bearer=FILE, basic=BasicCredential(user="a", password=ENV)), ["authorization.basic: cannot stand beside bearer; one of them must go"]),
        (UpstreamCredential(basic=BasicCredential(user="a:b", password=ENV)), ["authorization.basic.user: must not have a colon, at which the API would take the password to begin"]),
        (UpstreamCredential(bearer=Secret()), ["authorization.bearer: must have file or env"]),
        (UpstreamCredential(bearer=Secret(file="a", env="b")), ["authorization.bearer.env: cannot stand beside file; one of them must go"]),
        (UpstreamCredential(bearer=Secret(file="")), ["authorization.bearer.file: must not be empty"]),
        *((UpstreamCredential(basic=BasicCredential(user="a", password=Secret(env=name))), ["authorization.basic.password.env: must be the name of a variable: letters, digits and _"]) for name in ("", "A B", "1A", "A=", "Ä")),
    ],
)  # fmt: skip
def test_a_credential_is_one_and_says_where_its_secret_is(credential: Any, sentences: list[str]) -> None:
    assert reached(authorization=credential) == sentences


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Authorization", "has a key of its own: authorization"),
        ("authorization", "has a key of its own: authorization"),
        ("Cookie", "is the client's: cookies of clients would reach no upstream any more"),
        ("Host", "belongs to the framing and routing of the request"),
        ("Transfer_Encoding", "is a hop-by-hop header, which no upstream would get"),
        ("Content-Length", "describes the body of the request"),
        ("X-Forwarded-For", "is a forwarding header"),
        ("X_Forwarded.Any", "is a forwarding header"),
        ("X-Request-Id", "is the identifier of the request"),
        ("X-Gateway-Anything", "is reserved for the gateway"),
        ("X-HTTP-Method-Override", "would change the method or the path behind the gateway"),
        ("Proxy", "would be taken for the variable HTTP_PROXY"),
        ("Origin", "belongs to browsers"),
        ("Access-Control-Request-Method", "belongs to browsers"),
        ("X-User-Id", "is an identity header"),
        ("X_Roles", "is an identity header"),
        ("X-Gateway-Assertion", "is reserved for the gateway"),
        ("x.proof", "is the header of the assertion"),
    ],
)
def test_a_name_with_a_meaning_of_its_own_cannot_be_set(name: str, why: str) -> None:
    identity = {"X-Roles": IdentityHeader(claim="roles"), "not a name": "sub"}
    upstream = UpstreamSection(url="http://shop", headers={name: "a"})
    rest = {"identity_headers": identity, "assertion": AssertionSection(issuer="g", header="X-Proof")}
    assert told(upstream, **rest) == [f"{told_at(name)}: cannot be set here: {name} {why}"]


def told_at(name: str) -> str:
    return f"headers[{name!r}]" if "." in name else f"headers.{name}"


@pytest.mark.parametrize("name", ["", "X A", "X-A:", "X-Ä", "X-A\n"])
def test_a_name_that_is_no_header_name_is_told(name: str) -> None:
    (sentence,) = reached(headers={name: "a"})
    assert sentence.endswith(": is not a valid header name: letters, digits and hyphens are")


def test_names_that_fold_to_one_another_are_a_problem_within_one_upstream_only() -> None:
    assert reached(headers={"X-Key": "a", "x_key": "b"}) == [
        "headers.x_key: is the same header as X-Key to an upstream that folds names"
    ]
    both = {name: UpstreamSection(url="http://a", headers={"X-Key": name}) for name in ("shop", "other")}
    assert list(upstream_problems(a_config(both["shop"], upstreams=both), {})) == []


@pytest.mark.parametrize("value", ["a\nb", " a", "a\t"])
def test_a_text_that_is_no_header_value_is_told(value: str) -> None:
    (sentence,) = reached(headers={"X-A": value})
    assert sentence.startswith("headers.X-A: must ")


def test_the_secret_of_a_header_is_named_once() -> None:
    assert reached(headers={"X-A": Secret(file="a", env="b")}) == [
        "headers.X-A.env: cannot stand beside file; one of them must go"
    ]


def test_an_upstream_that_is_the_gateway_itself_is_told_by_the_key_of_the_address() -> None:
    bound = {"admin": parse_address("127.0.0.1:9090")}
    config = a_config(UpstreamSection(url="http://127.0.0.1:9090"))
    assert [str(problem) for problem in upstream_problems(config, bound)] == [
        "upstreams.shop.url: is this gateway itself: it is the address of admin"
    ]
