"""An unmodified MCP server behind the gateway, an unmodified MCP client in front, and an OpenID provider: nobody of them
was told of the others but by what the specification of MCP has.

The client is given one URL. It finds the provider by the gateway's challenge, registers itself, lets somebody log in,
and calls tools over streamable HTTP; its responses are event streams.
"""

import asyncio
import json
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import aiohttp
import mcp_client
import pytest
import pytest_asyncio
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata
from oidc.provider import API, BROWSER_CLIENT, REDIRECT_URI, SUBJECT, OidcProvider, oidc_provider
from process import START_SECONDS, STOP_SECONDS, GatewayProcess, serving

HERE: Final = Path(__file__).parent
#: where a client of its own listens for its redirect; nobody does here: the browser stops there
CALLBACK: Final = "http://127.0.0.1:49152/callback"
#: a session of its own and a stream for notifications; each request by itself
MODES: Final = ("legacy", "auto")
READ, ADMIN = "tools:read", "tools:admin"
WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(kw_only=True)
class Keeper(mcp_client.Keeper):
    """What a client remembers from one start to the next, and the browser it opens."""

    provider: OidcProvider
    #: authorization requests, in order
    asked: list[dict[str, list[str]]] = field(default_factory=list)

    async def open(self, url: str) -> None:
        self.asked.append(parse_qs(urlsplit(url).query))
        self._came_back = await self.provider.authorize(url)

    async def returned(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(**{name: self._came_back[name][0] for name in ("code", "state", "iss")})

    def scopes(self) -> list[set[str]]:
        """Those that were asked for, login by login."""
        return [set(query["scope"][0].split()) for query in self.asked]


def known_client() -> OAuthClientInformationFull:
    """The client that the provider knows by its configuration."""
    redirect_uri: Any = REDIRECT_URI
    return OAuthClientInformationFull(
        client_id=BROWSER_CLIENT, redirect_uris=[redirect_uri], token_endpoint_auth_method="none"
    )


@dataclass
class World:
    """A provider, a gateway that its clients know as `url`, and an MCP server behind it."""

    provider: OidcProvider
    gateway: GatewayProcess
    url: str
    server: str

    @asynccontextmanager
    async def client(self, keeper: Keeper, *, path: str = "/mcp", mode: str = "auto") -> AsyncIterator[Client]:
        redirect_uri: Any = CALLBACK if keeper.client is None else REDIRECT_URI
        metadata = OAuthClientMetadata(client_name="A test", redirect_uris=[redirect_uri])
        auth = OAuthClientProvider(self.url + path, metadata, keeper, keeper.open, keeper.returned)
        async with (
            create_mcp_http_client(auth=auth) as http,
            Client(streamable_http_client(self.url + path, http_client=http), mode=mode) as client,
        ):
            yield client

    async def ask(self, path: str = "/mcp", *, token: str | None = None, **headers: str) -> tuple[int, str, str]:
        """Status, challenge and body of the response to the first request of a session."""
        sent = {"Accept": "application/json, text/event-stream", **headers}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        told = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        asked = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": told}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url + path, json=asked, headers=sent) as response,
        ):
            return response.status, response.headers.get("WWW-Authenticate", ""), await response.text()


@asynccontextmanager
async def mcp_server() -> AsyncIterator[str]:
    """Gives host:port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "mcp_server.py", "0", cwd=HERE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    said = bytearray()
    try:
        async with asyncio.timeout(START_SECONDS):
            while not (found := re.search(rb"running on http://(\S+)", said)):
                line = await process.stdout.readline()
                assert line, said
                said += line
        draining = asyncio.create_task(process.stdout.read())
        yield found[1].decode()
        process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await draining
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def configuration(issuer: str, server: str, identifier: str, routes: list[dict[str, Any]]) -> str:
    return json.dumps(
        {
            "upstream": f"http://{server}",
            "admin": "127.0.0.1:0",
            "limits": {"drain_delay": 0},
            "issuers": [{"issuer": issuer, "audience": [identifier, API]}],
            "resources": {"tools": {"identifier": identifier, "name": "Tools"}},
            "routes": routes,
        }
    )


ROUTES: Final = [
    {"path": "/mcp", "scopes": [READ]},
    {"path": "/admin/mcp", "scopes": [READ, ADMIN], "strip_prefix": "/admin"},
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider() -> AsyncIterator[OidcProvider]:
    async with oidc_provider() as running:
        yield running


@asynccontextmanager
async def world_of(
    provider: OidcProvider, directory: Path, *, path: str, routes: list[dict[str, Any]]
) -> AsyncIterator[World]:
    """`path`: that of the identifier."""
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        await provider.know(url + path, READ, ADMIN)
        server = await stack.enter_async_context(mcp_server())
        (directory / "gateway.yaml").write_text(configuration(provider.issuer, server, url + path, routes))
        # The port is in the identifier, so it is known before there is a gateway.
        gateway = await stack.enter_async_context(
            serving(config=str(directory / "gateway.yaml"), passed={"listen": listener})
        )
        await gateway.ready()
        yield World(provider, gateway, url, server)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(provider: OidcProvider, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    directory = tmp_path_factory.mktemp("mcp")
    async with world_of(provider, directory, path="", routes=ROUTES) as running:
        yield running


@pytest.mark.parametrize("mode", MODES)
async def test_a_client_that_knows_one_url_finds_its_way_and_calls_tools(world: World, mode: str) -> None:
    keeper = Keeper(provider=world.provider)
    async with world.client(keeper, mode=mode) as client:
        tools = await client.list_tools()
        assert {tool.name for tool in tools.tools} == {"add", "count", "who"}
        assert (await client.call_tool("add", {"a": 20, "b": 22})).structured_content == {"result": 42}
        # Whose progress comes before the result comes as a stream of events.
        steps: list[float] = []

        async def heard(progress: float, total: float | None, message: str | None) -> None:
            steps.append(progress)

        counted = await client.call_tool("count", {"to": 3}, progress_callback=heard)
        assert counted.structured_content == {"result": "counted to 3"}
        assert steps == [1, 2, 3]
        # The server is told who calls, and gets no token.
        assert (await client.call_tool("who", {})).structured_content == {"result": f"{SUBJECT}, token: False"}
    assert keeper.tokens is not None
    world.gateway.secrets.append(keeper.tokens.access_token)
    # One login, for what the challenge named, at a client that registered itself.
    assert keeper.scopes() == [{READ}]
    assert keeper.asked[0]["resource"] == [world.url]
    assert keeper.asked[0]["code_challenge_method"] == ["S256"]
    assert keeper.client is not None
    assert keeper.asked[0]["client_id"] == [keeper.client.client_id]
    assert keeper.client.client_id != BROWSER_CLIENT
    log = world.gateway.output.decode()
    assert '"reason":"missing_credential"' in log
    assert f'"path":"{WELL_KNOWN}"' in log


async def test_a_token_that_is_kept_is_used_again(world: World) -> None:
    keeper = Keeper(provider=world.provider)
    for _ in range(2):
        async with world.client(keeper) as client:
            await client.call_tool("add", {"a": 1, "b": 1})
    assert len(keeper.asked) == 1


@pytest.mark.parametrize("mode", MODES)
async def test_a_client_whose_token_lacks_a_scope_steps_up(world: World, mode: str) -> None:
    # One that was registered beforehand: this provider lets those that register themselves ask for no further scopes.
    keeper = Keeper(provider=world.provider, client=known_client())
    async with world.client(keeper, mode=mode) as client:
        await client.call_tool("add", {"a": 1, "b": 1})
    assert keeper.asked[0]["client_id"] == [BROWSER_CLIENT]
    assert keeper.tokens is not None
    status, challenge, _ = await world.ask("/admin/mcp", token=keeper.tokens.access_token)
    assert status == 403
    assert 'error="insufficient_scope"' in challenge
    assert f'scope="{READ} {ADMIN}", resource_metadata="{world.url}{WELL_KNOWN}"' in challenge
    # The same client, which has its token, goes on to what asks for more: 403, a second login, and through.
    async with world.client(keeper, path="/admin/mcp", mode=mode) as client:
        assert (await client.call_tool("add", {"a": 2, "b": 2})).structured_content == {"result": 4}
    assert keeper.scopes() == [{READ}, {READ, ADMIN}]
    assert set((keeper.tokens.scope or "").split()) == {READ, ADMIN}


async def test_a_token_for_another_resource_opens_nothing(world: World) -> None:
    # Its audience is one of the issuer's, so that only the resource can tell.
    other = (await world.provider.login(nonce=None, resource=API)).access_token
    world.gateway.secrets.append(other)
    status, challenge, body = await world.ask(token=other)
    assert (status, json.loads(body)["reason"]) == (401, "wrong_audience")
    assert 'error="invalid_token"' in challenge
    assert f'resource_metadata="{world.url}{WELL_KNOWN}"' in challenge


async def test_a_resource_below_a_path_is_found_by_that(provider: OidcProvider, tmp_path: Path) -> None:
    async with world_of(provider, tmp_path, path="/mcp", routes=[{"path": "/mcp/*", "scopes": [READ]}]) as world:
        well_known = f"{world.url}{WELL_KNOWN}"
        _, challenge, _ = await world.ask()
        assert challenge == f'Bearer realm="api", scope="{READ}", resource_metadata="{well_known}/mcp"'
        async with aiohttp.ClientSession() as session:
            for url in (f"{well_known}/mcp", well_known):
                async with session.get(url) as response:
                    assert (await response.json())["resource"] == f"{world.url}/mcp"
        keeper = Keeper(provider=provider)
        async with world.client(keeper) as client:
            assert (await client.call_tool("add", {"a": 1, "b": 2})).structured_content == {"result": 3}
        assert keeper.asked[0]["resource"] == [f"{world.url}/mcp"]


async def test_what_the_server_holds_against_rebound_names_it_still_does(world: World) -> None:
    """The gateway passes Host and Origin on as they are: what an MCP server compares them with stays the client's."""
    keeper = Keeper(provider=world.provider)
    async with world.client(keeper) as client:
        await client.list_tools()
    assert keeper.tokens is not None
    token = keeper.tokens.access_token
    world.gateway.secrets.append(token)
    host = world.url.removeprefix("http://")
    assert (await world.ask(token=token))[0] == 200
    # The server names ports of loopback: the gateway's is one of these.
    assert (await world.ask(token=token, Host=host))[0] == 200
    assert (await world.ask(token=token, Host="evil.test"))[0] == 421
    assert (await world.ask(token=token, Host=host, Origin=world.url))[0] == 200
    assert (await world.ask(token=token, Host=host, Origin="http://evil.test"))[0] == 403
    # And no other name gets a document that belongs to this one.
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{world.url}{WELL_KNOWN}", headers={"Host": "evil.test"}) as response,
    ):
        assert response.status == 401
