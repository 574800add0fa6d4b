"""A proxy's question: one source of facts a style, each fact exactly once, and every identity header in the yes."""

from typing import Any

import pytest

from gateway.core.config.credentials import CredentialPlace
from gateway.core.config.file import Config
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.limits import Limits
from gateway.core.config.routes import RouteSection
from gateway.core.config.secret import Secret
from gateway.core.config.section import Size
from gateway.core.config.upstream_tokens import ClientCredentials, TokenExchange
from gateway.core.config.upstreams import UpstreamCredential, UpstreamSection
from gateway.core.decision.question import DecisionRules
from gateway.core.errors import (
    BadRequest,
    MethodNotAllowed,
    MethodNotImplemented,
    NoRoute,
    Refusal,
    UnclearSubrequest,
    UndecidableCredential,
    UndecidableHeader,
    UntrustedProxy,
    UriTooLong,
)
from gateway.core.http.facts import Facts, HeaderLine
from tests.signer import issuer

NGINX = {"X-Original-Method": "PUT", "X-Original-URI": "/a?b"}
FORWARD = {
    "X-Forwarded-Method": "PUT",
    "X-Forwarded-Uri": "/a?b",
    "X-Forwarded-Host": "api.test:8443",
    "X-Forwarded-Proto": "https",
}
#: what the template of ingress-nginx sets, and what it lets through of a client
INGRESS = {
    "X-Original-URL": "https://api.test:8443/a?b",
    "X-Original-Method": "PUT",
    "X-Sent-From": "nginx-ingress-controller",
    "X-Real-IP": "192.0.2.1",
    "X-Forwarded-For": "192.0.2.1",
    "X-Auth-Request-Redirect": "/a?b",
    "X-Request-ID": "r1",
}
ROUTES = (RouteSection(path="/a"),)


def lines(headers: dict[str, str]) -> tuple[HeaderLine, ...]:
    return tuple((name.encode(), value.encode("latin-1")) for name, value in headers.items())


def rules(**settings: Any) -> DecisionRules:
    return DecisionRules.of(Config(upstream="http://127.0.0.1:3000", issuers=(issuer(),), **settings))


def question(target: str, *headers: HeaderLine, **settings: Any) -> Facts:
    defaults: dict[str, Any] = {
        "method": "GET",
        "target": target.encode(),
        "version": (1, 1),
        "authorization": (b"Bearer t",),
        "host": b"gateway",
        "content_length": 3,
        "chunked": False,
        "scheme": "http",
        "peer": "127.0.0.1",
        "trusted": True,
        "request_id": "r1",
    }
    return Facts(headers=headers, **(defaults | settings))


def test_nginx_says_method_and_target_and_a_host_only_where_a_route_asks_for_one() -> None:
    rest = ((b"Authorization", b"Bearer t"), (b"X-Forwarded-Uri", b"/other"))
    facts = rules().asked(question("/nginx", *lines(NGINX), *rest))
    assert (facts.method, facts.target, facts.host, facts.scheme) == ("PUT", b"/a?b", None, "http")
    assert (facts.headers, facts.authorization, facts.content_length) == (rest, (b"Bearer t",), None)
    asked = (*lines(NGINX), (b"X-Original-Host", b"api.test"))
    assert rules(routes=(RouteSection(path="/a", condition="request.path == 'request.host'"),)).asked(
        question("/nginx", *lines(NGINX))
    )
    for with_hosts in (
        rules(routes=(RouteSection(path="/a", hosts=("api.test",)),)),
        rules(routes=(RouteSection(path="/a", condition="request.host == 'api.test'"),)),
        rules(hosts=("api.test",)),
    ):
        assert with_hosts.asked(question("/nginx", *asked)).host == b"api.test"
        with pytest.raises(UnclearSubrequest, match="x-original-host is missing"):
            with_hosts.asked(question("/nginx", *lines(NGINX)))


@pytest.mark.parametrize(
    ("said", "scheme"), [("http", "http"), ("https", "https"), ("ws", "http"), ("wss", "https")]
)  # fmt: skip
def test_traefik_and_caddy_say_scheme_and_host_as_well(said: str, scheme: str) -> None:
    asked = lines(FORWARD | {"X-Forwarded-Proto": said})
    facts = rules().asked(question("/forward", *asked, (b"X-Forwarded-For", b"192.0.2.1")))
    assert (facts.method, facts.target, facts.host, facts.scheme) == ("PUT", b"/a?b", b"api.test:8443", scheme)
    assert facts.headers == ((b"X-Forwarded-For", b"192.0.2.1"),)


def test_ingress_nginx_says_the_whole_url() -> None:
    client = ((b"Authorization", b"Bearer t"), (b"X-Forwarded-Proto", b"https"), (b"Accept", b"*/*"))
    asked = question("/ingress-nginx", *lines(INGRESS), *client, host=b"gateway.test:8081")
    facts = rules(routes=ROUTES).asked(asked)
    assert (facts.method, facts.target, facts.host, facts.scheme) == ("PUT", b"/a?b", b"api.test:8443", "https")
    assert (facts.authorization, facts.content_length, facts.peer) == ((b"Bearer t",), None, "127.0.0.1")
    assert [name for name, _ in facts.headers] == [
        b"X-Real-IP", b"X-Forwarded-For", b"X-Request-ID", b"Authorization", b"X-Forwarded-Proto", b"Accept",
    ]  # fmt: skip
    plain = rules().asked(question("/ingress-nginx", *lines(INGRESS | {"X-Original-URL": "http://[::1]/?x=/../"})))
    assert (plain.target, plain.host, plain.scheme) == (b"/?x=/../", b"[::1]", "http")


@pytest.mark.parametrize(
    "url",
    [
        "/a?b",
        "//api.test/a",
        "https://api.test",
        "https://api.test?x/a",
        "https://api.test#x/a",
        "https:///a",
        "https://user@api.test/a",
        "https://api.test:x/a",
        "https://a, https://b/",
        "https://api.test/a b",
        "https://api.test\\evil/a",
        "https://api.test/\xe9",
        "ftp://api.test/a",
        "HTTPS://api.test/a",
        "https://api.test*",
    ],
)
def test_what_is_no_url_of_a_request_is_refused(url: str) -> None:
    with pytest.raises(UnclearSubrequest):
        rules().asked(question("/ingress-nginx", *lines(INGRESS | {"X-Original-URL": url})))


def test_ingress_nginx_may_say_the_target_twice_and_a_client_may_not_say_another() -> None:
    again, other = (b"X-Original-URI", b"/a?b"), (b"X-Original-URI", b"/admin")
    rules(routes=ROUTES).asked(question("/ingress-nginx", *lines(INGRESS), again))
    for lied in ((other,), (again, other), ((b"X_Original_URI", b"/a?b"),), ((b"X-Rewrite-URL", b"/a?b"),)):
        with pytest.raises(UndecidableHeader):
            rules(routes=ROUTES).asked(question("/ingress-nginx", *lines(INGRESS), *lied))


def test_envoy_says_it_in_the_request_line() -> None:
    asked = (*lines(FORWARD), (b"Host", b"gateway"))
    facts = rules().asked(question("/envoy/a/../b?c", *asked, method="DELETE"))
    assert (facts.method, facts.target, facts.host, facts.headers) == ("DELETE", b"/a/../b?c", b"gateway", asked)
    assert rules().asked(question("/envoy*", method="OPTIONS")).target == b"*"
    with pytest.raises(UnclearSubrequest, match="host is missing"):
        rules().asked(question("/envoy/", host=None))


FACTS = {name: INGRESS[name] for name in ("X-Original-URL", "X-Original-Method")}


@pytest.mark.parametrize(
    "style", [("/nginx", NGINX), ("/ingress-nginx", FACTS), ("/forward", FORWARD)], ids=lambda style: style[0]
)
def test_a_fact_that_is_missing_empty_or_repeated_is_refused(style: tuple[str, dict[str, str]]) -> None:
    path, asked = style
    for name in asked:
        others = {other: value for other, value in asked.items() if other != name}
        told = (name.encode(), asked[name].encode())
        spelled = (name.replace("-", "_").encode(), told[1])
        for given in ((), ((told[0], b""),), (told, told), (told, (name.lower().encode(), b"x")), (spelled,)):
            with pytest.raises(UnclearSubrequest):
                rules().asked(question(path, *lines(others), *given))


@pytest.mark.parametrize(
    ("name", "value", "refusal"),
    [
        ("Method", "put", MethodNotImplemented),
        ("Method", "GET /", MethodNotImplemented),
        ("Method", "CONNECT", MethodNotImplemented),
        ("Method", "TRACE", MethodNotAllowed),
        ("Uri", "http://api.test/a", UnclearSubrequest),
        ("Uri", "*", UnclearSubrequest),
        ("Uri", "/a b", UnclearSubrequest),
        ("Uri", "/\xe9", UnclearSubrequest),
        ("Uri", "/" + "a" * 64, UriTooLong),
        ("Host", "a, b", UnclearSubrequest),
        ("Host", "user@a", UnclearSubrequest),
        ("Proto", "https, http", UnclearSubrequest),
    ],
)
def test_a_fact_that_no_request_could_have_is_refused(name: str, value: str, refusal: type[Refusal]) -> None:
    judging = rules(limits=Limits(uri_bytes=Size(64)))
    with pytest.raises(refusal):
        judging.asked(question("/forward", *lines(FORWARD | {f"X-Forwarded-{name}": value})))


def test_the_star_is_for_options_alone() -> None:
    asked = lines(NGINX | {"X-Original-URI": "*", "X-Original-Method": "OPTIONS"})
    assert rules().asked(question("/nginx", *asked)).target == b"*"
    with pytest.raises(UnclearSubrequest):
        rules().asked(question("/envoy*"))


@pytest.mark.parametrize(
    "target", ["/", "/nginx/", "/nginx/a", "/ingress-nginx/", "/forward/a", "/envoy", "/envoyer", "/a", "*"]
)
def test_there_is_nothing_else(target: str) -> None:
    with pytest.raises(NoRoute):
        rules().asked(question(target, *lines(NGINX), *lines(FORWARD)))


@pytest.mark.parametrize("target", ["/nginx", "/ingress-nginx", "/forward", "/envoy/", "/a"])
def test_only_trusted_proxies_may_ask(target: str) -> None:
    with pytest.raises(UntrustedProxy):
        rules().asked(question(target, *lines(NGINX), *lines(FORWARD), trusted=False))


@pytest.mark.parametrize("name", [b"X_User_Id", b"x.user.id", b"X-User_Id", b"X_Roles", b"X_Client_Id"])
def test_another_spelling_of_an_identity_header_is_refused_and_the_plain_one_is_the_proxys_to_replace(
    name: bytes,
) -> None:
    judging = rules(identity_headers={"X-Roles": "roles"})
    with pytest.raises(UndecidableHeader):
        judging.asked(question("/envoy/", (name, b"root")))
    for plain in (b"X-User-Id", b"x-roles", b"X-CLIENT-ID"):
        judging.asked(question("/envoy/", (plain, b"root")))


@pytest.mark.parametrize("name", [b"X-HTTP-Method-Override", b"X_Original_URI", b"x-rewrite-url"])
@pytest.mark.parametrize("style", ["/nginx", "/envoy/"])
def test_headers_that_change_method_or_path_are_refused_where_routes_are_decided(name: bytes, style: str) -> None:
    asked = (*(lines(NGINX) if style == "/nginx" else ()), (name, b"/"))
    with pytest.raises(UndecidableHeader):
        rules(routes=ROUTES).asked(question(style, *asked))
    rules().asked(question(style, *asked))
    rules(routes=ROUTES, pass_override_headers=True).asked(question(style, *asked))


def test_the_facts_of_one_style_are_override_headers_in_another() -> None:
    rules(routes=ROUTES).asked(question("/nginx", *lines(NGINX)))
    with pytest.raises(UndecidableHeader):
        rules(routes=ROUTES).asked(question("/forward", *lines(FORWARD), *lines(NGINX)))
    with pytest.raises(UndecidableHeader):
        rules(routes=ROUTES).asked(question("/nginx", *lines(NGINX), (b"X-Original-URL", b"https://a/b")))


def test_a_yes_names_every_identity_header_and_those_without_a_value_too() -> None:
    admitted = ((b"Host", b"a"), (b"X-User-Id", b"alice"), (b"X-Request-Id", b"r1"))
    assert rules().response_lines(admitted) == (
        (b"X-User-Id", b"alice"), (b"X-Client-Id", b""), (b"X-Token-Scopes", b""), (b"X-Gateway-Assertion", b""),
    )  # fmt: skip
    assert rules(identity_headers={"X-Roles": "roles", "X_Client_Id": "azp"}).response_lines(()) == (
        (b"X-Roles", b""), (b"X_Client_Id", b""), (b"X-User-Id", b""), (b"X-Token-Scopes", b""),
        (b"X-Gateway-Assertion", b""),
    )  # fmt: skip


def test_repeated_lines_are_one_that_can_be_taken_apart_again() -> None:
    judging = rules(identity_headers={"X-Roles": IdentityHeader(claim="roles", format="repeat"), "X-Name": "name"})
    admitted = ((b"X-Roles", b"a,b"), (b"X-Roles", b"c%2Cd"), (b"X-Name", b"Smith, J"))
    assert judging.response_lines(admitted)[:2] == ((b"X-Roles", b"a%2Cb, c%2Cd"), (b"X-Name", b"Smith, J"))


@pytest.mark.parametrize("refusal", [UntrustedProxy, UnclearSubrequest, UndecidableHeader])
def test_each_refusal_says_which_it_was_in_its_sentence_and_shares_the_reason(refusal: type[Refusal]) -> None:
    assert (refusal.reason, refusal.status, refusal.challenge) == (BadRequest.reason, 400, False)
    assert refusal.public != BadRequest.public
    assert refusal.public.isascii()
    assert not set('"\\') & set(refusal.public)


@pytest.mark.parametrize(
    ("credential", "is_told"),
    [
        ("drop", False),
        ("keep", False),
        (UpstreamCredential(bearer=Secret(env="A")), False),
        (UpstreamCredential(exchange=TokenExchange(token_endpoint="https://a")), True),
        (UpstreamCredential(client_credentials=ClientCredentials(token_endpoint="https://a")), True),
        ("assertion", True),
    ],
)
def test_a_token_that_was_made_for_the_api_is_in_the_yes_or_an_empty_line(credential: Any, *, is_told: bool) -> None:
    upstreams = {"default": UpstreamSection(url="http://a", authorization=credential)}
    made = DecisionRules.of(Config(issuers=(issuer(),), upstreams=upstreams))
    admitted = ((b"X-User-Id", b"alice"), (b"Authorization", b"Bearer t"))
    found = [value for name, value in made.response_lines(admitted) if name == b"Authorization"]
    assert found == ([b"Bearer t"] if is_told else [])
    assert [value for name, value in made.response_lines(()) if name == b"Authorization"] == ([b""] if is_told else [])


PLACES = (
    "authorization",
    CredentialPlace(header="X-Access-Token"),
    CredentialPlace(query="access_token"),
    CredentialPlace(cookie="__Host-token"),
)


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/a?access_token=abc", {}),
        ("/a?access%5Ftoken=abc", {}),
        ("/a", {"Cookie": "a=1; __Host-token=abc"}),
        ("/a", {"Cookie": "__host-token=abc", "Authorization": "Bearer abc"}),
    ],
)
def test_what_only_the_proxy_could_take_out_is_refused_unless_it_does(target: str, headers: dict[str, str]) -> None:
    asked = question("/forward", *lines(FORWARD | {"X-Forwarded-Uri": target} | headers))
    with pytest.raises(UndecidableCredential):
        rules(credentials=PLACES).asked(asked)
    assert rules(credentials=PLACES, decisions_sources="all").asked(asked).target == target.encode()
    assert rules(credentials=PLACES[:2]).asked(asked).target == target.encode()


def test_a_header_that_may_carry_a_token_is_replaced_by_nothing() -> None:
    asked = question("/forward", *lines(FORWARD | {"X-Access-Token": "abc", "Cookie": "a=1"}))
    assert rules(credentials=PLACES).asked(asked).is_question
    assert rules(credentials=PLACES).response_lines(())[-1] == (b"X-Access-Token", b"")
    with pytest.raises(UndecidableHeader):
        rules(credentials=PLACES).asked(question("/forward", *lines(FORWARD | {"X_Access_Token": "abc"})))


def test_nginx_says_the_host_where_one_of_several_urls_is_chosen_by_it() -> None:
    urls = ("https://a.example", "https://b.example")
    said = question("/nginx", *lines(NGINX | {"X-Original-Host": "b.example"}))
    assert rules(external_url=urls).asked(said).host == b"b.example"
    assert rules(external_url=urls[:1]).asked(question("/nginx", *lines(NGINX))).host is None
    with pytest.raises(UnclearSubrequest):
        rules(external_url=urls).asked(question("/nginx", *lines(NGINX)))
