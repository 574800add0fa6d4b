"""What goes upstream: nothing a client could pass for ours, and everything else as it was sent."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from gateway.core.config.assertion import AssertionSection
from gateway.core.config.client_certificates import ClientCertificateHeader
from gateway.core.config.file import Config
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.routes import RouteSection
from gateway.core.config.secret import Secret
from gateway.core.config.tracing import TracingSection
from gateway.core.config.upstreams import BasicCredential, UpstreamCredential, UpstreamSection
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.field_line import FieldLine
from gateway.core.http.header_names import HOP_BY_HOP, fold, nominated
from gateway.core.routing.route import compile_route
from gateway.core.upstream.headers import ForwardingNotice, UpstreamHeaders, parse_request_id, response_headers
from gateway.core.upstream.own_lines import own_lines
from tests.signer import issuer

PEER = b"192.0.2.1"
#: what is added for an untrusted peer on a request without such headers
ADDED = (
    (b"X-Forwarded-For", PEER),
    (b"X-Forwarded-Proto", b"https"),
    (b"X-Forwarded-Host", b"api.example.com"),
    (b"X-Request-Id", b"r1"),
)
HOST = (b"Host", b"api.example.com")
EVERYTHING = RouteSection(path="/*")


def config(**settings: Any) -> Config:
    return Config(upstream="http://127.0.0.1:3000", issuers=(issuer(),), **settings)


def facts(*headers: HeaderLine, **settings: Any) -> Facts:
    defaults: dict[str, Any] = {
        "method": "GET",
        "target": b"/",
        "version": (1, 1),
        "authorization": (),
        "host": b"api.example.com",
        "content_length": None,
        "chunked": False,
        "scheme": "https",
        "peer": PEER.decode(),
        "trusted": False,
        "request_id": "r1",
    }
    return Facts(**({"headers": headers} | defaults | settings))


def compose(
    *headers: HeaderLine,
    identity: tuple[HeaderLine, ...] = (),
    configured: Config | None = None,
    secrets: Mapping[Secret, str] = MappingProxyType({}),
    route: RouteSection = EVERYTHING,
    preflight: bool = False,
    **settings: Any,
) -> tuple[HeaderLine, ...]:
    compiled = UpstreamHeaders.of(configured or config(), secrets=secrets)
    composed = compiled.compose(facts(*headers, **settings), identity, route=compile_route(route), preflight=preflight)
    return composed.headers


def kept(*headers: HeaderLine, **settings: Any) -> tuple[HeaderLine, ...]:
    """The client's lines that are still there: all but Host and what is added."""
    composed = compose(HOST, *headers, **settings)
    return tuple(line for line in composed if line not in (HOST, *ADDED))


# Stripped


@pytest.mark.parametrize(
    "name",
    [
        *(
            b"X-User-Id",
            b"x-user-id",
            b"X-USER-ID",
            b"X_User_Id",
            b"x_user_id",
            b"X.User.Id",
            b"X-User_Id",
            b"X!User~Id",
        ),
        *(b"X-Client-Id", b"X_CLIENT_ID", b"X-Token-Scopes", b"x_token.scopes", b"X|Token|Scopes"),
        *(b"X-Gateway-Assertion", b"x_gateway_assertion", b"X.Gateway.Anything", b"X-GATEWAY-", b"X_Gateway_X_Y"),
        *(b"Proxy", b"proxy", b"PROXY"),
        *(b"Authorization", b"AUTHORIZATION", b"Proxy-Authorization", b"Proxy_Authorization", b"Proxy-Connection"),
        *(b"Connection", b"Keep-Alive", b"Keep_Alive", b"TE", b"Trailer", b"Transfer-Encoding", b"Transfer_Encoding"),
        *(
            b"Upgrade",
            b"Content-Length",
            b"Content_Length",
            b"content.length",
            b"Expect",
            b"X_Request_Id",
            b"X.Request.Id",
        ),
    ],
)
@pytest.mark.parametrize("trusted", [True, False])
def test_a_name_that_is_ours_is_stripped_in_every_spelling(name: bytes, *, trusted: bool) -> None:
    assert kept((name, b"forged"), (name.swapcase(), b"forged"), trusted=trusted) == ()


def test_configured_identity_headers_are_stripped_and_the_default_ones_too() -> None:
    configured = config(identity_headers={"X-Roles": "roles", "Remote.User": IdentityHeader(claim="sub")})
    for name in (b"X-Roles", b"x_roles", b"REMOTE_USER", b"Remote-User", b"remote.user", b"X-User-Id", b"X_Client_Id"):
        assert kept((name, b"forged"), configured=configured) == ()


def test_the_header_of_the_assertion_is_stripped_whatever_its_name() -> None:
    configured = config(assertion=AssertionSection(issuer="g", header="X-Proof"))
    for name in (b"X-Proof", b"x_proof", b"X.PROOF", b"X-Gateway-Assertion"):
        assert kept((name, b"forged"), configured=configured) == ()


def test_an_identity_header_is_stripped_also_when_the_token_has_no_value_for_it() -> None:
    composed = compose(HOST, (b"X-User-Id", b"root"), identity=((b"X-Client-Id", b"app"),))
    assert composed == (HOST, *ADDED, (b"X-Client-Id", b"app"))


def test_identity_is_inserted_once_and_after_all_of_the_clients() -> None:
    composed = compose(
        HOST,
        (b"X-User-Id", b"root"),
        (b"x_user_id", b"root"),
        (b"Accept", b"*/*"),
        identity=((b"X-User-Id", b"alice"), (b"X-Role", b"a"), (b"X-Role", b"b")),
    )
    assert composed == (
        HOST,
        (b"Accept", b"*/*"),
        *ADDED,
        (b"X-User-Id", b"alice"),
        (b"X-Role", b"a"),
        (b"X-Role", b"b"),
    )


# Kept


def test_everything_else_is_kept_byte_for_byte_in_order() -> None:
    lines: tuple[HeaderLine, ...] = (
        (b"accept", b"text/html, */*;q=0.1"),
        (b"COOKIE", b"a=1; b=\xe4\xf6\xfc"),
        (b"X-Repeated", b"1"),
        (b"x-Repeated", b""),
        (b"X-Repeated", b"1"),
        (b"Accept-Encoding", b"gzip,, br"),
        (b"Content-Type", b"application/json"),
        (b"Content-Encoding", b"gzip"),
        (b"If-Match", b'"\xff\x80"'),
        (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        (b"X-User-Identity", b"not ours"),
        (b"X-User", b"not ours"),
        (b"XUserId", b"not ours"),
        (b"X-Gateway", b"not ours"),
        (b"Via", b"1.1 client"),
        (b"X_Custom.Name", b"odd"),
        (b"Sec-WebSocket-Key", b"abc=="),
    )
    assert kept(*lines) == lines


# Connection


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([b"close"], {b"close"}),
        ([b"keep-alive, X-Custom"], {b"keep-alive", b"x-custom"}),
        ([b" x-a ,\tX-B\t,, ,"], {b"x-a", b"x-b"}),
        ([b"X-A", b"x-b"], {b"x-a", b"x-b"}),
        ([b"Host, Cookie, Authorization, X-Request-Id"], set()),
        ([b"Content-Type, content-length, Content-Anything"], set()),
        ([b"X-Forwarded-For, X-Forwarded, Forwarded, X-Real-IP, X-Forwarded-Whatever"], set()),
        ([b"X-Gateway-Assertion"], set()),
        ([b""], set()),
        ([], set()),
    ],
)
def test_connection_nominates_what_is_not_protected(values: list[bytes], names: set[bytes]) -> None:
    lines = [(b"Connection", value) for value in values]
    assert nominated([*lines, (b"X-Connection", b"x-other")]) == names
    assert nominated([(b"CONNECTION", value) for value in values]) == names


def test_a_nominated_header_is_dropped_and_others_are_not() -> None:
    lines = ((b"Connection", b"close, X-Hop"), (b"x-HOP", b"1"), (b"X-Hop-Not", b"2"), (b"X_Hop", b"3"))
    assert kept(*lines) == ((b"X-Hop-Not", b"2"), (b"X_Hop", b"3"))


def test_a_client_cannot_nominate_away_what_the_gateway_adds() -> None:
    """CVE-2024-45410."""
    everything = b"X-User-Id, X-Client-Id, X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, X-Request-Id, Host"
    identity = ((b"X-User-Id", b"alice"), (b"X-Client-Id", b"app"))
    assert compose(HOST, (b"Connection", everything), identity=identity) == (HOST, *ADDED, *identity)


def test_a_client_cannot_nominate_away_what_protects_the_upstream() -> None:
    lines = ((b"Cookie", b"a=1"), (b"Content-Type", b"text/plain"))
    assert kept((b"Connection", b"cookie, content-type"), *lines) == lines


# Forwarding


@pytest.mark.parametrize(
    "name",
    [
        *(b"X-Forwarded-For", b"x-forwarded-proto", b"X-FORWARDED-HOST", b"X-Forwarded-Port", b"X-Forwarded-Prefix"),
        *(b"X-Forwarded", b"Forwarded", b"X-Real-IP", b"X_Forwarded_For", b"x_real_ip", b"X-Forwarded-Anything"),
        *(b"X-Forwarded-Client-Cert", b"X.Forwarded.Uri", b"X-Forwarded-Tls-Client-Cert-Info", b"Client_Cert"),
        *(b"Client-Cert", b"client-cert-chain", b"X-Client-Cert-Hash", b"X_SSL_CLIENT_CERT", b"Ssl-Client-Verify"),
        *(b"x-amzn-mtls-clientcert-leaf", b"Cf-Client-Cert-Der-Base64"),
    ],
)
def test_forwarding_headers_of_an_untrusted_peer_are_dropped(name: bytes) -> None:
    assert compose(HOST, (name, b"10.0.0.1")) == (HOST, *ADDED)
    said: list[str] = []
    notice = ForwardingNotice(said.append)
    notice.look(facts(HOST, (name, b"10.0.0.1"), trusted=True))
    assert said == []
    for _ in range(2):
        notice.look(facts(HOST, (name, b"10.0.0.1")))
    (sentence,) = said
    assert sentence.endswith("configure trusted_proxies: [192.0.2.1]")


def test_a_request_without_forwarding_headers_drops_none() -> None:
    said: list[str] = []
    notice, request = ForwardingNotice(said.append), facts(HOST, (b"X-Real", b"1"), (b"XForwardedFor", b"1"))
    for _ in range(2):
        notice.look(request)
    assert said == []


def test_forwarding_headers_of_a_trusted_peer_are_believed() -> None:
    composed = compose(
        HOST,
        (b"X-Forwarded-For", b"198.51.100.7"),
        (b"x-forwarded-for", b"198.51.100.8, 198.51.100.9"),
        (b"X-Forwarded-Proto", b"http"),
        (b"X-Forwarded-Host", b"www.example.com"),
        (b"X-Forwarded-Port", b"8443"),
        (b"Forwarded", b"for=198.51.100.7"),
        (b"X-Real-IP", b"198.51.100.7"),
        trusted=True,
    )
    assert composed == (
        HOST,
        (b"X-Forwarded-Port", b"8443"),
        (b"Forwarded", b"for=198.51.100.7"),
        (b"X-Real-IP", b"198.51.100.7"),
        (b"X-Forwarded-For", b"198.51.100.7, 198.51.100.8, 198.51.100.9, 192.0.2.1"),
        (b"X-Forwarded-Proto", b"http"),
        (b"X-Forwarded-Host", b"www.example.com"),
        (b"X-Request-Id", b"r1"),
    )


@pytest.mark.parametrize(
    "name", [b"X_Forwarded_For", b"x.forwarded-proto", b"X-Forwarded_Host", b"x_real_ip", b"X_Forwarded_Port"]
)
def test_an_odd_spelling_is_dropped_also_from_a_trusted_peer(name: bytes) -> None:
    assert compose(HOST, (name, b"evil"), trusted=True) == (HOST, *ADDED)


CERTIFICATES = (
    (b"Client-Cert", b":MII=:"),
    (b"X-Forwarded-Client-Cert", b"Hash=00"),
    (b"ssl-client-verify", b"SUCCESS"),
    (b"X-My-Certificate", b"MII"),
)


def test_certificates_pass_from_a_trusted_peer_unless_they_are_read_here() -> None:
    odd = ((b"Client_Cert", b"a"), (b"x_my_certificate", b"a"))
    assert kept(*CERTIFICATES, *odd, trusted=True) == (*CERTIFICATES, odd[1])
    assert kept(*CERTIFICATES, *odd) == (CERTIFICATES[3], odd[1])
    for read in CERTIFICATES:
        header = ClientCertificateHeader(name=read[0].decode().title(), format="pem")
        configured = config(client_certificate_header=header, trusted_proxies=("10.0.0.0/8",))
        for preflight in (True, False):
            left = kept(*CERTIFICATES, *odd, trusted=True, configured=configured, preflight=preflight)
            assert set(left) & {read, odd[0]} == set()
            assert set(left) >= set(CERTIFICATES) - {read}
            mine = {CERTIFICATES[3], odd[1]}
            expected = set() if read is CERTIFICATES[3] else mine
            assert set(kept(*CERTIFICATES, *odd, configured=configured, preflight=preflight)) == expected


def test_a_trusted_peer_that_sends_none_gets_the_same_as_any_other() -> None:
    assert compose(HOST, trusted=True) == (HOST, *ADDED)


def test_a_unix_peer_has_no_address_to_add() -> None:
    without_for = tuple(line for line in ADDED if line[0] != b"X-Forwarded-For")
    assert compose(HOST, peer="unix") == (HOST, *without_for)
    composed = compose(HOST, (b"X-Forwarded-For", b"198.51.100.7"), peer="unix", trusted=True)
    assert (b"X-Forwarded-For", b"198.51.100.7") in composed


def test_an_ipv6_peer_is_added_as_it_is() -> None:
    assert (b"X-Forwarded-For", b"2001:db8::1") in compose(HOST, peer="2001:db8::1")
    assert (b"X-Forwarded-Proto", b"http") in compose(HOST, scheme="http")


# Host, Via, X-Request-Id


def test_the_authority_of_the_target_replaces_the_host_header() -> None:
    composed = compose((b"Accept", b"*/*"), (b"hOST", b"other.example"), host=b"api.example.com")
    assert composed == ((b"Accept", b"*/*"), (b"hOST", b"api.example.com"), *ADDED)


def test_a_host_that_was_only_in_the_target_comes_first() -> None:
    assert compose((b"Accept", b"*/*")) == (HOST, (b"Accept", b"*/*"), *ADDED)


def test_only_one_host_goes_upstream() -> None:
    assert compose(HOST, (b"HOST", b"evil.example")) == (HOST, *ADDED)


def test_without_a_host_none_is_invented() -> None:
    composed = compose((b"Accept", b"*/*"), host=None, version=(1, 0))
    assert [name for name, _ in composed] == [b"Accept", b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Request-Id"]


@pytest.mark.parametrize(("version", "value"), [((1, 1), b"1.1 bearer-gateway"), ((1, 0), b"1.0 bearer-gateway")])
def test_via_is_added_only_when_asked(version: tuple[int, int], value: bytes) -> None:
    client = (b"Via", b"1.1 client")
    assert compose(HOST, client, version=version) == (HOST, client, *ADDED)
    configured = config(via=True)
    assert compose(HOST, client, version=version, configured=configured) == (HOST, client, (b"Via", value), *ADDED)


def test_the_request_id_goes_upstream_once() -> None:
    composed = compose(HOST, (b"x-request-id", b"mine"), (b"X-Request-Id", b"mine"), request_id="r1")
    assert composed == (HOST, *ADDED)


@pytest.mark.parametrize(
    ("values", "parsed"),
    [
        ([b"abc"], "abc"),
        ([b"0af7651916cd43dd8448eb211c80319c"], "0af7651916cd43dd8448eb211c80319c"),
        ([b"A.b_C-9"], "A.b_C-9"),
        ([b"x" * 128], "x" * 128),
        ([b"x" * 129], None),
        ([b""], None),
        ([b"a b"], None),
        ([b"a\n"], None),
        ([b"a/b"], None),
        ([b"\xc3\xbc"], None),
        ([b"abc", b"abc"], None),
        ([], None),
    ],
)
def test_a_request_id_is_kept_when_it_is_one_well_formed_one(values: list[bytes], parsed: str | None) -> None:
    assert parse_request_id(iter(values)) == parsed


# Responses, folding


def test_of_a_response_everything_but_hop_by_hop_headers_is_kept() -> None:
    lines: list[HeaderLine] = [
        (b"server", b"nginx"),
        (b"Set-Cookie", b"a=1"),
        (b"Connection", b"close, X-Hop"),
        (b"x-hop", b"1"),
        (b"Set-Cookie", b"b=\xe4"),
        (b"Content-Length", b"7"),
        (b"Transfer-Encoding", b"chunked"),
        (b"KEEP-ALIVE", b"timeout=5"),
        (b"X-User-Id", b"the upstream may"),
        (b"X_Odd", b""),
    ]
    assert response_headers(iter(lines)) == [
        (b"server", b"nginx"),
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=\xe4"),
        (b"Content-Length", b"7"),
        (b"X-User-Id", b"the upstream may"),
        (b"X_Odd", b""),
    ]


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP))
def test_every_hop_by_hop_header_is_dropped_both_ways(name: bytes) -> None:
    assert kept((name.title(), b"1")) == ()
    assert response_headers([(name.title(), b"1")]) == []


def test_folding_is_what_the_loosest_upstream_does() -> None:
    assert fold(b"X_User.Id\x00\xe4!9") == b"x-user-id---9"
    assert {fold(bytes([byte])) for byte in range(256)} == {
        *(bytes([c]) for c in b"abcdefghijklmnopqrstuvwxyz0123456789-")
    }


# Routes: credentials, what overrides them, and what is stripped of the path

PUBLIC = RouteSection(path="/*", access="public")
KEEPS = config(
    upstreams={
        "kept": UpstreamSection(url="http://h", authorization="keep"),
        "dropped": UpstreamSection(url="http://h"),
    }
)


@pytest.mark.parametrize(
    ("route", "value", "passes"),
    [
        (EVERYTHING, b"Bearer abc", False),
        (EVERYTHING, b"Basic abc", False),
        (PUBLIC, b"Basic abc", True),
        (PUBLIC, b'Digest username="bearer"', True),
        (PUBLIC, b"Negotiate abc", True),
        (PUBLIC, b"", True),
        (PUBLIC, b"Bearer abc", False),
        (PUBLIC, b"bEARER abc", False),
        (PUBLIC, b" \tBearer abc", False),
        (PUBLIC, b"Bearer\tabc", False),
        (PUBLIC, b"DPoP abc", False),
        (PUBLIC, b"Basic abc, DPoP def", False),
        (RouteSection(path="/*", upstream="kept"), b"DPoP abc", True),
        (PUBLIC, b"Bearer", False),
        (PUBLIC, b"Bearer abc, Basic def", False),
        (RouteSection(path="/*", upstream="dropped"), b"Bearer abc", False),
        (RouteSection(path="/*", upstream="kept"), b"Bearer abc", True),
        (RouteSection(path="/*", upstream="kept"), b"Basic abc", True),
        (RouteSection(path="/*", upstream="kept", access="public"), b"Bearer abc", True),
        (RouteSection(path="/*", upstream="dropped", access="public"), b"Bearer abc", False),
        (RouteSection(path="/*", upstream="dropped", access="public"), b"Basic abc", True),
    ],
)
def test_the_token_goes_on_only_to_an_upstream_that_keeps_it_and_other_credentials_on_public_routes(
    route: RouteSection, value: bytes, *, passes: bool
) -> None:
    line = (b"aUTHORIZATION", value)
    assert kept(line, route=route, configured=KEEPS) == ((line,) if passes else ())


@pytest.mark.parametrize("route", [PUBLIC, RouteSection(path="/*", upstream="kept")])
def test_a_credential_in_another_spelling_of_the_name_never_goes_on(route: RouteSection) -> None:
    for name in (b"Proxy-Authorization", b"Proxy_Authorization", b"Author.ization"):
        assert kept((name, b"Basic abc"), route=route, configured=KEEPS) in ((), ((name, b"Basic abc"),))
    assert kept((b"Proxy_Authorization", b"Basic abc"), route=route, configured=KEEPS) == ()


@pytest.mark.parametrize(
    ("route", "preflight", "passes"),
    [
        (EVERYTHING, False, False),
        (PUBLIC, False, False),
        (RouteSection(path="/*", upstream="kept"), False, True),
        (RouteSection(path="/*", upstream="kept", access="public"), False, True),
        (RouteSection(path="/*", upstream="kept"), True, False),
    ],
)
def test_a_proof_of_possession_goes_where_its_token_goes(route: RouteSection, *, preflight: bool, passes: bool) -> None:
    line = (b"dPoP", b"e30.e30.")
    assert kept(line, route=route, configured=KEEPS, preflight=preflight) == ((line,) if passes else ())


def test_a_credential_that_goes_on_cannot_be_nominated_away() -> None:
    line = (b"Authorization", b"Basic abc")
    assert kept((b"Connection", b"authorization"), line, route=PUBLIC) == (line,)


OVERRIDING = [
    b"X-HTTP-Method-Override", b"X-HTTP-Method", b"X-Method-Override", b"X-Original-URL", b"X-Rewrite-URL",
    b"X-Original-URI", b"X-Original-Method", b"X-Envoy-Original-Path",
]  # fmt: skip


@pytest.mark.parametrize("name", OVERRIDING)
@pytest.mark.parametrize("trusted", [True, False])
def test_what_changes_method_or_path_behind_the_gateway_is_stripped_where_there_are_routes(
    name: bytes, *, trusted: bool
) -> None:
    spelled = [(one, b"/admin") for one in (name, name.lower(), name.replace(b"-", b"_"), name.replace(b"-", b"."))]
    routed = config(routes=(EVERYTHING,))
    assert kept(*spelled, configured=routed, trusted=trusted) == ()
    assert kept(*spelled, configured=routed, route=PUBLIC, trusted=trusted) == ()
    assert kept(*spelled, trusted=trusted) == tuple(spelled)
    passed = config(routes=(EVERYTHING,), pass_override_headers=True)
    assert kept(*spelled, configured=passed, trusted=trusted) == tuple(spelled)


def test_on_a_public_route_identity_headers_are_stripped_as_everywhere() -> None:
    lines = ((b"X-User-Id", b"root"), (b"x_client.id", b"root"), (b"X-Gateway-Assertion", b"root"), (b"Proxy", b"x"))
    for configured in (config(), config(identity_headers={}), config(routes=(PUBLIC,))):
        assert kept(*lines, route=PUBLIC, configured=configured) == ()


API = RouteSection(path="/api/*", strip_prefix="/api")


def prefix(
    *headers: HeaderLine, target: bytes = b"/api/orders?x", route: RouteSection = API, **settings: Any
) -> list[bytes]:
    composed = compose(HOST, *headers, target=target, route=route, **settings)
    return [value for name, value in composed if name == b"X-Forwarded-Prefix"]


def test_the_upstream_is_told_which_prefix_it_does_not_see() -> None:
    assert prefix() == [b"/api"]
    assert prefix(target=b"/%61pi") == [b"/%61pi"]
    assert prefix(route=EVERYTHING) == []
    assert prefix(route=RouteSection(path="/api/v1/*", strip_prefix="/api/v1"), target=b"/api/v1/a") == [b"/api/v1"]


def test_a_prefix_of_the_client_counts_only_from_a_trusted_peer() -> None:
    received = (b"x-forwarded-prefix", b"/outer")
    assert prefix(received) == [b"/api"]
    assert prefix(received, trusted=True) == [b"/outer/api"]
    assert prefix(received, trusted=True, route=EVERYTHING) == [b"/outer"]
    assert prefix((b"X_Forwarded_Prefix", b"/outer"), trusted=True) == [b"/api"]
    assert compose(HOST, received, trusted=True) == (HOST, *ADDED[:3], (b"X-Forwarded-Prefix", b"/outer"), ADDED[3])


def test_a_preflight_goes_up_without_credential_identity_and_override() -> None:
    configured = config(
        routes=(EVERYTHING,),
        pass_override_headers=True,
        upstreams={"default": UpstreamSection(url="http://u", authorization="keep")},
    )
    asked = ((b"Origin", b"https://app.example.com"), (b"Access-Control-Request-Method", b"PUT"))
    tricks = (
        (b"Authorization", b"Basic eDp5"),
        (b"X-User-Id", b"root"),
        (b"X_HTTP_Method_Override", b"DELETE"),
        (b"X-Original-URL", b"/admin"),
    )
    public = RouteSection(path="/*", access="public")
    for route in (EVERYTHING, public):
        assert kept(*asked, *tricks, configured=configured, route=route, preflight=True) == asked
        assert kept(*asked, *tricks[2:], route=route, preflight=True) == asked
    assert kept(*tricks[2:]) == tricks[2:]


def test_what_makes_a_preflight_cannot_be_nominated_away() -> None:
    lines = ((b"Connection", b"Origin, Access-Control-Request-Method, X-Gone"),)
    assert nominated(lines) == {b"x-gone"}


# What upstreams have of their own

TOKEN, KEY = Secret(file="/run/token"), Secret(env="KEY")
SECRETS = {TOKEN: "geheim", KEY: "schlüssel"}
OWN = config(
    upstreams={
        "bearer": UpstreamSection(
            url="http://h", authorization=UpstreamCredential(bearer=TOKEN), headers={"X-Api_Key": KEY}
        ),
        "basic": UpstreamSection(
            url="http://h", authorization=UpstreamCredential(basic=BasicCredential(user="a", password=TOKEN))
        ),
        "tenant": UpstreamSection(url="http://h", headers={"X-Tenant": "blue", "x-Colour": "b"}),
        "kept": UpstreamSection(url="http://h", authorization="keep"),
    }
)
BEARER = (b"Authorization", b"Bearer geheim")
API_KEY = (b"X-Api_Key", "schlüssel".encode())


@pytest.mark.parametrize("access", ["token", "public"])
@pytest.mark.parametrize("preflight", [True, False])
@pytest.mark.parametrize("value", [b"Bearer client", b"Basic Y2xpZW50", b"Negotiate client"])
def test_the_credential_of_the_gateway_always_replaces_that_of_the_client(
    access: Any, value: bytes, *, preflight: bool
) -> None:
    lines = ((b"Authorization", value), (b"AUTHORIZATION", value), (b"X_Api.Key", b"client"))
    for upstream, own in (("bearer", (BEARER, API_KEY)), ("basic", ((b"Authorization", b"Basic YTpnZWhlaW0="),))):
        route = RouteSection(path="/*", upstream=upstream, access=access)
        composed = compose(HOST, *lines, configured=OWN, secrets=SECRETS, route=route, preflight=preflight)
        assert composed == (HOST, *ADDED, *own)


def test_what_an_upstream_has_of_its_own_stands_behind_identity_and_cannot_be_nominated_away() -> None:
    lines = ((b"Connection", b"X-Api_Key, Authorization, X-Tenant"), (b"Accept", b"*/*"))
    identity = ((b"X-User-Id", b"alice"),)
    route = RouteSection(path="/*", upstream="bearer")
    composed = compose(HOST, *lines, configured=OWN, secrets=SECRETS, route=route, identity=identity)
    assert composed == (HOST, lines[1], *ADDED, *identity, BEARER, API_KEY)


@pytest.mark.parametrize("upstream", ["bearer", "basic", "tenant", "kept", "default"])
def test_a_name_that_any_upstream_could_be_given_is_stripped_for_all_of_them(upstream: str) -> None:
    lines = [(name, b"forged") for name in (b"X-Api-Key", b"x_api_key", b"X-TENANT", b"X.Tenant", b"X-Colour")]
    route = RouteSection(path="/*", upstream=upstream, access="public")
    composed = compose(HOST, *lines, configured=OWN, secrets=SECRETS, route=route)
    assert b"forged" not in [value for _, value in composed]
    assert kept(*lines) == tuple(lines)


def test_other_upstreams_get_nothing_of_it() -> None:
    line = (b"Authorization", b"Bearer client")
    assert kept(line, configured=OWN, secrets=SECRETS) == ()
    assert kept(line, configured=OWN, secrets=SECRETS, route=RouteSection(path="/*", upstream="kept")) == (line,)
    assert kept(line, configured=OWN, secrets=SECRETS, route=RouteSection(path="/*", upstream="tenant")) == (
        (b"X-Tenant", b"blue"),
        (b"x-Colour", b"b"),
    )


def test_without_its_secret_nothing_is_compiled() -> None:
    with pytest.raises(KeyError):
        UpstreamHeaders.of(OWN, secrets={KEY: "a"})


def test_a_secret_is_in_no_representation() -> None:
    shown = repr(UpstreamHeaders.of(OWN, secrets=SECRETS))
    assert "geheim" not in shown
    assert "schl" not in shown


def test_an_expectation_goes_on_only_when_the_client_waits_for_it() -> None:
    line = (b"expect", b"100-continue")
    assert kept(line, expects_continue=True) == (line,)
    assert kept(line, expects_continue=False) == ()
    assert kept((b"Connection", b"close, Authorization"), line, expects_continue=True) == (line,)


# What a name means is remembered


def test_a_name_means_the_same_the_second_time_and_in_another_place() -> None:
    compiled = UpstreamHeaders.of(config())
    route = compile_route(EVERYTHING)
    lines = (HOST, (b"X-Forwarded-Port", b"1"), (b"X-HTTP-Method", b"PUT"), (b"X-User-Id", b"root"), (b"A", b"b"))
    untrusted = (HOST, lines[2], lines[4], *ADDED)
    trusted = (HOST, *lines[1:3], lines[4], *ADDED)
    for _ in range(2):
        assert compiled.compose(facts(*lines), (), route=route).headers == untrusted
        assert compiled.compose(facts(*lines, trusted=True), (), route=route).headers == trusted
        assert compiled.compose(facts(*lines), (), route=route, preflight=True).headers == (HOST, lines[4], *ADDED)


def test_a_line_that_comes_again_is_judged_by_the_rules_that_hold_then() -> None:
    route = compile_route(EVERYTHING)
    line = (b"X-Tenant", b"forged")
    lines = tuple(FieldLine(name, value) for name, value in (HOST, line, (b"X-Forwarded-Port", b"1")))
    kept = UpstreamHeaders.of(config())
    ours = UpstreamHeaders.of(config(identity_headers={"X-Tenant": IdentityHeader(claim="tenant")}))
    for _ in range(2):
        for trusted, passes in ((False, ()), (True, (lines[2].pair,))):
            request = facts(headers=None, lines=lines, trusted=trusted)
            assert kept.compose(request, (), route=route).headers == (HOST, line, *passes, *ADDED)
            for _ in range(2):
                assert ours.compose(request, (), route=route).headers == (HOST, *passes, *ADDED)
            assert kept.with_own({}).compose(request, (), route=route).headers == (HOST, line, *passes, *ADDED)


def test_connection_options_nominate_no_header_and_what_stands_beside_them_does() -> None:
    line = (b"X-Hop", b"1")
    for options in (b"keep-alive", b"close", b"Keep-Alive", b"Upgrade"):
        assert kept((b"Connection", options), line) == (line,)
        assert kept((b"Connection", options + b", x-hop"), line) == ()
        assert kept((b"Connection", options), (b"connection", b"x-hop"), line) == ()
        assert kept((b"Connection", b"x-hop"), (b"connection", options), line) == ()
        assert response_headers([(b"Connection", options), line]) == [line]
        assert response_headers([(b"Connection", b"x-hop"), (b"Connection", options), line]) == []
    assert kept((b"Connection", b"host"), line) == (line,)
    assert response_headers([(b"Connection", b"cookie"), line]) == [line]


def test_a_secret_that_was_replaced_changes_the_lines_of_ours_and_nothing_else() -> None:
    before = UpstreamHeaders.of(OWN, secrets=SECRETS)
    after = before.with_own(own_lines(OWN, dict.fromkeys(SECRETS, "neu")))
    route = compile_route(RouteSection(path="/*", upstream="bearer"))
    lines = after.compose(facts(HOST), (), route=route).headers
    assert lines == (HOST, *ADDED, (b"Authorization", b"Bearer neu"), (b"X-Api_Key", b"neu"))
    assert before.compose(facts(HOST), (), route=route).headers == (HOST, *ADDED, BEARER, API_KEY)


@pytest.mark.parametrize("trusted", [False, True])
def test_what_of_the_clients_lines_goes_on_as_it_is_can_be_asked(*, trusted: bool) -> None:
    lines = (
        (b"Host", b"api.example.com"),
        (b"X-One", b"a"),
        (b"Authorization", b"Bearer x"),
        (b"X-Forwarded-For", b"192.0.2.9"),
        (b"x_user_id", b"root"),
        (b"X-Two", b"b"),
    )
    compiled = UpstreamHeaders.of(config())
    told = [b"X-One", b"X-Forwarded-For", b"X-Two"] if trusted else [b"X-One", b"X-Two"]
    assert [name for name, _ in compiled.passing(facts(*lines, trusted=trusted))] == told
    named = facts(*lines, (b"Connection", b"X-Two"), trusted=trusted)
    assert [name for name, _ in compiled.passing(named)] == told[:-1]


@pytest.mark.parametrize("trusted", [True, False])
def test_where_requests_are_traced_the_trace_is_ours(*, trusted: bool) -> None:
    lines = ((b"TraceParent", b"theirs"), (b"tracestate", b"a=1"), (b"baggage", b"b=2"))
    ours = (b"traceparent", b"ours")
    traced = config(tracing=TracingSection(endpoint="https://c.example"))
    assert kept(*lines, identity=(ours,), configured=traced, trusted=trusted) == (*lines[1:], ours)
    assert kept(*lines, trusted=trusted) == lines
