"""Routes and policies, whatever the configuration and whatever comes: no way around a rule, and no slower for many."""

import gc
import statistics
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.core.checks.problems import problems
from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.errors import AmbiguousPath, MethodNotAllowed, NoRoute, Refusal
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.header_names import fold
from gateway.core.http.paths import parse_path
from gateway.core.routing.policy import check_policy
from gateway.core.routing.route import compile_route
from gateway.core.routing.table import RouteTable
from gateway.core.token.identity import Identity
from gateway.core.token.markers import Verdict
from gateway.core.upstream.headers import UpstreamHeaders
from tests.memory import facts
from tests.signer import issuer
from tests.values import changed

#: segments that look like one another, to one program or another
SEGMENTS = st.sampled_from(["a", "A", "b", "ab", "a b", "a+b", "\u00fc", "100%", "..a", "a.", "*", "~", "\u212a", "k"])
METHODS = ["GET", "HEAD", "POST", "DELETE", "OPTIONS"]
HOSTS = ["one.test", "two.test"]
SCOPES = ["r", "w", "x"]


def config(routes: list[RouteSection], **settings: Any) -> Config:
    return Config(upstream="http://127.0.0.1:1", issuers=(issuer(),), routes=tuple(routes), **settings)


def written(segments: list[str]) -> str:
    """A path in a configuration: what has a meaning there is escaped."""
    return "/" + "/".join(segment.replace("%", "%25").replace("*", "%2A") for segment in segments)


def subsets(words: list[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(words), unique=True, max_size=2).map(tuple)


ROUTES = st.lists(
    st.builds(
        lambda segments, below, **rest: RouteSection(
            path=written(segments).rstrip("/") + "/*" if below else written(segments), **rest
        ),
        # The Kelvin sign is for requests: `check` refuses it in a route where case is ignored.
        st.lists(SEGMENTS.filter(lambda segment: segment != "\u212a"), max_size=3),
        st.booleans(),
        methods=subsets(METHODS),
        hosts=subsets(HOSTS),
        access=st.sampled_from(["token", "token", "public"]),
    ),
    max_size=6,
).map(lambda routes: [RouteSection(**{**_fields(route), "name": f"r{n}"}) for n, route in enumerate(routes)])
SETTINGS = st.fixed_dictionaries(
    {
        "unmatched": st.sampled_from(["token", "refuse"]),
        "unmatched_methods": st.sampled_from(["token", "refuse", "next"]),
        "path_case": st.sampled_from(["sensitive", "insensitive"]),
        "ambiguous_paths": st.sampled_from(["refuse", "refuse", "allow"]),
    }
)
CONFIGS = st.builds(lambda routes, settings: config(routes, **settings), ROUTES, SETTINGS)
#: of these any wider route takes a method
REFUSING = CONFIGS.map(
    lambda made: config(list(made.routes), path_case=made.path_case, unmatched=made.unmatched, unmatched_methods="next")
)


def _fields(route: RouteSection) -> dict[str, Any]:
    return {name: getattr(route, name) for name in route.__struct_fields__}


#: whatever the parser lets through in a target: printable ASCII
ODD = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=12)
PIECES = st.sampled_from(
    ["/", "//", "a", "A", "b", "%61", "%2f", "%2F", ".", "..", "%2e", "%2E.", ";", "%3b", "\\", "%5c", "#", "%00", "%", "%25", "%2561", "%zz", "%c3%bc", "%ff", "%c0%ae", "%E2%84%AA", "k"]
)  # fmt: skip
PATHS = st.one_of(
    st.lists(SEGMENTS, max_size=4).map(written),
    ODD.map(lambda text: "/" + text),
    st.lists(PIECES, max_size=8).map(lambda pieces: "/" + "".join(pieces)),
).map(
    lambda text: b"".join(b"%%%02x" % byte if byte <= 0x20 or byte > 0x7E else bytes([byte]) for byte in text.encode())
)
#: segments as they are decoded, of which several spellings are drawn
DECODED = st.lists(
    st.one_of(SEGMENTS, st.text(st.characters(codec="utf-8", exclude_characters="/\\;"), max_size=4)), max_size=4
)
#: of the bytes of a path these may stand as they are; the rest only as escapes
PLAIN = frozenset(range(0x21, 0x7F)) - frozenset(b"%/?#;\\")


@st.composite
def spelled(draw: st.DrawFn, segments: list[str]) -> bytes:
    """The segments as a client may spell them: any byte as an escape, in either case, and perhaps a slash at the end."""
    made = b""
    ends_in_slash = draw(st.booleans())
    for segment in segments:
        made += b"/"
        for byte in segment.encode("utf-8"):
            how = draw(st.integers(0, 2))
            if byte in PLAIN and how:
                made += bytes([byte])
            else:
                made += (b"%%%02x" if how else b"%%%02X") % byte
    return (made or b"/") + (b"/" if segments and ends_in_slash else b"")


def outcome(table: RouteTable, request: Facts) -> str:
    """The name of the route, or the reason of one of the three refusals that there are."""
    try:
        return table.match(request).name
    except (AmbiguousPath, NoRoute, MethodNotAllowed) as refusal:
        return refusal.reason


# Matching


@given(CONFIGS, PATHS, st.sampled_from([*METHODS, "PROPFIND"]), st.sampled_from([None, *HOSTS, "three.test"]))
def test_every_request_has_one_route_or_one_of_three_refusals_and_always_the_same(
    configured: Config, target: bytes, method: str, host: str | None
) -> None:
    request = facts(target=target, method=method, host=None if host is None else host.encode())
    found = outcome(RouteTable(configured), request)
    assert outcome(RouteTable(configured), request) == found
    names = {route.name for route in configured.routes}
    assert found in names | {"default", AmbiguousPath.reason, NoRoute.reason, MethodNotAllowed.reason}
    assert found != NoRoute.reason or configured.unmatched == "refuse"
    assert found != MethodNotAllowed.reason or configured.unmatched_methods != "token"
    assert found != AmbiguousPath.reason or (configured.ambiguous_paths == "refuse" and configured.routes)


@given(REFUSING, PATHS, st.sampled_from(METHODS), st.sampled_from(HOSTS))
def test_order_is_the_only_tie_break(configured: Config, target: bytes, method: str, host: str) -> None:
    request = facts(target=target, method=method, host=host.encode())
    found = outcome(RouteTable(configured), request)
    assume(found != AmbiguousPath.reason)
    alone = [
        route.name
        for route in configured.routes
        if outcome(RouteTable(config([route], path_case=configured.path_case)), request) == route.name
    ]
    assert found == alone[0] if alone else found not in {route.name for route in configured.routes}
    if alone:
        assert len(RouteTable(configured).passed_over(request)) == [route.name for route in configured.routes].index(
            found
        )
        backwards = config(list(reversed(configured.routes)), path_case=configured.path_case)
        assert outcome(RouteTable(backwards), request) == alone[-1]


@given(REFUSING, DECODED, st.data(), st.sampled_from(METHODS), st.sampled_from(HOSTS))
def test_every_spelling_of_a_path_takes_the_same_route_or_is_refused(
    configured: Config, segments: list[str], data: st.DataObject, method: str, host: str
) -> None:
    assume(all(segments))
    table = RouteTable(configured)
    one, other = (facts(target=data.draw(spelled(segments)), method=method, host=host.encode()) for _ in range(2))
    assert unquote_to_bytes(one.target).rstrip(b"/") == unquote_to_bytes(other.target).rstrip(b"/")
    assert outcome(table, one) == outcome(table, other)


@given(REFUSING, PATHS, PATHS)
def test_paths_that_any_reader_takes_for_one_another_take_the_same_route_or_one_of_them_is_refused(
    configured: Config, one: bytes, other: bytes
) -> None:
    assume(configured.routes)
    table = RouteTable(configured)
    found = {target: outcome(table, facts(target=target)) for target in (one, other)}
    if AmbiguousPath.reason not in found.values() and loosest(one) == loosest(other):
        assert len(set(found.values())) == 1


def loosest(target: bytes) -> tuple[str, ...]:
    """As a careless program reads a path: decoded until nothing changes, empty and dot segments resolved."""
    path = target.partition(b"?")[0]
    while (decoded := unquote_to_bytes(path)) != path:
        path = decoded
    read: list[str] = []
    for part in path.replace(b"\\", b"/").split(b"/"):
        segment = part.partition(b";")[0].decode("utf-8", "replace")
        if segment == "..":
            read[-1:] = []
        elif segment not in ("", "."):
            read.append(segment)
    return tuple(read)


@given(PATHS)
def test_what_is_not_refused_is_read_alike_by_careful_and_careless_programs(target: bytes) -> None:
    assume(b"?" not in target)
    try:
        segments = parse_path(target)
    except AmbiguousPath:
        return
    assert segments == loosest(target)
    assert segments == tuple(unquote_to_bytes(part).decode() for part in target.strip(b"/").split(b"/") if part)


@given(
    REFUSING,
    PATHS,
    st.sampled_from(METHODS),
    st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=4),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20),
)
def test_only_method_path_and_host_choose_the_route(
    configured: Config, target: bytes, method: str, headers: list[HeaderLine], query: str
) -> None:
    table = RouteTable(configured)
    path = target.partition(b"?")[0]
    plain = facts(target=path, method=method, host=HOSTS[0].encode())
    tricks = [
        (name, b"/a")
        for name in (b"X-Original-URL", b"X-Rewrite-URL", b"X-Original-URI", b"X-Forwarded-Uri", b"X-Forwarded-Prefix")
    ]
    tricks += [
        (b"X-HTTP-Method-Override", b"DELETE"),
        (b"X-Forwarded-Host", HOSTS[1].encode()),
        (b"X-Forwarded-Method", b"GET"),
    ]
    adorned = changed(
        plain,
        target=path + b"?" + query.encode(),
        headers=(*plain.headers, *headers, *tricks),
        authorization=(b"Bearer abc",),
        content_length=7,
        chunked=False,
        scheme="http",
        peer="198.51.100.1",
        trusted=True,
        request_id="other",
    )  # fmt: skip
    assert outcome(table, plain) == outcome(table, adorned)


@given(st.lists(SEGMENTS, min_size=1, max_size=4), st.data())
def test_a_stripped_prefix_leaves_what_came_behind_it_as_it_was_sent(segments: list[str], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(segments)))
    target = data.draw(spelled(segments))
    route = compile_route(RouteSection(path=written(segments[:count]) + "/*", strip_prefix=written(segments[:count])))
    forwarded = route.forwarded_target(target + b"?q=/x")
    assert forwarded.startswith(b"/")
    assert not forwarded.startswith(b"//")
    assert parse_path(forwarded) == tuple(segments[count:])
    assert forwarded.endswith(b"?q=/x")
    assert (route.prefix_of(target) + forwarded).rstrip(b"/") in (target + b"?q=/x", target + b"/?q=/x")


# Policy


def identity(scopes: list[str], claims: Mapping[Any, Any]) -> Identity:
    return Identity(
        issuer="local",
        subject="alice",
        client="app",
        scopes=tuple(scopes),
        claims=claims,
        expires_at=1.0,
        not_before=None,
        leeway=0.0,
        key="k",
        verdict=Verdict("access", ""),
        token_id="",
        headers=(),
    )


VALUES = st.one_of(
    st.booleans(), st.integers(0, 2), st.sampled_from(["", "x", "1", "true"]), st.sampled_from([0.0, 1.0])
)
POLICIES = st.builds(
    RouteSection,
    path=st.just("/*"),
    scopes=subsets(SCOPES),
    any_scope=subsets(SCOPES),
    claims=st.dictionaries(st.sampled_from(["a", "b"]), st.one_of(VALUES, st.lists(VALUES, min_size=1).map(tuple))),
    clients=st.sampled_from([(), ("app",), ("other",)]),
    issuers=st.sampled_from([(), ("local",), ("other",)]),
)
CLAIMS = st.dictionaries(st.sampled_from(["a", "b"]), st.one_of(VALUES, st.lists(VALUES), st.none()))


def passes(route: RouteSection, who: Identity) -> bool:
    try:
        check_policy(compile_route(route), who)
    except Refusal:
        return False
    return True


@given(POLICIES, st.lists(st.sampled_from(SCOPES)), st.lists(st.sampled_from([*SCOPES, "more", "R"])), CLAIMS)
def test_another_scope_never_turns_an_admission_into_a_refusal(
    route: RouteSection, scopes: list[str], more: list[str], claims: dict[str, Any]
) -> None:
    if passes(route, identity(scopes, claims)):
        assert passes(route, identity([*scopes, *more], claims))
        assert passes(route, identity([*more, *scopes], claims))


@given(POLICIES, st.lists(st.sampled_from(SCOPES)), CLAIMS)
def test_a_policy_is_what_it_says(route: RouteSection, scopes: list[str], claims: dict[str, Any]) -> None:
    def has(name: str, asked: Any) -> bool:
        values = asked if isinstance(asked, tuple) else (asked,)
        found = claims.get(name, [])
        members = found if isinstance(found, list) else [found]
        return any(type(m) is bool and m is v if isinstance(v, bool) else type(m) is not bool and m == v for m in members for v in values)  # fmt: skip

    expected = (
        set(route.scopes) <= set(scopes)
        and (not route.any_scope or bool(set(route.any_scope) & set(scopes)))
        and (not route.clients or "app" in route.clients)
        and (not route.issuers or "local" in route.issuers)
        and all(has(name, asked) for name, asked in route.claims.items())
    )
    assert passes(route, identity(scopes, claims)) is expected


# Public routes

OURS = [b"X-User-Id", b"X-Client-Id", b"X-Token-Scopes", b"X-Tenant", b"X-Gateway-Assertion", b"X-Gateway-Reason"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(OURS), st.lists(st.sampled_from(list(b"-_. !~")), min_size=3, max_size=3), st.booleans()
        )
    ),
    st.booleans(),
    st.sampled_from(["drop", "keep"]),
)
def test_a_public_route_never_passes_an_identity_header_of_the_client(
    names: list[tuple[bytes, list[int], bool]],
    trusted: bool,  # noqa: FBT001 -- hypothesis gives it
    authorization: str,
) -> None:
    lines = []
    for name, separators, upper in names:
        parts = name.split(b"-")
        spelled_name = parts[0] + b"".join(
            bytes([byte]) + part for byte, part in zip(separators, parts[1:], strict=False)
        )
        lines.append((spelled_name.upper() if upper else spelled_name, b"forged"))
    public = RouteSection(path="/*", access="public")
    configured = config([public], identity_headers={"X-Tenant": "tenant"})
    assert problems(configured) == []
    request = facts(None, *lines, (b"Authorization", b"Bearer abc"), (b"Connection", b"x-user-id"), trusted=trusted)
    headers = UpstreamHeaders.of(configured)
    composed = headers.compose(request, (), route=RouteTable(configured).match(request)).headers
    assert not {fold(name) for name, _ in composed} & {fold(name) for name in OURS}
    assert not [value for _, value in composed if b"forged" in value or b"Bearer" in value]


# Cost


def cost_of(table: RouteTable, requests: list[Facts]) -> float:
    """Seconds for the requests, the best of some runs: what else the machine does can only add."""
    runs = []
    for _ in range(9):
        started = time.perf_counter()
        for request in requests:
            table.match(request)
        runs.append(time.perf_counter() - started)
    return min(runs)


def test_a_thousand_routes_cost_what_ten_cost() -> None:
    def by_path(count: int) -> list[RouteSection]:
        return [RouteSection(path=f"/group{n % 7}/path{n}/*", methods=("GET",), scopes=("a",)) for n in range(count)]

    def by_variable(count: int) -> list[RouteSection]:
        # A literal beside each variable: a path is on two ways at once.
        return [
            RouteSection(path=f"/group{n % 7}/{'{id}' if n % 2 else 'own'}/path{n}/*", methods=("GET",), scopes=("a",))
            for n in range(count)
        ]

    def by_host(count: int) -> list[RouteSection]:
        return [RouteSection(path="/*", hosts=(f"tenant{n}.test",), scopes=("a",)) for n in range(count)]

    paths = [facts(target=f"/group{n % 7}/path{n}/x".encode()) for n in range(10)] + [facts(target=b"/other/x")]
    hosts = [facts(host=f"tenant{n}.test".encode()) for n in range(10)] + [facts(host=b"other.test")]
    variables = [facts(target=f"/group{n % 7}/own/path{n}/x".encode()) for n in range(10)]
    variables += [facts(target=f"/group{n % 7}/17/path{n}/x".encode()) for n in range(10)]
    for made, requests in ((by_path, paths * 20), (by_variable, variables * 10), (by_host, hosts * 20)):
        few, many = RouteTable(config(made(10))), RouteTable(config(made(1000)))
        gc.disable()
        try:
            ratios = [cost_of(many, requests) / cost_of(few, requests) for _ in range(5)]
        finally:
            gc.enable()
        assert statistics.median(ratios) < 3
