"""A table of requests over all places of a token: who gets in, what the API sees of it, and what the log says.

The same rows go through the proxy and through the decision API. No token is ever seen by the API, or written.
"""

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from gateway.core.config.credentials import CredentialPlace
from gateway.core.config.routes import RouteSection
from tests.tables import about, parts_of
from tests.wire import Message, Running, Start, good_token, starting

TOKEN = good_token()
HEADER = CredentialPlace(header="X-Access-Token")
PROTOCOL = CredentialPlace(websocket="bearer")
QUERY = CredentialPlace(query="access_token")
COOKIE = CredentialPlace(cookie="__Host-token")
ORIGIN = "https://api.test"

ROUTES = (
    RouteSection(path="/public/*", access="public", name="public"),
    RouteSection(path="/usual/*", credentials=("authorization",), name="usual"),
    RouteSection(path="/optional/*", access="optional", name="optional"),
    RouteSection(path="/only/*", credentials=(HEADER,), name="only"),
    RouteSection(path="/cookie/*", credentials=(COOKIE,), name="cookie"),
    RouteSection(path="/reported/*", mode="report", scopes=("nobody",), name="reported"),
)


class Row(NamedTuple):
    """A request, and what becomes of it."""

    target: str
    lines: tuple[str, ...]
    #: reason of its refusal; "alice": admitted as her; "": admitted as nobody
    outcome: str
    #: as the log has it
    place: str | None = None
    method: str = "GET"
    #: the target as the upstream sees it, where it is another
    seen: str | None = None
    #: what the upstream sees of headers that may have had a token
    left: tuple[str, ...] = ()


BEARER = f"Authorization: Bearer {TOKEN}"
PLACED = f"X-Access-Token: {TOKEN}"
HEADERS = [
    # Read, on a route that names it.
    Row("/all/1", (PLACED,), "alice", "X-Access-Token"),
    Row("/all/1", (PLACED.lower().replace(TOKEN.lower(), TOKEN),), "alice", "X-Access-Token"),
    Row("/only/1", (PLACED,), "alice", "X-Access-Token"),
    Row("/optional/1", (PLACED,), "alice", "X-Access-Token"),
    Row("/all/1", (BEARER,), "alice"),
    Row("/all/1", (PLACED, "Authorization: Basic YTpi"), "alice", "X-Access-Token"),
    Row("/all/1", (PLACED,), "alice", "X-Access-Token", method="POST"),
    Row("/reported/1", (PLACED,), "alice", "X-Access-Token"),
    # Not read, and taken away.
    Row("/usual/1", (PLACED,), "missing_credential"),
    Row("/usual/1", (PLACED, BEARER), "alice"),
    Row("/public/1", (PLACED,), ""),
    Row("/public/1", (PLACED, PLACED), ""),
    Row("/public/1", (PLACED, BEARER), ""),
    Row("/public/1", (f"X_Access_Token: {TOKEN}",), ""),
    Row("/only/1", (BEARER,), "missing_credential"),
    Row("/optional/1", (), ""),
    Row("/all/1", (), "missing_credential"),
    Row("/all/1", (f"X-Access-Tokens: {TOKEN[:20]}",), "missing_credential"),
    # More than one, and what is no token.
    Row("/all/1", (PLACED, BEARER), "multiple_credentials"),
    Row("/all/1", (PLACED, PLACED), "multiple_credentials"),
    Row("/optional/1", (PLACED, BEARER), "multiple_credentials"),
    Row("/all/1", (PLACED, "Authorization: Bearer"), "malformed_credential"),
    Row("/all/1", (PLACED, "Authorization: Bearer a, Bearer b"), "multiple_credentials"),
    Row("/all/1", ("X-Access-Token:",), "malformed_credential"),
    Row("/all/1", ("X-Access-Token:", BEARER), "multiple_credentials"),
    Row("/all/1", (f"X-Access-Token: Bearer {TOKEN}",), "malformed_credential"),
    Row("/all/1", (f"X-Access-Token: {TOKEN}, {TOKEN}",), "malformed_credential"),
    Row("/optional/1", ("X-Access-Token: a b",), "malformed_credential"),
    Row("/all/1", ("X-Access-Token: " + "a" * 17_000,), "token_too_large"),
    Row("/all/1", ("X-Access-Token: a.b.c",), "token_malformed", "X-Access-Token"),
    Row("/all/1", (PLACED[:-4] + "AAAA",), "bad_signature", "X-Access-Token"),
    Row("/all/1", (PLACED[:-4] + "AAAA", BEARER), "multiple_credentials"),
]
UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)
ENCODED = "base64url.bearer." + urlsafe_b64encode(TOKEN.encode()).decode().rstrip("=")
OFFERED = f"Sec-WebSocket-Protocol: bearer, {TOKEN}"
CHAT = ("Sec-WebSocket-Protocol: chat",)
WEBSOCKETS = [
    Row("/all/1", (*UPGRADE, OFFERED), "alice", "websocket bearer"),
    Row("/all/1", (*UPGRADE, f"{OFFERED}, chat"), "alice", "websocket bearer", left=CHAT),
    Row("/all/1", (*UPGRADE, OFFERED, *CHAT), "alice", "websocket bearer", left=CHAT),
    Row(
        "/all/1",
        (*UPGRADE, "Sec-WebSocket-Protocol: bearer", f"sec-websocket-protocol: {TOKEN}"),
        "alice",
        "websocket bearer",
    ),
    Row("/all/1", (*UPGRADE, f"Sec-WebSocket-Protocol: {ENCODED}"), "alice", "websocket bearer"),
    Row("/all/1", (*UPGRADE, f"Sec-WebSocket-Protocol: chat, {ENCODED}"), "alice", "websocket bearer", left=CHAT),
    Row("/optional/1", (*UPGRADE, OFFERED), "alice", "websocket bearer"),
    Row("/optional/1", (*UPGRADE, *CHAT), "", left=CHAT),
    Row("/public/1", (*UPGRADE, f"{OFFERED}, chat"), "", left=CHAT),
    Row("/public/1", (OFFERED,), ""),
    Row("/usual/1", (*UPGRADE, OFFERED), "missing_credential"),
    Row("/usual/1", (*UPGRADE, OFFERED, BEARER), "alice"),
    Row("/all/1", (*UPGRADE, *CHAT), "missing_credential"),
    Row("/all/1", (*UPGRADE, *CHAT, BEARER), "alice", left=CHAT),
    Row("/all/1", (*UPGRADE, OFFERED, BEARER), "multiple_credentials"),
    Row("/all/1", (*UPGRADE, OFFERED, PLACED), "multiple_credentials"),
    Row("/all/1", (*UPGRADE, OFFERED, f"Sec-WebSocket-Protocol: {ENCODED}"), "multiple_credentials"),
    Row("/all/1", (*UPGRADE, "Sec-WebSocket-Protocol: bearer"), "malformed_credential"),
    Row("/all/1", (*UPGRADE, f"Sec-WebSocket-Protocol: chat, bearer, {TOKEN}"), "malformed_credential"),
    Row("/all/1", (*UPGRADE, f"Sec-WebSocket-Protocol: Bearer, {TOKEN}"), "malformed_credential"),
    Row("/all/1", (*UPGRADE, "Sec-WebSocket-Protocol: base64url.bearer.a"), "malformed_credential"),
    Row("/all/1", (OFFERED,), "malformed_credential"),
    Row("/optional/1", (OFFERED,), "malformed_credential"),
    Row("/all/1", (OFFERED, BEARER), "multiple_credentials"),
    Row("/all/1", (*UPGRADE, "Sec-WebSocket-Protocol: bearer, a.b.c"), "token_malformed", "websocket bearer"),
]
IN_QUERY = f"access_token={TOKEN}"
QUERIES = [
    Row(f"/all/1?{IN_QUERY}", (), "alice", "query access_token", seen="/all/1"),
    Row(f"/all/1?{IN_QUERY}", (), "alice", "query access_token", method="HEAD", seen="/all/1"),
    Row(f"/all/1?a=%20;b&{IN_QUERY}&c", (), "alice", "query access_token", seen="/all/1?a=%20;b&c"),
    Row(f"/optional/1?{IN_QUERY}", (), "alice", "query access_token", seen="/optional/1"),
    Row(f"/reported/1?{IN_QUERY}", (), "alice", "query access_token", seen="/reported/1"),
    Row(
        f"/all/1?{IN_QUERY}",
        (f"Referer: https://api.test/all/1?{IN_QUERY}",),
        "alice",
        "query access_token",
        seen="/all/1",
        left=("Referer: https://api.test/all/1",),
    ),
    Row(f"/public/1?{IN_QUERY}&b", (), "", seen="/public/1?b"),
    Row(f"/public/1?{IN_QUERY}&{IN_QUERY}", (), "", seen="/public/1"),
    Row(f"/public/1?access%5Ftoken={TOKEN}", (), "", seen="/public/1"),
    Row(f"/public/1?{IN_QUERY}", (), "", method="POST", seen="/public/1"),
    Row(f"/usual/1?{IN_QUERY}", (), "missing_credential"),
    Row(f"/usual/1?{IN_QUERY}", (BEARER,), "alice", seen="/usual/1"),
    Row(f"/only/1?{IN_QUERY}", (PLACED,), "alice", "X-Access-Token", seen="/only/1"),
    Row("/all/1?b=access_token", (BEARER,), "alice"),
    Row(f"/all/1?{IN_QUERY}", (BEARER,), "multiple_credentials"),
    Row(f"/all/1?{IN_QUERY}", (PLACED,), "multiple_credentials"),
    Row(f"/all/1?{IN_QUERY}&{IN_QUERY}", (), "multiple_credentials"),
    Row(f"/all/1?{IN_QUERY}", (*UPGRADE, OFFERED), "multiple_credentials"),
    Row(f"/all/1?{IN_QUERY}", (), "malformed_credential", method="POST"),
    Row(f"/all/1?{IN_QUERY}", (), "malformed_credential", method="DELETE"),
    Row(f"/optional/1?{IN_QUERY}", (), "malformed_credential", method="POST"),
    Row(f"/all/1?access%5Ftoken={TOKEN}", (), "malformed_credential"),
    Row(f"/all/1?Access_Token={TOKEN}", (), "malformed_credential"),
    Row(f"/all/1?access_token[]={TOKEN}", (), "malformed_credential"),
    Row(f"/all/1?a;{IN_QUERY}", (), "malformed_credential"),
    Row(f"/all/1?access%5Ftoken={TOKEN}&{IN_QUERY}", (), "multiple_credentials"),
    Row("/all/1?access_token=", (), "malformed_credential"),
    Row("/all/1?access_token", (), "malformed_credential"),
    Row("/all/1?access_token=Bearer%20" + TOKEN, (), "malformed_credential"),
    Row("/optional/1?access_token=%61", (), "malformed_credential"),
    Row("/all/1?access_token=a.b.c", (), "token_malformed", "query access_token"),
]
IN_COOKIE = f"Cookie: __Host-token={TOKEN}"
SAME, CROSS = "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"
LINK = (CROSS, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
A1 = ("Cookie: a=1",)
COOKIES = [
    Row("/all/1", (IN_COOKIE,), "alice", "cookie __Host-token"),
    Row("/all/1", (f"Cookie: a=1; __Host-token={TOKEN}",), "alice", "cookie __Host-token", left=A1),
    Row("/all/1", (*A1, IN_COOKIE), "alice", "cookie __Host-token", left=A1),
    Row("/cookie/1", (IN_COOKIE,), "alice", "cookie __Host-token"),
    Row("/cookie/1", (IN_COOKIE, "Authorization: Basic YTpi"), "alice", "cookie __Host-token"),
    Row("/optional/1", (IN_COOKIE,), "alice", "cookie __Host-token"),
    Row("/all/1", (IN_COOKIE, SAME), "alice", "cookie __Host-token", method="POST"),
    Row("/all/1", (IN_COOKIE, "Sec-Fetch-Site: none"), "alice", "cookie __Host-token", method="DELETE"),
    Row("/all/1", (IN_COOKIE, f"Origin: {ORIGIN}"), "alice", "cookie __Host-token", method="POST"),
    Row("/all/1", (IN_COOKIE, *UPGRADE, f"Origin: {ORIGIN}"), "alice", "cookie __Host-token"),
    Row("/all/1", (IN_COOKIE, *LINK), "alice", "cookie __Host-token"),
    # Where something else stands it is not read, nor is who sent it asked for.
    Row("/all/1", (IN_COOKIE, BEARER), "alice"),
    Row("/all/1", (IN_COOKIE, BEARER, CROSS), "alice", method="POST"),
    Row("/all/1", (IN_COOKIE, PLACED), "alice", "X-Access-Token"),
    Row("/all/1", (IN_COOKIE, IN_COOKIE, BEARER), "alice"),
    Row("/all/1", (IN_COOKIE, *UPGRADE, OFFERED), "alice", "websocket bearer"),
    Row(f"/all/1?{IN_QUERY}", (IN_COOKIE,), "alice", "query access_token", seen="/all/1"),
    Row("/all/1", (IN_COOKIE, "Authorization: Bearer a.b.c"), "token_malformed"),
    Row("/all/1", (IN_COOKIE, "X-Access-Token: a b"), "malformed_credential"),
    Row(f"/all/1?access%5Ftoken={TOKEN}", (IN_COOKIE,), "malformed_credential"),
    # Not read, and taken away.
    Row("/usual/1", (IN_COOKIE,), "missing_credential"),
    Row("/public/1", (IN_COOKIE, *A1), "", left=A1),
    Row("/public/1", (IN_COOKIE, CROSS), "", method="POST"),
    Row("/public/1", (f"Cookie: __host-token={TOKEN}; a=1",), "", left=A1),
    Row("/all/1", (f"Cookie: __host-token={TOKEN}",), "missing_credential"),
    Row("/cookie/1", (BEARER,), "missing_credential"),
    Row("/all/1", A1, "missing_credential"),
    # Twice, and what is no token.
    Row("/all/1", (IN_COOKIE, IN_COOKIE), "multiple_credentials"),
    Row("/all/1", (f"{IN_COOKIE}; __Host-token=b",), "multiple_credentials"),
    Row("/all/1", ("Cookie: __Host-token=",), "malformed_credential"),
    Row("/optional/1", (f'Cookie: __Host-token="{TOKEN}"',), "malformed_credential"),
    Row("/all/1", ("Cookie: __Host-token=a.b.c",), "token_malformed", "cookie __Host-token"),
    # Pages of other sites.
    Row("/all/1", (IN_COOKIE,), "cross_site_request", "cookie __Host-token", method="POST"),
    Row("/all/1", (IN_COOKIE, CROSS), "cross_site_request", "cookie __Host-token", method="POST"),
    Row("/all/1", (IN_COOKIE, "Sec-Fetch-Site: same-site"), "cross_site_request", "cookie __Host-token", method="PUT"),
    Row(
        "/all/1",
        (IN_COOKIE, "Origin: https://evil.example"),
        "cross_site_request",
        "cookie __Host-token",
        method="POST",
    ),
    Row("/all/1", (IN_COOKIE, "Origin: null"), "cross_site_request", "cookie __Host-token", method="POST"),
    Row("/all/1", (IN_COOKIE, CROSS), "cross_site_request", "cookie __Host-token"),
    Row("/all/1", (IN_COOKIE, *UPGRADE), "cross_site_request", "cookie __Host-token"),
    Row("/all/1", (IN_COOKIE, *UPGRADE, "Origin: https://evil.example"), "cross_site_request", "cookie __Host-token"),
    Row("/optional/1", (IN_COOKIE, CROSS), "cross_site_request", "cookie __Host-token", method="POST"),
    Row("/optional/1", (IN_COOKIE,), "cross_site_request", "cookie __Host-token", method="POST"),
    Row("/reported/1", (IN_COOKIE, CROSS), "alice", "cookie __Host-token", method="POST"),
]
TABLE = [*HEADERS, *WEBSOCKETS, *QUERIES, *COOKIES]
#: headers that may have had a token
WATCHED = {b"cookie", b"sec-websocket-protocol", b"referer"}

#: a decision cannot strip another spelling of what it replaces
UNDECIDED = {f"X_Access_Token: {TOKEN}"}


@pytest_asyncio.fixture
async def start(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Start]:
    async with starting(tmp_path_factory.getbasetemp()) as starts:

        async def start(**settings: Any) -> Running:
            defaults = {
                "decisions": "127.0.0.1:0",
                "trusted_proxies": ("127.0.0.1/32",),
                "routes": ROUTES,
                "credentials": ("authorization", HEADER, PROTOCOL, QUERY, COOKIE),
                "external_url": ORIGIN,
                "unmatched": "token",
            }
            return await starts(**(defaults | settings))

        yield start


async def ask(gateway: Running, head: bytes, method: str, *, address: str | None = None) -> Message:
    client = await gateway.client(address)
    response = await client.ask(head, method)
    client.reset()
    return response


def request(row: Row) -> bytes:
    return "\r\n".join([f"{row.method} {row.target} HTTP/1.1", "Host: api.test", *row.lines, "", ""]).encode("latin-1")


def question(row: Row) -> bytes:
    facts = (f"X-Forwarded-Method: {row.method}", f"X-Forwarded-Uri: {row.target}", "X-Forwarded-Host: api.test")
    lines = ["GET /forward HTTP/1.1", "Host: gateway", *facts, "X-Forwarded-Proto: https", *row.lines, "", ""]
    return "\r\n".join(lines).encode("latin-1")


async def test_nothing_of_a_query_is_told_again(start: Start) -> None:
    """By a proxy that is believed, and tells the target once more."""
    gateway = await start()
    lines = (f"X-Forwarded-Uri: /all/1?{IN_QUERY}&b", f"X-Original-URI: /all/1?b&{IN_QUERY}")
    await ask(gateway, request(Row(f"/public/1?{IN_QUERY}", lines, "")), "GET")
    assert gateway.upstream.last.values(b"X-Forwarded-Uri") == [b"/all/1?b"]
    assert TOKEN[:40].encode() not in gateway.upstream.last.head


async def test_a_response_to_a_token_in_the_query_is_for_nobody_else(start: Start) -> None:
    gateway = await start()
    gateway.upstream.response = (
        b"HTTP/1.1 200 OK\r\nCache-Control: public, max-age=60\r\nReferrer-Policy: unsafe-url\r\n"
        b"Content-Length: 2\r\n\r\nok"
    )
    response = await ask(gateway, request(Row(f"/all/1?{IN_QUERY}", (), "alice")), "GET")
    assert response.values(b"Cache-Control") == [b"max-age=60, private"]
    assert response.values(b"Referrer-Policy") == [b"no-referrer"]
    # What the API shares with everybody it may share in other places, as with Authorization (RFC 9111 section 3.5).
    for lines in ((PLACED,), (IN_COOKIE,)):
        shared = await ask(gateway, request(Row("/all/1", lines, "alice")), "GET")
        assert shared.values(b"Cache-Control") == [b"public, max-age=60"]
    usual = await ask(gateway, request(Row("/all/1", (BEARER,), "alice")), "GET")
    assert usual.values(b"Cache-Control") == [b"public, max-age=60"]


async def test_a_cache_does_not_share_what_it_would_not_with_authorization(start: Start) -> None:
    gateway = await start()
    for lines, expected in (((PLACED,), [b"private"]), ((IN_COOKIE,), [b"private"]), ((BEARER,), [])):
        response = await ask(gateway, request(Row("/all/1", lines, "alice")), "GET")
        assert response.values(b"Cache-Control") == expected


SWITCHING = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{}\r\n"


@pytest.mark.parametrize(
    ("offered", "selected", "seen"),
    [
        (OFFERED, "", [b"bearer"]),
        (f"{OFFERED}, chat", "Sec-WebSocket-Protocol: chat\r\n", [b"chat"]),
        (f"{OFFERED}, chat", "", [b"bearer"]),
        (f"Sec-WebSocket-Protocol: chat, {ENCODED}", "Sec-WebSocket-Protocol: chat\r\n", [b"chat"]),
        (f"Sec-WebSocket-Protocol: {ENCODED}", "", [ENCODED.encode()]),
        (OFFERED, "Sec-WebSocket-Protocol: chat\r\n", None),
        (f"{OFFERED}, chat", "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n", None),
        (OFFERED, f"Sec-WebSocket-Protocol: {TOKEN}\r\n", None),
    ],
)
async def test_a_websocket_speaks_what_was_offered(
    start: Start, offered: str, selected: str, seen: list[bytes] | None
) -> None:
    gateway = await start()
    gateway.upstream.response = SWITCHING.format(selected).encode()
    client = await gateway.client()
    await client.send(request(Row("/all/1", (*UPGRADE, offered), "alice")))
    response = await client.head()
    if seen is None:
        assert response.status == 502
        assert (await gateway.ended())["reason"] == "upstream_protocol_error"
    else:
        assert (response.status, response.values(b"Sec-WebSocket-Protocol")) == (101, seen)
    client.reset()
    await gateway.ended()
    gateway.silent_about(TOKEN)


def outcome_of(response: Message, seen: Message) -> str:
    """`seen`: where identity headers are."""
    if response.status != 200:
        return str(response.problem["reason"])
    return (*seen.values(b"X-User-Id"), b"")[0].decode()


async def check_log(gateway: Running, row: Row, record: dict[str, Any]) -> None:
    assert record.get("place") == row.place
    gateway.silent_about(TOKEN, TOKEN.split(".")[2], ENCODED)


def named(row: Row) -> str:
    return f"{row.outcome or 'nobody'}-{TABLE.index(row)}"


PARTS = parts_of(TABLE, 22, named=named)


def left_of(message: Message) -> tuple[str, ...]:
    return tuple(f"{name.decode()}: {value.decode()}" for name, value in message.lines if name.lower() in WATCHED)


@pytest.mark.parametrize("rows", PARTS)
async def test_who_gets_in_by_which_place(start: Start, rows: list[Row]) -> None:
    gateway = await start()
    for row in rows:
        with about(named(row)):
            await who_gets_in_by_which_place(gateway, row)
        await gateway.forget()


async def who_gets_in_by_which_place(gateway: Running, row: Row) -> None:
    response = await ask(gateway, request(row), row.method)
    admitted = row.outcome in {"alice", ""}
    assert len(gateway.upstream.requests) == admitted
    record = await gateway.ended()
    if admitted:
        sent = gateway.upstream.last
        assert outcome_of(response, sent) == row.outcome
        assert TOKEN[:40].encode() not in sent.head
        assert ENCODED[20:60].encode() not in sent.head
        assert sent.start == f"{row.method} {row.seen or row.target} HTTP/1.1".encode()
        assert (left_of(sent), sent.values(b"Authorization")) == (row.left, [])
    else:
        # What the response to HEAD would say is in the log.
        assert record["reason"] == row.outcome
    has_query = "access" in row.target.partition("?")[2].lower().partition("=")[0] or IN_QUERY in row.target
    assert response.values(b"Referrer-Policy") == ([b"no-referrer"] if has_query else [])
    await check_log(gateway, row, record)


def is_undecidable(row: Row) -> bool:
    """Whether something stands where a proxy that only asks would leave it."""
    lines = " ".join(row.lines).lower()
    return (
        "token=" in lines.partition("cookie:")[2]
        or "bearer" in lines.partition("protocol: ")[2].partition("auth")[0]
        or ("access" in row.target.lower() and "b=access" not in row.target)
    )


@pytest.mark.parametrize("rows", PARTS)
async def test_a_proxy_that_asks_hears_the_same_or_that_it_cannot_be_told(start: Start, rows: list[Row]) -> None:
    gateway = await start()
    for row in rows:
        with about(named(row)):
            await a_proxy_that_asks_hears_the_same_or_that_it_cannot_be_told(gateway, row)
        await gateway.forget()


async def a_proxy_that_asks_hears_the_same_or_that_it_cannot_be_told(gateway: Running, row: Row) -> None:
    response = await ask(gateway, question(row), row.method, address=gateway.gateway.decisions_address)
    record = await gateway.ended()
    expected = "undecidable_credential" if is_undecidable(row) else row.outcome
    expected = "bad_request" if UNDECIDED & {*row.lines} else expected
    assert record.get("reason", "") == ("" if expected == "alice" else expected) or "reported" in row.target
    if response.status == 200:
        # What the client sent is replaced by nothing.
        assert response.values(b"X-Access-Token") == [b""]
        assert response.values(b"X-User-Id") == [expected.encode()]
    assert TOKEN[:40].encode() not in response.head
    gateway.silent_about(TOKEN, TOKEN.split(".")[2], ENCODED)


@pytest.mark.parametrize("rows", PARTS)
async def test_a_proxy_that_takes_all_places_out_itself_hears_the_same(start: Start, rows: list[Row]) -> None:
    gateway = await start(decisions_sources="all")
    for row in rows:
        with about(named(row)):
            await a_proxy_that_takes_all_places_out_itself_hears_the_same(gateway, row)
        await gateway.forget()


async def a_proxy_that_takes_all_places_out_itself_hears_the_same(gateway: Running, row: Row) -> None:
    response = await ask(gateway, question(row), row.method, address=gateway.gateway.decisions_address)
    record = await gateway.ended()
    expected = "bad_request" if UNDECIDED & {*row.lines} else row.outcome
    if OFFERED in row.lines and not {*UPGRADE} & {*row.lines}:
        # A proxy need not tell of the upgrade, so that nobody can say that there is none.
        assert record.get("reason") in {None, "missing_credential", "multiple_credentials"}
    elif "reported" not in row.target:
        assert record.get("reason", "") == ("" if expected == "alice" else expected)
    assert TOKEN[:40].encode() not in response.head
    gateway.silent_about(TOKEN, TOKEN.split(".")[2], ENCODED)


def test_the_table_is_long_enough() -> None:
    assert len(TABLE) >= 100


async def test_a_header_of_a_place_is_gone_from_preflights_too(start: Start) -> None:
    gateway = await start(cors="upstream")
    lines = ("Origin: https://app.example.com", "Access-Control-Request-Method: GET", PLACED, BEARER, "DPoP: a.b.c")
    response = await ask(gateway, request(Row("/all/1", lines, "", method="OPTIONS")), "OPTIONS")
    assert response.status == 200
    assert TOKEN[:40].encode() not in gateway.upstream.last.head
    assert gateway.upstream.last.values(b"DPoP") == []


async def test_a_token_is_remembered_wherever_it_stands(start: Start) -> None:
    gateway = await start()
    for lines in ((BEARER,), (PLACED,), (BEARER,)):
        assert (await ask(gateway, request(Row("/all/1", lines, "alice")), "GET")).status == 200
    metrics = (await gateway.admin("/metrics")).body.decode()
    assert 'gateway_token_cache_lookups_total{result="hit"} 2' in metrics
