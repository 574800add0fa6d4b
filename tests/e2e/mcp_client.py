"""The client that the conformance tests of MCP try: the SDK's, with a gateway between it and the tests' own server.

What the tests' server says of itself is what the gateway is configured with; from then on the client knows nothing but
the gateway's URL, and all that it asks of the tests' authorization server it was told by the gateway.
"""

import json
import re
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
from aiohttp import web
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.utils import build_protected_resource_metadata_discovery_urls
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from process import serving

from gateway.demo.issuer import DemoIssuer

CALLBACK = "http://localhost:3030/callback"
#: what a client is known by that publishes its metadata itself; the tests' server expects this one
METADATA_URL = "https://conformance-test.local/client-metadata.json"


@dataclass
class Published:
    """What the tests' server says of itself."""

    server: str
    scopes: tuple[str, ...]


async def read_published(url: str) -> Published:
    """What an unmodified MCP server says: its challenge, and what it publishes."""
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"Accept": "application/json, text/event-stream"}
    async with aiohttp.ClientSession() as session:
        async with session.post(url, json=asked, headers=accept) as response:
            challenge = response.headers.get("WWW-Authenticate", "")
        told = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        for place in build_protected_resource_metadata_discovery_urls(told.get("resource_metadata"), url):
            async with session.get(place) as response:
                if response.status == 200:
                    document = await response.json()
                    break
        else:
            raise AssertionError("the tests' server publishes nothing")
    scopes = told["scope"].split() if "scope" in told else document.get("scopes_supported", ())
    return Published(document["authorization_servers"][0], tuple(scopes))


@dataclass
class Keeper:
    """What a client remembers, and its browser: the tests' authorization server asks nobody anything."""

    client: OAuthClientInformationFull | None = None
    tokens: OAuthToken | None = None
    _came_back: dict[str, list[str]] = field(default_factory=dict)

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info

    async def open(self, url: str) -> None:
        async with aiohttp.ClientSession() as session, session.get(url, allow_redirects=False) as response:
            self._came_back = parse_qs(urlsplit(response.headers["Location"]).query)

    async def returned(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(**{name: values[0] for name, values in self._came_back.items()})


@asynccontextmanager
async def introspection(identifier: str, scopes: tuple[str, ...]) -> AsyncIterator[str]:
    """What the tests' authorization server lacks (RFC 7662): its tokens mean something to its own server alone."""

    async def respond(request: web.Request) -> web.Response:
        token = (await request.post()).get("token", "")
        if not str(token).startswith("test-token"):
            return web.json_response({"active": False})
        return web.json_response(
            {"active": True, "token_type": "Bearer", "client_id": "x", "aud": identifier, "scope": " ".join(scopes)}
        )

    app = web.Application()
    app.router.add_post("/", respond)
    runner = web.AppRunner(app)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        await runner.cleanup()


def configuration(published: Published, server: str, identifier: str, endpoint: str, directory: Path) -> str:
    # No token of it is signed; it publishes no keys, and need not be asked for them.
    (directory / "jwks.json").write_text(json.dumps(DemoIssuer(url=published.server).jwks()))
    issuer = {
        "issuer": published.server,
        "audience": identifier,
        "jwks_file": str(directory / "jwks.json"),
        "introspection": {"endpoint": endpoint, "auth": "none", "client_id": "gateway"},
    }
    upstream = urlsplit(server)
    return json.dumps(
        {
            "upstreams": {"default": {"url": f"{upstream.scheme}://{upstream.netloc}", "authorization": "keep"}},
            "admin": "127.0.0.1:0",
            "limits": {"drain_delay": 0},
            "issuers": [issuer],
            "bad_tokens": "off",
            "resources": {"tests": {"identifier": identifier, "authorization_servers": [published.server]}},
            "routes": [{"path": "/mcp/*", "scopes": published.scopes}],
        }
    )


async def call(url: str, keeper: Keeper) -> None:
    """What a user of a client does."""
    redirect_uri: Any = CALLBACK
    metadata = OAuthClientMetadata(client_name="conformance", redirect_uris=[redirect_uri])
    auth = OAuthClientProvider(url, metadata, keeper, keeper.open, keeper.returned, client_metadata_url=METADATA_URL)
    async with (
        create_mcp_http_client(auth=auth) as http,
        Client(streamable_http_client(url, http_client=http), mode="legacy") as client,
    ):
        tools = await client.list_tools()
        await client.call_tool(tools.tools[0].name, {})


async def use(server: str, context: dict[str, str]) -> None:
    """Raises when no tool could be called. `server`: the URL of the tests' server; `context`: what is agreed with it before."""
    published = await read_published(server)
    keeper = Keeper()
    if "client_id" in context:
        redirect_uri: Any = CALLBACK
        keeper.client = OAuthClientInformationFull(
            client_id=context["client_id"],
            client_secret=context["client_secret"],
            redirect_uris=[redirect_uri],
            token_endpoint_auth_method="client_secret_basic",
        )
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as listener:
        identifier = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        async with introspection(identifier, published.scopes) as endpoint:
            path = Path(name) / "gateway.yaml"
            path.write_text(configuration(published, server, identifier, endpoint, Path(name)))
            async with serving(config=str(path), passed={"listen": listener}):
                await call(identifier, keeper)
