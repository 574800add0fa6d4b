import math
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.checks.problems import problems, warnings
from gateway.core.config.conversion import convert
from gateway.core.config.file import Config
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.issuers import Issuer
from gateway.core.config.limits import Limits
from gateway.core.config.log import Log
from gateway.core.config.routes import RouteSection
from gateway.core.config.secret import Secret
from gateway.core.config.section import Seconds
from gateway.core.config.upstreams import BasicCredential, UpstreamCredential, UpstreamSection, UpstreamTls

SMALLEST = {"upstream": "http://h:1", "issuers": [{"issuer": "https://i", "audience": "a"}]}


def told(values: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in convert(values).problems]


def test_the_smallest_file_is_an_upstream_and_an_issuer_with_its_audience() -> None:
    conversion = convert(SMALLEST)
    assert conversion.problems == ()
    assert conversion.config == Config(upstream="http://h:1", issuers=(Issuer(issuer="https://i", audience="a"),))


def test_every_key_is_read() -> None:
    values = {
        "upstream": "https://api",
        "listen": ":1",
        "admin": ":2",
        "issuers": [
            {
                "issuer": "i", "audience": ["a", "b"], "name": "n", "preset": "okta", "algorithms": ["ES256"], "leeway": "1m",
                "max_lifetime": "1h", "require_typ": True, "allow_unclassified": True, "audience_claims": ["client_id"],
                "clients": ["c"], "scope_claims": ["s"], "discovery_url": "d", "jwks_url": "u", "jwks_file": "f",
                "jwks_refresh": "30s", "jwks_max_stale": 60, "ca_file": "ca", "allow_http": True,
            },
            {"issuer": "j", "audience": "a", "max_lifetime": None, "name": None},
        ],
        "identity_headers": {
            "X-A": "sub",
            "X-B": ["realm_access", "roles"],
            "X-C": {"from": "client", "format": "csv", "encoding": "none", "required": True, "max_bytes": "1KiB", "too_large": "omit"},
            "X-D": {"claims": "all", "format": "json", "encoding": "base64url"},
            "X-E": {"claim": ["a", "b"]},
        },
        "upstreams": {
            "shop": {"url": "http://shop", "connect_timeout": "1s", "response_timeout": 5, "host": "upstream", "authorization": "keep"},
        },
        "routes": [
            {
                "path": "/orders/*", "methods": ["GET"], "hosts": ["api.example"], "access": "token", "scopes": ["r"],
                "any_scope": ["a", "b"], "clients": ["c"], "issuers": ["n"], "name": "orders", "upstream": "shop",
                "claims": {"a": "x", "b": 1, "c": 1.5, "d": True, "/e/f": ["x", 1, 1.5, False]},
                "strip_prefix": "/orders", "timeout": "5s", "mode": "report", "log": "refused",
            },
            {"path": "/", "access": "public", "timeout": None, "strip_prefix": None, "name": None},
        ],
        "unmatched": "refuse",
        "unmatched_methods": "token",
        "path_case": "insensitive",
        "ambiguous_paths": "allow",
        "pass_override_headers": True,
        "trusted_proxies": ["10.0.0.0/8", "unix"],
        "readiness": "all",
        "limits": {
            "header_bytes": "64KiB", "header_count": 50, "uri_bytes": 1024, "token_bytes": "8KiB", "header_timeout": "5s",
            "keepalive": 30.5, "connections": 10, "tunnels": 5, "drain_delay": "0s", "drain": "1m",
        },
        "log": {"level": "debug", "format": "text", "access": "none", "subject": "off", "sample": 0.25, "blocked": "drop"},
        "realm": "orders",
        "via": True,
    }  # fmt: skip
    conversion = convert(values)
    assert conversion.problems == ()
    assert conversion.config == Config(
        upstream="https://api",
        listen=":1",
        admin=":2",
        issuers=(
            Issuer(
                issuer="i", audience=("a", "b"), name="n", preset="okta", algorithms=("ES256",), leeway=Seconds(60),
                max_lifetime=Seconds(3600), require_typ=True, allow_unclassified=True, audience_claims=("client_id",),
                clients=("c",), scope_claims=("s",), discovery_url="d", jwks_url="u", jwks_file="f",
                jwks_refresh=Seconds(30), jwks_max_stale=Seconds(60), ca_file="ca", allow_http=True,
            ),
            Issuer(issuer="j", audience="a"),
        ),
        identity_headers={
            "X-A": "sub",
            "X-B": ("realm_access", "roles"),
            "X-C": IdentityHeader(source="client", format="csv", encoding="none", required=True, max_bytes=1024, too_large="omit"),  # type: ignore[arg-type]
            "X-D": IdentityHeader(claims="all", format="json", encoding="base64url"),
            "X-E": IdentityHeader(claim=("a", "b")),
        },
        upstreams={
            "shop": UpstreamSection(
                url="http://shop", connect_timeout=Seconds(1), response_timeout=Seconds(5), host="upstream", authorization="keep"
            )
        },
        routes=(
            RouteSection(
                path="/orders/*", methods=("GET",), hosts=("api.example",), scopes=("r",), any_scope=("a", "b"),
                claims={"a": "x", "b": 1, "c": 1.5, "d": True, "/e/f": ("x", 1, 1.5, False)}, clients=("c",), issuers=("n",),
                name="orders", upstream="shop", strip_prefix="/orders", timeout=Seconds(5), mode="report", log="refused",
            ),
            RouteSection(path="/", access="public"),
        ),
        unmatched="refuse",
        unmatched_methods="token",
        path_case="insensitive",
        ambiguous_paths="allow",
        pass_override_headers=True,
        trusted_proxies=("10.0.0.0/8", "unix"),
        readiness="all",
        limits=Limits(header_bytes=65536, header_count=50, uri_bytes=1024, token_bytes=8192, header_timeout=5, keepalive=30.5, connections=10, tunnels=5, drain_delay=0, drain=60),  # type: ignore[arg-type]
        log=Log(level="debug", format="text", access="none", subject="off", sample=0.25, blocked="drop"),
        realm="orders",
        via=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"via": "yes"}, "via: must be true or false, not this text"),
        ({"via": 1}, "via: must be true or false, not 1"),
        ({"via": None}, "via: must be true or false, not null"),
        ({"realm": 5}, "realm: must be text, not 5 (put quotes around it)"),
        ({"realm": True}, "realm: must be text, not true (put quotes around it)"),
        ({"realm": math.inf}, "realm: must be text, not such a large number (put quotes around it)"),
        ({"realm": 10**5000}, "realm: must be text, not such a large number (put quotes around it)"),
        ({"realm": ["a"]}, "realm: must be text, not a list"),
        ({"realm": {}}, "realm: must be text, not a mapping"),
        ({"realm": "a\nb"}, "realm: must not have control characters"),
        ({"realm": "\udcff"}, "realm: must not have control characters"),
        ({"readiness": "some"}, "readiness: must be all or any, not this text"),
        ({"readiness": ["all"]}, "readiness: must be all or any, not a list"),
        ({"log": {"level": "INFO"}}, "log.level: must be debug, error, info or warning, not this text (did you mean info?)"),
        ({"log": "info"}, "log: must be a mapping of keys to values, not this text"),
        ({"limits": {"header_count": 1.5}}, "limits.header_count: must be a whole number, not 1.5"),
        ({"limits": {"header_count": True}}, "limits.header_count: must be a whole number, not true"),
        ({"limits": {"drain": None}}, "limits.drain: must be a duration such as 30s, not null"),
        ({"limits": {"token_bytes": []}}, "limits.token_bytes: must be a size such as 16KiB, not a list"),
        ({"limits": {"drain": "-1s"}}, "limits.drain: must not be negative"),
        ({"limits": {"body_bytes": "much"}}, "limits.body_bytes: must be a size: one number with B, KiB, MiB or GiB, such as 16KiB, or a whole number of bytes"),
        ({"workers": "two"}, "workers: must be a whole number, not this text"),
        ({"sessions": 2}, "sessions: is not a key here"),
        ({"sessions": {}}, "sessions: is not a key here"),
        ({"routes": {}}, "routes: must be a list, not a mapping"),
        ({"routes": [5]}, "routes[0]: must be a mapping of keys to values, not 5"),
        ({"routes": [{}]}, "routes[0].path: is required"),
        ({"routes": [{"path": "/a", "acces": "public"}]}, "routes[0].acces: is not a key here (did you mean access?)"),
        ({"routes": [{"path": "/a", "access": "none"}]}, "routes[0].access: must be optional, public or token, not this text"),
        ({"routes": [{"path": "/a", "mode": "Report"}]}, "routes[0].mode: must be enforce or report, not this text (did you mean report?)"),
        ({"routes": [{"path": "/a", "methods": "GET"}]}, "routes[0].methods: must be a list, not this text"),
        ({"routes": [{"path": "/a", "scopes": [1]}]}, "routes[0].scopes[0]: must be text, not 1 (put quotes around it)"),
        ({"routes": [{"path": "/a", "claims": {"level": None}}]}, "routes[0].claims.level: must be text or a whole number or a number or true or false or a list or a mapping of keys to values, not null"),
        ({"routes": [{"path": "/a", "claims": {"level": {"keys_of": "a"}}}]}, "routes[0].claims.level.one_of: is required"),
        ({"routes": [{"path": "/a", "timeout": "soon"}]}, "routes[0].timeout: must be a duration: one number with ms, s, m or h, such as 30s, or a plain number of seconds"),
        ({"unmatched": "404"}, "unmatched: must be refuse or token, not this text"),
        ({"upstreams": {"shop": "http://shop"}}, "upstreams.shop: must be a mapping of keys to values, not this text"),
        ({"upstreams": {"shop": {"host": "preserve"}}}, "upstreams.shop.url: is required"),
        ({"upstreams": {"shop": {"url": "http://shop", "authorization": True}}}, "upstreams.shop.authorization: must be assertion, drop or keep or {bearer: SECRET}, {basic: {user: NAME, password: SECRET}}, {client_credentials: ...} or {exchange: ...}; what stands there is not shown"),
        ({"upstreams": {"shop": {"url": "http://shop", "tls": {"ca": "a"}}}}, "upstreams.shop.tls.ca: is not a key here"),
        ({"Realm": "a"}, "Realm: is not a key here (did you mean realm?)"),
        ({"trusted_proxies": "unix"}, "trusted_proxies: must be a list, not this text"),
        ({"trusted_proxies": ["unix", 5]}, "trusted_proxies[1]: must be text, not 5 (put quotes around it)"),
        ({"identity_headers": None}, "identity_headers: must be {} for no headers, or left out for the default ones; null is neither"),
        ({"identity_headers": ["sub"]}, "identity_headers: must be a mapping of names to values, not a list"),
        ({"identity_headers": {"X-A": 5}}, "identity_headers.X-A: must be text or a list or a mapping of keys to values, not 5 (put quotes around it)"),
        ({"identity_headers": {"X.A": {"from": "user"}}}, "identity_headers['X.A'].from: must be client, issuer, scopes or tenant, not this text"),
        ({"identity_headers": {"X-A": {"claims": "none"}}}, "identity_headers.X-A.claims: must be all, not this text"),
        ({"issuers": {}}, "issuers: must be a list, not a mapping"),
        ({"issuers": ["https://i"]}, "issuers[0]: must be a mapping of keys to values, not this text"),
        ({"issuers": [{"issuer": "https://i"}]}, "issuers[0].audience: is required"),
        ({"issuers": [{"issuer": "https://i", "audiance": "a"}]}, "issuers[0].audiance: is not a key here (did you mean audience?)"),
        ({"issuers": [{"issuer": "https://i", "audience": None}]}, "issuers[0].audience: must be text or a list, not null"),
    ],
)  # fmt: skip
def test_each_mistake_has_one_sentence_at_its_path(values: dict[str, Any], sentence: str) -> None:
    assert told({**SMALLEST, **values}) == [sentence]


@pytest.mark.parametrize("number", [300, 3e2])
def test_a_whole_number_may_be_written_with_an_exponent(number: float) -> None:
    """As Helm writes the large ones."""
    conversion = convert({**SMALLEST, "limits": {"connections": number, "body_bytes": number, "drain": number}})
    assert conversion.problems == ()
    limits = conversion.config.limits
    assert [repr(value) for value in (limits.connections, limits.body_bytes)] == ["300", "300"]


def test_false_is_off_where_that_is_a_word_that_a_key_takes() -> None:
    conversion = convert({**SMALLEST, "log": {"subject": False}})
    assert conversion.problems == ()
    assert conversion.config.log == Log(subject="off")
    assert convert({**SMALLEST, "via": False}).config.via is False
    assert told({**SMALLEST, "log": {"subject": True}}) == ["log.subject: must be hashed, off or plain, not true"]
    assert told({**SMALLEST, "log": {"access": False}}) == ["log.access: must be all, none or refused, not false"]


def test_every_word_of_yaml_1_1_is_found_again() -> None:
    class Switched(Config, frozen=True, kw_only=True):
        off: Literal["off", "auto"] | None = None
        no: Literal["no"] | None = None
        on: Literal["on"] | None = None
        yes: Literal["auto", "yes"] | None = None
        flag: bool | Literal["off"] = True

    read = convert({**SMALLEST, "off": False, "no": False, "on": True, "yes": True, "flag": False}, Switched).config
    assert isinstance(read, Switched)
    assert (read.off, read.no, read.on, read.yes, read.flag) == ("off", "no", "on", "yes", False)


@pytest.mark.parametrize("share", [0, 1, 0.5])
def test_a_number_may_be_whole(share: float) -> None:
    conversion = convert({**SMALLEST, "log": {"sample": share}})
    assert (conversion.problems, conversion.config.log.sample) == ((), share)
    assert told({**SMALLEST, "log": {"sample": "1"}}) == ["log.sample: must be a number, not this text"]
    assert told({**SMALLEST, "log": {"sample": True}}) == ["log.sample: must be a number, not true"]


SECRET = "hunter2"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"authorization": SECRET}, "authorization: must be assertion, drop or keep or {bearer: SECRET}, {basic: {user: NAME, password: SECRET}}, {client_credentials: ...} or {exchange: ...}"),
        ({"authorization": {"bearer": SECRET}}, "authorization.bearer: must be {file: PATH} or {env: NAME}"),
        ({"authorization": {"basic": f"a:{SECRET}"}}, "authorization.basic: must be {user: NAME, password: SECRET}"),
        ({"authorization": {"basic": {"user": "a", "password": SECRET}}}, "authorization.basic.password: must be {file: PATH} or {env: NAME}"),
        ({"headers": {"X-A": [SECRET]}}, "headers.X-A: must be text or {file: PATH} or {env: NAME}"),
    ],
)  # fmt: skip
def test_a_secret_that_stands_in_the_file_itself_is_a_problem_that_does_not_show_it(
    values: dict[str, Any], sentence: str
) -> None:
    shop = {"url": "http://shop", **values}
    conversion = convert({**SMALLEST, "upstreams": {"shop": shop}})
    assert [str(problem) for problem in conversion.problems] == [
        f"upstreams.shop.{sentence}; what stands there is not shown"
    ]
    assert SECRET not in repr(conversion)
    assert [problem for problem in problems(conversion.config) if conversion.is_readable(problem.path)] == []


@pytest.mark.parametrize("secret", [{SECRET: None}, {SECRET: 1, "other": 2}])
def test_a_secret_that_became_a_key_is_hidden_and_a_misspelt_key_is_not(secret: dict[str, Any]) -> None:
    shop = {"url": "http://shop", "authorization": {"bearer": secret}}
    conversion = convert({**SMALLEST, "upstreams": {"shop": shop}})
    where = "upstreams.shop.authorization.bearer"
    assert [str(problem) for problem in conversion.problems] == [
        f"{where}: must be {{file: PATH}} or {{env: NAME}}; what stands there is not shown"
    ]
    assert conversion.is_hidden(f"{where}.{SECRET}")
    assert not conversion.is_hidden(where)
    assert not conversion.is_hidden("upstreams.shop.url")
    misspelt = {"url": "http://shop", "authorization": {"bearer": {"fille": "/a"}}}
    assert told({**SMALLEST, "upstreams": {"shop": misspelt}}) == [
        f"{where}.fille: is not a key here (did you mean file?)"
    ]


def test_what_stands_in_something_unreadable_is_no_key_and_hidden() -> None:
    conversion = convert({**SMALLEST, "realm": {SECRET: 1}})
    assert conversion.is_hidden(f"realm.{SECRET}")
    assert not conversion.is_hidden("realm")


def test_a_private_key_that_stands_in_the_file_itself_is_not_shown_either() -> None:
    assert told({**SMALLEST, "assertion": {"issuer": "g", "key": SECRET}}) == [
        "assertion.key: must be {file: PATH}; what stands there is not shown"
    ]


@pytest.mark.parametrize(
    "values",
    [
        {"authorization": {"bearer": {"env": 5}}},
        {"authorization": {"bearer": {"file": 5}}},
        {"authorization": {"bearer": 5}},
        {"authorization": {"barer": 5}},
        {"authorization": {"basic": {"user": 5, "password": {"env": "A"}}}},
        {"authorization": {"basic": {"user": "a", "pasword": {"env": "A"}}}},
        {"tls": {"certificate": 5, "key": "a"}},
        {"tls": {"certificate": "a", "key": 5}},
        {"tls": {"certificate": "a", "key": "b"}, "url": 5},
        {"tls": 5},
    ],
)
def test_a_mistake_in_an_upstream_is_told_once(values: dict[str, Any]) -> None:
    conversion = convert({**SMALLEST, "upstreams": {"shop": {"url": "https://shop", **values}}})
    assert len(conversion.problems) == 1
    assert [problem for problem in problems(conversion.config) if conversion.is_readable(problem.path)] == []


def test_the_long_form_of_an_upstream_is_read_whole() -> None:
    values = {
        "url": "https://shop",
        "keepalive": "1m",
        "max_age": "10m",
        "max_connections": 8,
        "pool_timeout": "1s",
        "tls": {"ca_file": "ca", "certificate": "c", "key": "k", "server_name": "n"},
        "authorization": {"basic": {"user": "a", "password": {"env": "A"}}},
        "headers": {"X-A": "a", "X-B": {"file": "b"}},
    }
    assert convert({**SMALLEST, "upstreams": {"shop": values}}).config.upstreams["shop"] == UpstreamSection(
        url="https://shop",
        keepalive=Seconds(60),
        max_age=Seconds(600),
        max_connections=8,
        pool_timeout=Seconds(1),
        tls=UpstreamTls(ca_file="ca", certificate="c", key="k", server_name="n"),
        authorization=UpstreamCredential(basic=BasicCredential(user="a", password=Secret(env="A"))),
        headers={"X-A": "a", "X-B": Secret(file="b")},
    )


def test_all_mistakes_are_told_at_once() -> None:
    values = {
        "upstraem": "x",
        "listen": 5,
        "issuers": [{"issuer": 1, "audience": "a"}, 5],
        "limits": {"drain": "x", "z": 1},
    }
    assert [problem.path for problem in convert(values).problems] == [
        "upstraem", "issuers[0].issuer", "issuers[1]", "listen", "limits.z", "limits.drain",
    ]  # fmt: skip


def test_an_empty_file_lacks_issuers_and_whether_it_needs_an_upstream_is_no_question_of_form() -> None:
    assert told({}) == ["issuers: is required"]
    assert convert({}).config.upstream is None


def test_what_cannot_be_read_keeps_its_place_and_is_known_as_such() -> None:
    conversion = convert({**SMALLEST, "issuers": [5, {"issuer": "https://i", "audience": [1, "b"]}]})
    assert conversion.config.issuers[1].audience == ("unreadable", "b")
    assert not conversion.is_readable("issuers[0].audience")
    assert not conversion.is_readable("issuers[1].audience[0]")
    assert conversion.is_readable("issuers[1].audience[1]")
    assert conversion.is_readable("issuers[1].issuer")
    assert conversion.is_readable("realm")


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(["issuer", "audience", "claim", "drain"]), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


KEYS = ("upstream", "issuers", "identity_headers", "limits", "log", "realm", "x")


@pytest.mark.parametrize("key", KEYS)
@settings(max_examples=15)
@given(data=st.data())
def test_any_plain_values_become_a_config_and_sentences(key: str, data: st.DataObject) -> None:
    # One key is always there, the others now and then: together as many examples as one test has by default.
    others = {name: plain for name in KEYS if name != key}
    values: dict[str, Any] = data.draw(st.fixed_dictionaries({key: plain}, optional=others))
    conversion = convert(values)
    assert isinstance(conversion.config, Config)
    for problem in conversion.problems:
        assert not conversion.is_readable(problem.path)


def test_a_key_in_place_of_a_secret_is_hidden_with_all_that_is_in_it() -> None:
    values = {"a": {"url": "http://a", "headers": {"X-Key": {"sesame": {"open": 1}}, "X-Other": {"fil": "/run/s"}}}}
    conversion = convert({"issuers": [], "upstreams": values})
    path = "upstreams.a.headers.X-Key"
    assert [str(problem) for problem in conversion.problems] == [
        f"{path}: must be {{file: PATH}} or {{env: NAME}}; what stands there is not shown",
        "upstreams.a.headers.X-Other.fil: is not a key here (did you mean file?)",
    ]
    assert conversion.is_hidden(f"{path}.sesame")
    assert conversion.is_hidden(f"{path}.sesame.open")
    assert not conversion.is_hidden(path)


NO_VALUE = "has no value; the key is not shown, for it may be a secret: behind a key stand a colon and a blank"
UNSHOWN = "is not a key here, and not shown, for it may be a secret: behind a key stand a colon and a blank"


@pytest.mark.parametrize(
    ("values", "sentences"),
    [
        ({"identity_headers": {"X-A": "sub", f"X-Key {SECRET}": None}}, [f"identity_headers[key 2]: {NO_VALUE}"]),
        ({"identity_headers": {"X-A": None}}, ["identity_headers.X-A: must be text or a list or a mapping of keys to values, not null"]),
        ({"identity_headers": {f"X: {SECRET}": 5}}, ["identity_headers[key 1]: must be text or a list or a mapping of keys to values, not 5 (put quotes around it)"]),
        ({"identity_headers": {"X-A": {"claim": "sub", f"claim {SECRET}": None}}}, [f"identity_headers.X-A[key 2]: {UNSHOWN}"]),
        ({"routes": [{"path": "/a", "claims": {f"role {SECRET}": None}}]}, [f"routes[0].claims[key 1]: {NO_VALUE}"]),
        ({"routes": [{"path": "/a", f"name:{SECRET}": None}]}, [f"routes[0][key 2]: {UNSHOWN}"]),
        ({"upstreams": {f"shop {SECRET}": None}}, [f"upstreams[key 1]: {NO_VALUE}"]),
        ({"upstreams": {"a": {"url": "http://a", "headers": {f"X-Key {SECRET}": None}}}}, [f"upstreams.a.headers[key 1]: {NO_VALUE}"]),
        # As a whole it looks like the name of a header; without a value it is none, and values are secrets here.
        ({"upstreams": {"a": {"url": "http://a", "headers": {"X-A": "a", SECRET: None}}}}, [f"upstreams.a.headers[key 2]: {NO_VALUE}"]),
        ({"limits": {f"drain={SECRET}": None}}, [f"limits[key 1]: {UNSHOWN}"]),
        ({f"realm:{SECRET}": None}, [f"[key 3]: {UNSHOWN}"]),
        ({"identity_headers": None, f"realm:{SECRET}": None}, ["identity_headers: must be {} for no headers, or left out for the default ones; null is neither", f"[key 4]: {UNSHOWN}"]),
    ],
)  # fmt: skip
def test_what_no_key_looks_like_is_told_by_its_number(values: dict[str, Any], sentences: list[str]) -> None:
    conversion = convert({**SMALLEST, **values})
    assert [str(problem) for problem in conversion.problems] == sentences
    said = [*problems(conversion.config), *warnings(conversion.config)]
    assert [problem for problem in said if conversion.is_readable(problem.path)] == []


def test_a_member_whose_key_is_not_shown_is_hidden_where_it_has_no_value_and_else_told_of_by_its_number() -> None:
    headers = {"X-A": "a", SECRET: None, f"{SECRET} x": "b"}
    conversion = convert({**SMALLEST, "upstreams": {"a": {"url": "http://a", "headers": headers}}})
    assert conversion.is_hidden(f"upstreams.a.headers.{SECRET}")
    assert not conversion.is_hidden("upstreams.a.headers.X-A")
    told = [str(problem) for problem in problems(conversion.config) if conversion.is_readable(problem.path)]
    assert told == ["upstreams.a.headers[key 3]: is not a valid header name: letters, digits and hyphens are"]


def test_two_keys_in_place_of_a_secret_are_told_of_once() -> None:
    values = {"a": {"url": "http://a", "headers": {"X-Key": {"open": 1, "sesame": 2}}}}
    assert len(convert({"issuers": [], "upstreams": values}).problems) == 1
