"""A table of requests over all places of a token: who gets in, what the API sees of it, and what the log says.

The same rows go through the proxy and through the decision API. No token is ever seen by the API, or written.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from gateway.core.config.credentials import CredentialPlace
from gateway.core.config.routes import RouteSection
from tests.wire import Message, Running, Start, good_token, starting

TOKEN = good_token()
HEADER = CredentialPlace(header="X-Access-Token")

ROUTES = (
    RouteSection(path="/public/*", access="public", name="public"),
    RouteSection(path="/usual/*", credentials=("authorization",), name="usual"),
    RouteSection(path="/optional/*", access="optional", name="optional"),
    RouteSection(path="/only/*", credentials=(HEADER,), name="only"),
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
    #: as the upstream sees it, where it is another
    seen: str | None = None


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
#: a decision cannot strip another spelling of what it replaces
UNDECIDED = {f"X_Access_Token: {TOKEN}"}


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    async with starting(tmp_path) as starts:

        async def start(**settings: Any) -> Running:
            defaults = {
                "decisions": "127.0.0.1:0",
                "trusted_proxies": ("127.0.0.1/32",),
                "routes": ROUTES,
                "credentials": ("authorization", HEADER),
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


def outcome_of(response: Message, seen: Message) -> str:
    """`seen`: where identity headers are."""
    if response.status != 200:
        return str(response.problem["reason"])
    return (*seen.values(b"X-User-Id"), b"")[0].decode()


async def check_log(gateway: Running, row: Row, record: dict[str, Any]) -> None:
    assert record.get("place") == row.place
    gateway.silent_about(TOKEN, TOKEN.split(".")[2])


@pytest.mark.parametrize("row", HEADERS, ids=str)
async def test_who_gets_in_by_which_place(start: Start, row: Row) -> None:
    gateway = await start()
    response = await ask(gateway, request(row), row.method)
    admitted = row.outcome in {"alice", ""}
    assert len(gateway.upstream.requests) == admitted
    assert outcome_of(response, gateway.upstream.last if admitted else response) == row.outcome
    if admitted:
        sent = gateway.upstream.last
        assert TOKEN[:40].encode() not in sent.head
        assert sent.start == f"{row.method} {row.seen or row.target} HTTP/1.1".encode()
        assert sent.values(b"Authorization") == []
    await check_log(gateway, row, await gateway.ended())


@pytest.mark.parametrize("row", HEADERS, ids=str)
async def test_a_proxy_that_asks_hears_the_same(start: Start, row: Row) -> None:
    gateway = await start()
    address = gateway.gateway.decisions_address
    response = await ask(gateway, question(row), row.method, address=address)
    assert outcome_of(response, response) == ("bad_request" if UNDECIDED & {*row.lines} else row.outcome)
    if response.status == 200:
        # What the client sent is replaced by nothing.
        assert response.values(b"X-Access-Token") == [b""]
        assert TOKEN[:40].encode() not in response.head
    await check_log(gateway, row, await gateway.ended())


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
