"""Opaque tokens through the real program: an OpenID provider from npm, replicas that share a Redis."""

import asyncio
import secrets
from pathlib import Path

import pytest
from oidc.provider import API, BROWSER_CLIENT, OPAQUE_API, SERVICE_CLIENT, SERVICE_SECRET, SUBJECT, OidcProvider
from process import START_SECONDS, GatewayProcess, serving
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from gateway.demo.echo import EchoApi
from tests.redis_server import SECRET, RedisServer


def written(folder: Path, provider: OidcProvider, api: str, *, introspection: str = "", more: str = "") -> str:
    (folder / "introspection").write_text(SERVICE_SECRET)
    path = folder / "gateway.yaml"
    path.write_text(
        f"""
listen: 127.0.0.1:0
admin: 127.0.0.1:0
limits: {{drain_delay: 0s}}
upstream: {api}
issuers:
  - issuer: "{provider.issuer}"
    audience: ["{OPAQUE_API}", "{API}"]
    name: npm
    introspection:
      client_id: {SERVICE_CLIENT}
      client_secret: {{file: {folder}/introspection}}
      {introspection}
routes: [{{path: /orders/*, scopes: [read:orders]}}, {{path: /admin/*, scopes: [admin]}}, {{path: /*}}]
{more}
"""
    )
    return str(path)


async def reason(gateway: GatewayProcess, token: str) -> tuple[int, str]:
    status, body, _ = await gateway.ask(token)
    return status, str(body.get("reason", ""))


async def until_refused(gateway: GatewayProcess, token: str) -> tuple[int, str]:
    """What it is refused with, once it is."""
    async with asyncio.timeout(START_SECONDS):
        while (found := await reason(gateway, token))[0] == 200:  # noqa: ASYNC110 -- another process
            await asyncio.sleep(0.1)
    return found


async def test_an_opaque_token_is_admitted_until_it_is_withdrawn_and_no_other_kind_of_token_is(
    provider: OidcProvider, api: EchoApi, tmp_path: Path
) -> None:
    tokens = await provider.login(nonce="n", resource=OPAQUE_API)
    assert tokens.access_token.count(".") == 0
    jwt = (await provider.login(nonce=None, resource=API)).access_token
    async with serving(config=written(tmp_path, provider, api.url, introspection="cache: 1s")) as gateway:
        await gateway.ready()
        for path, expected in (("/orders/1", 200), ("/admin/1", 403), ("/orders/2", 200)):
            status, body, _ = await gateway.ask(tokens.access_token, path=path)
            assert status == expected
        headers = {name.lower(): value for name, value in body["headers"]}
        assert (headers["x-user-id"], headers["x-client-id"]) == (SUBJECT, BROWSER_CLIENT)
        assert headers["x-token-scopes"] == "read:orders"
        assert "authorization" not in headers
        # This provider says active: true of a refresh token as well, and scope, and nothing else.
        assert await reason(gateway, tokens.refresh_token) == (401, "unclassified_token")
        assert await reason(gateway, tokens.id_token) == (401, "id_token")
        assert await reason(gateway, secrets.token_urlsafe(32)) == (401, "token_inactive")
        assert await reason(gateway, jwt) == (200, "")
        await provider.revoke(tokens.access_token)
        assert await until_refused(gateway, tokens.access_token) == (401, "token_inactive")
        page = (await gateway.admin("/metrics"))[1]
        assert 'gateway_introspections_total{issuer="npm",result="inactive"}' in page
        assert "gateway_introspection_seconds_count" in page


async def test_our_credentials_refused_are_503_and_loud(provider: OidcProvider, api: EchoApi, tmp_path: Path) -> None:
    token = (await provider.login(nonce=None, resource=OPAQUE_API)).access_token
    config = written(tmp_path, provider, api.url)
    (tmp_path / "introspection").write_text("another secret")
    async with serving(config=config) as gateway:
        await gateway.ready()
        status, body, headers = await gateway.ask(token)
        assert (status, body["reason"]) == (503, "introspection_unavailable")
        assert int(headers["Retry-After"]) >= 1
        await gateway.wait_for("does not say whether tokens are active: it refuses the gateway's own credentials")
        status, said = await gateway.admin("/readyz")
        assert (status, "introspection: it refuses" in said) == (200, True)


async def test_what_one_replica_was_told_serves_all_and_nobody_can_read_it(
    provider: OidcProvider, api: EchoApi, redis: RedisServer, tmp_path: Path
) -> None:
    token = (await provider.login(nonce=None, resource=OPAQUE_API)).access_token
    (tmp_path / "secret").write_text(SECRET)
    store = f'store: {{url: "{redis.url}", secrets: [{{file: {tmp_path}/secret}}]}}'
    config = written(tmp_path, provider, api.url, more=store)
    async with serving(config=config) as one, serving(config=config) as other:
        for gateway in (one, other):
            await gateway.ready()
            assert await reason(gateway, token) == (200, "")
        assert 'gateway_introspections_total{issuer="npm",result="shared"} 1.0' in (await other.admin("/metrics"))[1]
        keys = redis.ask("KEYS", "*")
        values = [redis.ask("GET", key) for key in keys if redis.ask("TYPE", key) in {b"string", "string"}]
        assert values
        assert not any(piece in text for text in (*keys, *values) for piece in (token.encode(), SUBJECT.encode()))


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def test_a_websocket_ends_when_its_token_is_withdrawn(provider: OidcProvider, tmp_path: Path) -> None:
    token = (await provider.login(nonce=None, resource=OPAQUE_API)).access_token
    kept = (await provider.login(nonce=None, resource=OPAQUE_API)).access_token
    async with serve(echo, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        async with serving(config=written(tmp_path, provider, url, introspection="cache: 1s")) as gateway:
            await gateway.ready()
            address = gateway.url.replace("http", "ws", 1)
            ended, other = [
                await connect(address, additional_headers={"Authorization": f"Bearer {each}"}) for each in (token, kept)
            ]
            await ended.send("here")
            assert await ended.recv() == "here"
            await provider.revoke(token)
            with pytest.raises(ConnectionClosed):
                async with asyncio.timeout(START_SECONDS):
                    await ended.recv()
            await gateway.wait_for("1 streams and tunnels were ended: their tokens are not active any more")
            await other.send("still here")
            assert await other.recv() == "still here"
            await other.close()
