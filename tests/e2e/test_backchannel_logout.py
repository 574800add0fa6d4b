"""A real OpenID provider tells of a logout, and what was open at the real program ends."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from oidc.provider import API, BROWSER_CLIENT, SUBJECT, OidcProvider
from process import GatewayProcess, serving
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.redis_server import SECRET, RedisServer

PATIENCE = 20.0
PATH = "/.gateway/backchannel-logout/provider"


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def written(
    directory: Path, *, upstream: str, issuer: str, workers: int = 1, store: Any = None, **revocation: Any
) -> str:
    config = {
        **({} if store is None else {"store": store}),
        "upstream": upstream,
        "listen": "127.0.0.1:0",
        "admin": "127.0.0.1:0",
        "limits": {"drain_delay": 0, "drain": 1},
        "workers": workers,
        "revocation": revocation,
        "issuers": [
            {
                "issuer": issuer,
                "audience": API,
                "name": "provider",
                "backchannel_logout": {"client_ids": [BROWSER_CLIENT]},
            }
        ],
    }
    path = directory / "gateway.yaml"
    path.write_text(json.dumps(config))
    return str(path)


async def opened(gateway: GatewayProcess, token: str) -> ClientConnection:
    gateway.secrets.append(token)
    url = gateway.url.replace("http", "ws", 1) + "/chat"
    client = await connect(url, additional_headers={"Authorization": f"Bearer {token}"}, proxy=None)
    await client.send("a")
    assert await client.recv() == "a"
    return client


async def closed(client: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as told:
        await client.recv()
    assert told.value.rcvd is not None
    return told.value.rcvd.code, told.value.rcvd.reason


async def metric(gateway: GatewayProcess, result: str) -> bool:
    _, page = await gateway.admin("/metrics")
    return f'gateway_backchannel_logouts_total{{issuer="provider",result="{result}"}} 1.0' in page


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_logout_at_the_provider_ends_what_was_opened_with_its_tokens(
    provider: OidcProvider, tmp_path: Path, workers: int
) -> None:
    async with asyncio.timeout(PATIENCE), serve(echo, "127.0.0.1", 0) as api:
        port = next(iter(api.sockets)).getsockname()[1]
        config = written(
            tmp_path,
            upstream=f"http://127.0.0.1:{port}",
            issuer=provider.issuer,
            workers=workers,
            file=str(tmp_path / "revoked"),
        )
        async with serving(config=config) as gateway, provider.logged_in(resource=API) as browser:
            await gateway.ready()
            await provider.post_logouts_to(gateway.url + PATH)
            # Of several workers each has some of them.
            clients = [await opened(gateway, browser.tokens.access_token) for _ in range(4 * workers)]
            machine = await opened(gateway, await provider.client_credentials(API))
            # The provider gives the tokens of another login in the same second; this one is older.
            await asyncio.sleep(1.1)
            await browser.log_out()
            began = time.monotonic()
            for told in await asyncio.gather(*map(closed, clients)):
                assert told == (1008, "token_revoked")
            # A second, and what a busy machine takes.
            assert time.monotonic() - began < 2.5
            for _ in range(4 * workers):
                status, body, _ = await gateway.ask(browser.tokens.access_token)
                assert (status, body["reason"]) == (401, "token_revoked")
            await machine.send("still here")
            assert await machine.recv() == "still here"
            await machine.close()
            assert await metric(gateway, "ok")
            await gateway.wait_for("issuer provider: a logout was heard: ok")
            # Whoever logs in again is let in again.
            await asyncio.sleep(1.1)
            again = await provider.login(nonce=None, resource=API)
            await (await opened(gateway, again.access_token)).close()
        assert gateway.leaked() == []
        assert b"Traceback" not in gateway.output


async def test_what_one_replica_hears_ends_what_is_open_at_another(
    provider: OidcProvider, tmp_path: Path, redis: RedisServer
) -> None:
    secret = tmp_path / "store-secret"
    async with asyncio.timeout(2 * PATIENCE), serve(echo, "127.0.0.1", 0) as api:
        port = next(iter(api.sockets)).getsockname()[1]
        secret.write_text(SECRET)
        config = written(
            tmp_path,
            upstream=f"http://127.0.0.1:{port}",
            issuer=provider.issuer,
            store={"url": redis.url, "secrets": [{"file": str(secret)}]},
        )
        async with serving(config=config) as hears, serving(config=config) as serves:
            await hears.ready()
            await serves.ready()
            await provider.post_logouts_to(hears.url + PATH)
            async with provider.logged_in(resource=API) as browser:
                clients = [await opened(serves, browser.tokens.access_token) for _ in range(5)]
                machine = await opened(serves, await provider.client_credentials(API))
                await asyncio.sleep(1.1)
                began = time.monotonic()
                await browser.log_out()
                for told in await asyncio.gather(*map(closed, clients)):
                    assert told == (1008, "token_revoked")
                # The second for which the provider was busy is among it.
                assert time.monotonic() - began < 2
            await machine.send("still here")
            assert await machine.recv() == "still here"
            await machine.close()
        assert b"Traceback" not in hears.output + serves.output
        assert serves.leaked() == []
        # Nothing in Redis says who it was.
        dumped = repr(redis.dump())
        assert "revocation" in dumped
        assert SUBJECT not in dumped
