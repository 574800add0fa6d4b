"""What is published of protected resources, and what challenges tell of them, by a whole gateway on real sockets."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.core.config.cors import Cors
from gateway.core.config.issuers import Issuer
from gateway.core.config.rates import Rate
from gateway.core.config.resources import ResourceSection
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from gateway.resources import PublishedResources
from tests.core.routing.test_resource import config
from tests.memory import facts
from tests.wire import Message, RawClient, Running, Start, demo_issuer, starting

AT = "/.well-known/oauth-protected-resource"
TOOLS = "https://api.test/mcp"
URL = f"https://api.test{AT}/mcp"
ROUTES = (
    RouteSection(path="/mcp/admin", scopes=("tools:read", "tools:admin"), any_scope=("one", "two")),
    RouteSection(path="/mcp/*", methods=("GET", "POST"), scopes=("tools:read",)),
    RouteSection(path="/public", access="public"),
    RouteSection(path="/other/*", scopes=("orders",)),
)


async def started(starts: Start, directory: Path, **settings: Any) -> Running:
    issuer = Issuer(
        issuer="https://issuer.test",
        audience=(TOOLS, "https://other.test"),
        jwks_file=str(directory / "jwks.json"),
    )
    resources = {"tools": ResourceSection(identifier=TOOLS)}
    return await starts(**{"issuers": (issuer,), "resources": resources, "routes": ROUTES, **settings})


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    async with starting(tmp_path) as starts:

        async def start(**settings: Any) -> Running:
            return await started(starts, tmp_path, **settings)

        yield start


@pytest_asyncio.fixture
async def client(start: Start) -> RawClient:
    return await (await start()).client()


def request(path: str, *lines: str, method: str = "GET", host: str | None = "api.test") -> bytes:
    named = () if host is None else (f"Host: {host}",)
    return "\r\n".join((f"{method} {path} HTTP/1.{int(host is not None)}", *named, *lines, "", "")).encode()


def token(*scopes: str, **claims: Any) -> str:
    return demo_issuer().access_token(alg="ES256", scope=" ".join(scopes), **{"aud": TOOLS, **claims})


def asked(path: str, token: str, **kw: Any) -> bytes:
    return request(path, f"Authorization: Bearer {token}", **kw)


def challenge(response: Message) -> str:
    (value,) = response.values(b"WWW-Authenticate")
    return value.decode()


@pytest.mark.parametrize("path", [f"{AT}/mcp", f"{AT}/mcp/", f"{AT}/mcp?x=1", AT, f"{AT}/"])
async def test_the_document_is_given_to_anybody(client: RawClient, path: str) -> None:
    response = await client.ask(request(path))
    assert response.status == 200
    assert json.loads(response.body) == {
        "resource": TOOLS,
        "authorization_servers": ["https://issuer.test"],
        "bearer_methods_supported": ["header"],
    }
    assert response.values(b"Content-Type") == [b"application/json"]
    assert response.values(b"Cache-Control") == [b"public, max-age=600"]
    assert response.values(b"Access-Control-Allow-Origin") == [b"*"]
    assert response.values(b"WWW-Authenticate") == []


@pytest.mark.parametrize("host", ["api.test", "API.Test", "api.test:8443", "api.test."])
async def test_the_host_is_compared_as_hosts_are_and_stands_nowhere_in_the_document(
    client: RawClient, host: str
) -> None:
    response = await client.ask(
        request(f"{AT}/mcp", "X-Forwarded-Host: evil.test", "X-Forwarded-Proto: http", host=host)
    )
    assert response.status == 200
    assert b"8443" not in response.body
    assert b"evil" not in response.body
    assert json.loads(response.body)["resource"] == TOOLS


@pytest.mark.parametrize(
    ("path", "host"),
    [
        (f"{AT}/mcp", "other.test"),
        (f"{AT}/mcp", "api.test.evil.test"),
        (f"{AT}/other", "api.test"),
        (f"{AT}/mcp/x", "api.test"),
        (f"{AT}x", "api.test"),
        (f"{AT}/%6dcp", "api.test"),
        ("/.well-known/oauth-authorization-server", "api.test"),
        (f"/mcp{AT}", "api.test"),
    ],
)
async def test_elsewhere_is_a_path_like_any_other(client: RawClient, path: str, host: str) -> None:
    assert (await client.ask(request(path, host=host))).problem["reason"] == "missing_credential"


async def test_who_names_no_host_gets_none(client: RawClient) -> None:
    assert (await client.ask(request(f"{AT}/mcp", host=None))).problem["reason"] == "missing_credential"


async def test_where_clients_call_by_another_host_that_is_the_one_that_counts(start: Start) -> None:
    gateway = await start(external_url="https://api.test")
    client = await gateway.client()
    # The proxy in front names the gateway as it likes.
    assert (await client.ask(request(f"{AT}/mcp", host="gateway.internal:8080"))).status == 200


async def test_a_trusted_proxy_says_for_which_of_several_hosts_a_request_is(start: Start) -> None:
    gateway = await start(external_url=("https://api.test", "https://other.test"), trusted_proxies=("127.0.0.1",))
    client = await gateway.client()
    for host, status in (("api.test", 200), ("other.test", 401)):
        response = await client.ask(
            request(f"{AT}/mcp", f"X-Forwarded-Host: {host}", "X-Forwarded-Proto: https", host="x")
        )
        assert response.status == status
    response = await client.ask(request(f"{AT}/mcp", "X-Forwarded-Host: api.test", "X-Forwarded-Host: api.test"))
    assert response.problem["reason"] == "bad_request"


async def test_other_hosts_are_not_served(start: Start) -> None:
    gateway = await start(hosts=("api.test",))
    client = await gateway.client()
    assert (await client.ask(request(f"{AT}/mcp"))).status == 200
    assert (await client.ask(request(f"{AT}/mcp", host="evil.test"))).problem["reason"] == "unknown_host"


async def test_head_has_the_length_and_nothing_more(client: RawClient) -> None:
    whole = await client.ask(request(f"{AT}/mcp"))
    response = await client.ask(request(f"{AT}/mcp", method="HEAD"), "HEAD")
    assert (response.status, response.body) == (200, b"")
    assert response.values(b"Content-Length") == [str(len(whole.body)).encode()]
    # The connection goes on behind it.
    assert (await client.ask(request(f"{AT}/mcp"))).status == 200


async def test_a_page_of_any_origin_may_read_it(client: RawClient) -> None:
    lines = (
        "Origin: https://app.test",
        "Access-Control-Request-Method: GET",
        "Access-Control-Request-Headers: mcp-protocol-version",
    )
    response = await client.ask(request(f"{AT}/mcp", *lines, method="OPTIONS"))
    assert (response.status, response.body) == (204, b"")
    assert response.values(b"Access-Control-Allow-Origin") == [b"*"]
    assert response.values(b"Access-Control-Allow-Methods") == [b"GET, HEAD"]
    assert response.values(b"Access-Control-Allow-Headers") == [b"*, Authorization"]
    assert response.values(b"Allow") == [b"GET, HEAD, OPTIONS"]
    # Without credentials the origin makes no difference, and nothing may vary with it.
    assert response.values(b"Vary") == []


async def test_cors_of_the_routes_changes_nothing_there(start: Start) -> None:
    gateway = await start(cors=Cors(origins=("https://app.test",), credentials=True))
    client = await gateway.client()
    for origin in ("https://app.test", "https://evil.test"):
        response = await client.ask(request(f"{AT}/mcp", f"Origin: {origin}"))
        assert response.values(b"Access-Control-Allow-Origin") == [b"*"]
        assert response.values(b"Access-Control-Allow-Credentials") == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"])
async def test_it_is_only_read(client: RawClient, method: str) -> None:
    response = await client.ask(request(f"{AT}/mcp", "Content-Length: 0", method=method))
    assert response.problem["reason"] == "method_not_allowed"
    assert response.values(b"Allow") == [b"GET, HEAD, OPTIONS"]
    assert response.values(b"Access-Control-Allow-Origin") == [b"*"]
    assert response.values(b"WWW-Authenticate") == []


async def test_a_credential_is_not_read_for_it(client: RawClient) -> None:
    for value in ("Bearer x", "Basic eDp5", "Bearer " + "x" * 40):
        assert (await client.ask(request(f"{AT}/mcp", f"Authorization: {value}"))).status == 200


async def test_the_api_does_not_see_the_request(start: Start) -> None:
    gateway = await start(routes=(*ROUTES, RouteSection(path="/.well-known/*", access="public")))
    client = await gateway.client()
    assert (await client.ask(request(f"{AT}/mcp"))).status == 200
    assert gateway.upstream.requests == []


async def test_it_is_counted_and_logged_as_a_request_of_no_route(start: Start) -> None:
    gateway = await start()
    client = await gateway.client()
    await client.ask(request(f"{AT}/mcp?secret=1"))
    (record,) = await gateway.stdout.records(1)
    assert (record["method"], record["path"], record["status"]) == ("GET", f"{AT}/mcp", 200)
    assert record.get("route") is None
    assert record.get("reason") is None


async def test_several_are_each_at_its_own_place_and_none_at_the_bare_one(start: Start) -> None:
    other = ResourceSection(identifier="https://other.test", name="Orders", documentation="https://docs.test/orders")
    gateway = await start(
        resources={"tools": ResourceSection(identifier=TOOLS), "other": other},
        routes=(RouteSection(path="/mcp/*", resource="tools"), RouteSection(path="/other/*", resource="other")),
    )
    client = await gateway.client()
    assert json.loads((await client.ask(request(f"{AT}/mcp"))).body)["resource"] == TOOLS
    found = json.loads((await client.ask(request(AT, host="other.test"))).body)
    assert (found["resource"], found["resource_name"]) == ("https://other.test", "Orders")
    assert (await client.ask(request(AT))).problem["reason"] == "missing_credential"
    told = challenge(await client.ask(request("/other/x")))
    assert told == f'Bearer realm="api", resource_metadata="https://other.test{AT}"'


async def test_who_comes_without_a_token_is_told_where_and_for_what(client: RawClient) -> None:
    told = challenge(await client.ask(request("/mcp")))
    assert told == f'Bearer realm="api", scope="tools:read", resource_metadata="{URL}"'
    # One of several will do: the first is named.
    told = challenge(await client.ask(request("/mcp/admin")))
    assert told == f'Bearer realm="api", scope="tools:read tools:admin one", resource_metadata="{URL}"'


async def test_what_host_says_stands_in_no_challenge(client: RawClient) -> None:
    told = challenge(await client.ask(request("/mcp", "X-Forwarded-Host: evil.test", host="evil.test")))
    assert f'resource_metadata="{URL}"' in told


async def test_a_bad_token_is_told_the_same(client: RawClient) -> None:
    told = challenge(await client.ask(asked("/mcp", token("tools:read", exp=time.time() - 60))))
    assert told.startswith(
        'Bearer realm="api", error="invalid_token", error_description="The access token has expired."'
    )
    assert told.endswith(f'scope="tools:read", resource_metadata="{URL}"')


async def test_a_token_without_a_scope_is_told_of_all_that_the_request_needs(client: RawClient) -> None:
    response = await client.ask(asked("/mcp/admin", token("tools:admin", "two")))
    assert response.status == 403
    told = challenge(response)
    assert 'error="insufficient_scope"' in told
    assert told.endswith(f'scope="tools:read tools:admin two", resource_metadata="{URL}"')
    assert (await client.ask(asked("/mcp/admin", token("tools:read", "tools:admin", "two")))).status == 200


async def test_a_token_for_something_else_opens_no_route_of_it(start: Start) -> None:
    gateway = await start()
    client = await gateway.client()
    # The issuer's audience has both: only the route can tell.
    for audience, admitted in (
        (TOOLS, True),
        ([TOOLS, "x"], True),
        ("https://other.test", False),
        (TOOLS + "/", False),
    ):
        other = asked("/mcp", token("tools:read", aud=audience))
        response = await client.ask(other)
        if admitted:
            assert response.status == 200
        else:
            assert response.problem["reason"] == "wrong_audience"
            assert challenge(response).endswith(f'scope="tools:read", resource_metadata="{URL}"')
    # Elsewhere all that the issuer's audience has counts.
    assert (await client.ask(asked("/other/x", token("orders", aud="https://other.test")))).status == 200


async def test_a_route_may_say_otherwise(start: Start) -> None:
    gateway = await start(routes=(RouteSection(path="/mcp", audience="https://other.test"),))
    client = await gateway.client()
    assert (await client.ask(asked("/mcp", token(aud="https://other.test")))).status == 200
    assert (await client.ask(asked("/mcp", token()))).problem["reason"] == "wrong_audience"


async def test_who_comes_without_a_credential_passes_where_that_is_optional_and_a_bad_one_is_told(start: Start) -> None:
    gateway = await start(routes=(RouteSection(path="/mcp", access="optional", scopes=("tools:read",)),))
    client = await gateway.client()
    assert (await client.ask(request("/mcp"))).status == 200
    response = await client.ask(asked("/mcp", token("other")))
    assert response.status == 403
    assert challenge(response).endswith(f'scope="tools:read", resource_metadata="{URL}"')


async def test_a_broken_request_is_told_where_and_not_for_what(client: RawClient) -> None:
    response = await client.ask(request("/mcp", "Authorization: Bearer x", "Authorization: Bearer x"))
    assert response.problem["reason"] == "multiple_credentials"
    told = challenge(response)
    assert told.endswith(f'resource_metadata="{URL}"')
    assert "scope=" not in told


async def test_elsewhere_every_byte_is_as_it_was(tmp_path: Path) -> None:
    requests = (
        request("/other/x"),
        asked("/other/x", token()),
        asked("/other/x", token(aud="x")),
        request("/nothing"),
        asked("/other/x", token("orders")),
        request("/public"),
        request("/mcp", method="DELETE"),
    )
    found: list[list[Any]] = []
    for resources in ({"tools": ResourceSection(identifier=TOOLS)}, {}):
        async with starting(tmp_path) as starts:
            client = await (await started(starts, tmp_path, resources=resources)).client()
            responses = [await client.ask(sent) for sent in requests]
        differing = {b"Date", b"X-Request-Id"}
        found.append(
            [(one.start, [line for line in one.lines if line[0] not in differing], one.body) for one in responses]
        )
    assert found[0] == found[1]


async def test_a_refusal_without_a_challenge_has_none(start: Start) -> None:
    rate = Rate(name="few", per="route", limit=1, window=Seconds(60), burst=1)
    gateway = await start(routes=(RouteSection(path="/mcp", rates=(rate,)),))
    client = await gateway.client()
    assert (await client.ask(asked("/mcp", token()))).status == 200
    response = await client.ask(asked("/mcp", token()))
    assert response.status == 429
    assert response.values(b"WWW-Authenticate") == []


async def test_a_route_that_reports_tells_nobody(start: Start) -> None:
    gateway = await start(routes=(RouteSection(path="/mcp", scopes=("x",), mode="report"),))
    client = await gateway.client()
    response = await client.ask(request("/mcp"))
    assert response.status == 200
    assert response.values(b"WWW-Authenticate") == []


def test_what_is_not_there_is_not_heard() -> None:
    published = PublishedResources(config({"path": "/mcp"}))
    assert published.hears(facts(target=f"{AT}/mcp".encode(), host=b"api.example.com"))
    assert not published.hears(facts(target=b"/mcp", host=b"api.example.com"))
    assert not published.hears(facts(target=f"{AT}/\xff".encode("latin-1"), host=b"api.example.com"))
