"""A token that its provider withdraws ends the WebSockets that were opened with it, once it is asked about again."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from oidc.provider import OPAQUE_API, SERVICE_CLIENT, SERVICE_SECRET, OidcProvider
from process import serving
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

PATIENCE = 30.0


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def test_a_websocket_ends_when_its_token_is_inactive_at_its_issuer(
    provider: OidcProvider, tmp_path: Path
) -> None:
    secret, path = tmp_path / "secret", tmp_path / "gateway.yaml"
    secret.write_text(SERVICE_SECRET)
    async with asyncio.timeout(PATIENCE), serve(echo, "127.0.0.1", 0) as api:
        port = next(iter(api.sockets)).getsockname()[1]
        introspection = {"client_id": SERVICE_CLIENT, "client_secret": {"file": str(secret)}, "cache": "1s"}
        issuer = {"issuer": provider.issuer, "audience": OPAQUE_API, "name": "npm", "introspection": introspection}
        settings = {
            "upstream": f"http://127.0.0.1:{port}",
            "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0",
            "limits": {"drain_delay": 0, "drain": 1},
            "issuers": [issuer],
        }
        path.write_text(json.dumps(settings))
        kept, withdrawn = [(await provider.login(nonce=None, resource=OPAQUE_API)).access_token for _ in range(2)]
        async with serving(config=str(path)) as gateway:
            await gateway.ready()
            url = gateway.url.replace("http", "ws", 1)

            async def opened(token: str) -> ClientConnection:
                gateway.secrets.append(token)
                client = await connect(url, additional_headers={"Authorization": f"Bearer {token}"}, proxy=None)
                await client.send("a")
                assert await client.recv() == "a"
                return client

            ends, goes_on = await opened(withdrawn), await opened(kept)
            await provider.revoke(withdrawn)
            began = time.monotonic()
            with pytest.raises(ConnectionClosed) as told:
                await ends.recv()
            assert told.value.rcvd is not None
            assert (told.value.rcvd.code, told.value.rcvd.reason) == (1008, "token_inactive")
            # A second for which it was believed, one to the next look, and what the machine takes.
            assert time.monotonic() - began < 4
            await goes_on.send("still here")
            assert await goes_on.recv() == "still here"
            await goes_on.close()
            await gateway.wait_for("1 streams and tunnels were ended: their tokens are not active any more")
        assert gateway.leaked() == []
        assert b"Traceback" not in gateway.output
