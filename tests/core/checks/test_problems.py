from typing import Any

import pytest

from gateway.core.checks.problems import notes, problems, warnings
from gateway.core.config.conversion import convert
from gateway.core.config.file import Config
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.issuers import Issuer
from gateway.core.config.limits import Limits
from gateway.core.config.log import Log
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from gateway.core.config.upstreams import UpstreamSection, UpstreamTls


def a_config(**rest: Any) -> Config:
    return Config(
        **{"upstream": "http://127.0.0.1:3000", "issuers": (Issuer(issuer="https://i.example", audience="a"),), **rest}
    )


def told(**rest: Any) -> list[str]:
    return [str(problem) for problem in problems(a_config(**rest))]


def test_a_sound_configuration_has_neither_problems_nor_warnings() -> None:
    assert told() == []
    assert warnings(a_config()) == []
    assert notes(a_config()) == []


def test_what_the_provider_needs_is_a_note_and_no_warning() -> None:
    config = a_config(issuers=(Issuer(issuer="https://i.example/realms/a", audience="a", preset="keycloak"),))
    assert warnings(config) == []
    assert [note.path for note in notes(config)] == ["issuers[0].audience"]


def test_all_problems_are_told_at_once() -> None:
    config = a_config(
        listen="x",
        upstream="x",
        issuers=(),
        identity_headers={"Host": "sub"},
        trusted_proxies=("x",),
        limits=Limits(header_count=0),
        realm="",
    )
    assert [problem.path for problem in problems(config)] == [
        "listen", "upstream", "issuers", "identity_headers.Host", "trusted_proxies[0]", "limits.header_count", "realm",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("listen", "admin"),
    [
        (":8080", "127.0.0.1:8080"),
        ("0.0.0.0:8080", "[::]:8080"),
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("unix:/run/a", "unix:/run/a"),
    ],
)
def test_clients_and_metrics_cannot_share_an_address(listen: str, admin: str) -> None:
    assert told(listen=listen, admin=admin) == ["admin: must not be the address of listen: metrics are not for clients"]


@pytest.mark.parametrize(
    ("listen", "admin"),
    [
        (":0", ":0"),
        ("127.0.0.1:80", "127.0.0.2:80"),
        ("unix:/run/a", "unix:/run/b"),
        ("unix:/run/a", ":80"),
        (":80", ":81"),
    ],
)
def test_addresses_that_differ_are_sound(listen: str, admin: str) -> None:
    assert told(listen=listen, admin=admin) == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"decisions": ":8081", "trusted_proxies": ("10.0.0.0/8",)}, []),
        ({"decisions": "unix:/run/d", "trusted_proxies": ("unix",)}, []),
        ({"decisions": "x", "trusted_proxies": ("unix",)}, ["must be address:port"]),
        ({"decisions": ":8080", "trusted_proxies": ("::1",)}, ["must not be the address of listen"]),
        ({"decisions": ":8080", "listen": "x", "trusted_proxies": ("::1",)}, []),
        ({"decisions": "127.0.0.1:9090", "trusted_proxies": ("::1",)}, ["must not be the address of admin"]),
        ({"decisions": ":8081"}, ["needs the proxies' addresses in trusted_proxies: every question would be refused"]),
        ({"decisions": ":8081", "trusted_proxies": ("unix",)}, ["needs the proxies' addresses in trusted_proxies"]),
        ({"decisions": "unix:/run/d", "trusted_proxies": ("::1",)}, ["needs unix in trusted_proxies"]),
    ],
)
def test_decisions_have_an_address_of_their_own_and_somebody_who_may_ask(
    settings: dict[str, Any], expected: list[str]
) -> None:
    found = [sentence for sentence in told(**settings) if sentence.startswith("decisions: ")]
    assert len(found) == len(expected)
    assert all(sentence.startswith(f"decisions: {start}") for sentence, start in zip(found, expected, strict=True))


def test_decisions_join_repeated_lines_so_that_their_elements_must_be_encoded() -> None:
    headers = {"X-Roles": IdentityHeader(claim="roles", format="repeat", encoding="none"), "X-Name": "name"}
    assert told(identity_headers=headers) == []
    assert told(identity_headers=headers, decisions=":8081", trusted_proxies=("::1",)) == [
        "identity_headers.X-Roles.encoding: cannot be none with repeat and decisions, which join the lines with commas"
    ]


@pytest.mark.parametrize(
    ("upstream", "addresses", "key"),
    [
        ("http://127.0.0.1:8080", {}, "listen"),
        ("http://localhost:9090", {}, "admin"),
        ("http://0.0.0.0:8080", {}, "listen"),
        ("http://10.0.0.1:8080", {"listen": "10.0.0.1:8080"}, "listen"),
        ("unix:/run/a", {"listen": "unix:/run/a"}, "listen"),
    ],
)
def test_the_gateway_is_not_its_own_upstream(upstream: str, addresses: dict[str, str], key: str) -> None:
    assert told(upstream=upstream, **addresses) == [f"upstream: is this gateway itself: it is the address of {key}"]


@pytest.mark.parametrize(
    ("upstream", "addresses"),
    [
        ("http://api:8080", {}),
        ("http://127.0.0.1:8080", {"listen": "10.0.0.1:8080"}),
        ("unix:/run/a", {"listen": "unix:/run/b"}),
        ("unix:/run/a", {}),
    ],
)
def test_another_upstream_is_sound(upstream: str, addresses: dict[str, str]) -> None:
    assert told(upstream=upstream, **addresses) == []


@pytest.mark.parametrize(
    "proxy", ["10.0.0.0/8", "10.0.0.1", "10.0.0.1/32", "fd00::/8", "::1", "FD00:0::/8", "unix", "0.0.0.0/0"]
)
def test_a_trusted_proxy_is_a_cidr_or_unix(proxy: str) -> None:
    assert told(trusted_proxies=(proxy,)) == []


@pytest.mark.parametrize(
    "proxy",
    ["", "Unix", "proxy.example", "10.0.0.0/33", "10.0.0.0/255.0.0.0", "10.0.0.0/", "10.0.0", "fe80::%1/64", " ::1"],
)
def test_anything_else_is_no_trusted_proxy(proxy: str) -> None:
    assert told(trusted_proxies=(proxy,)) == ["trusted_proxies[0]: must be a CIDR such as 10.0.0.0/8, or unix"]


def test_a_cidr_with_host_bits_is_told_how_to_be_written() -> None:
    assert told(trusted_proxies=("unix", "10.0.0.1/8")) == [
        "trusted_proxies[1]: has bits set behind its prefix; write 10.0.0.0/8, or one address without prefix"
    ]


@pytest.mark.parametrize(("workers", "sound"), [(0, False), (-1, False), (1, True), (64, True), (65, False)])
def test_there_is_at_least_one_worker_and_not_any_number(workers: int, *, sound: bool) -> None:
    assert told(workers=workers) == ([] if sound else ["workers: must be from 1 to 64"])


@pytest.mark.parametrize("realm", ["", 'a"b', "a\\b", "ä", "a\n", "\x7f"])
def test_a_realm_is_printable_ascii_that_needs_no_escape(realm: str) -> None:
    assert told(realm=realm) == ['realm: must be printable ASCII, not empty, without " and \\']


def test_a_realm_may_have_blanks_and_brackets() -> None:
    assert told(realm="Orders [v2] ~ eu!") == []


def test_what_is_unsafe_or_odd_is_named() -> None:
    config = a_config(
        issuers=(Issuer(issuer="https://i", audience="a", allow_http=True),),
        trusted_proxies=("10.0.0.0/8", "::/0", "0.0.0.0/0"),
        limits=Limits(drain=25),  # type: ignore[arg-type]
        log=Log(subject="plain"),
        upstreams={"shop": UpstreamSection(url="https://shop", tls=UpstreamTls(allow_insecure=True))},
    )
    assert [problem.path for problem in warnings(config)] == [
        "upstreams.shop.tls.allow_insecure", "issuers[0].allow_http", "trusted_proxies[1]", "trusted_proxies[2]", "limits.drain", "log.subject",
    ]  # fmt: skip


LONG = UpstreamSection(url="http://127.0.0.1:4000")


@pytest.mark.parametrize(
    ("settings", "sentences"),
    [
        ({"upstreams": {"shop": LONG}}, []),
        ({"upstream": None, "upstreams": {"default": LONG}}, []),
        ({"upstream": None}, ["upstream: is required"]),
        ({"upstream": None, "upstreams": {"shop": LONG}}, ["upstream: is required beside upstreams: routes go there that name none; or call one of them default"]),
        ({"upstreams": {"default": LONG}}, ["upstreams.default: is given by upstream as well; one of them must go"]),
        ({"upstreams": {"shop": UpstreamSection(url="http://127.0.0.1:8080")}}, ["upstreams.shop.url: is this gateway itself: it is the address of listen"]),
        ({"upstreams": {"a.b": UpstreamSection(url="unix:/x", connect_timeout=Seconds(0), response_timeout=Seconds(0))}}, ["upstreams['a.b'].connect_timeout: must be more than 0", "upstreams['a.b'].response_timeout: must be more than 0"]),
    ],
)  # fmt: skip
def test_every_upstream_makes_sense_and_there_is_a_default_one(settings: dict[str, Any], sentences: list[str]) -> None:
    assert told(**settings) == sentences


def test_an_upstream_that_is_no_url_is_told_at_its_url() -> None:
    (sentence,) = told(upstreams={"shop": UpstreamSection(url="shop:80")})
    assert sentence.startswith("upstreams.shop.url: ")


def test_routes_are_judged_with_the_rest() -> None:
    assert told(routes=(RouteSection(path="a"),)) == ["routes[0].path: must begin with a slash"]
    assert [str(note) for note in warnings(a_config(routes=(RouteSection(path="/a", access="public"),)))] == [
        "routes[0].access: is public: anybody may call it"
    ]


def test_claims_of_a_route_that_cannot_be_read_are_told_and_the_other_rules_are_still_asked() -> None:
    values = {"upstream": "http://h:1", "issuers": [{"issuer": "https://i", "audience": "a"}]}
    conversion = convert({**values, "routes": [{"path": "/a", "claims": 5}]})
    assert [problem for problem in problems(conversion.config) if conversion.is_readable(problem.path)] == []
