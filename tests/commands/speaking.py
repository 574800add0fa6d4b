"""Something behind a port that says what a test wants, whoever asks."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def speaking(said: bytes | None, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Its address. `said`: to each request, and then the end; None: nothing, without end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            if said is None:
                await reader.read()
                return
            writer.write(said)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    yield f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"
    server.close()
    if hasattr(server, "close_clients"):
        server.close_clients()
