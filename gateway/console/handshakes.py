"""Connections to the console whose TLS has not begun: few at a time, and not for long.

asyncio tells nobody of a connection before that: each would hold a descriptor that the traffic needs.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Final

#: at a time; one more, and the oldest gives way
MOST: Final = 16
#: seconds for one
TIMEOUT: Final = 5.0
#: seconds until the next is accepted where the machine lets none be
_PAUSE: Final = 0.5


class Handshakes:
    """Accepts connections of a listening socket, until `stop`."""

    def __init__(
        self, listening: socket.socket, tls: ssl.SSLContext, protocol: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        """Needs a running loop. `protocol`: makes what a connection gets whose TLS has begun."""
        self._listening = listening
        self._tls = tls
        self._protocol = protocol
        #: in the order in which they came
        self._open: dict[socket.socket, asyncio.Task[None]] = {}
        self._accepting = asyncio.create_task(self._accept(), name="TLS of the console")

    def __repr__(self) -> str:
        return f"<Handshakes {len(self._open)} of at most {MOST}>"

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection = None
            with contextlib.suppress(OSError):
                connection, _ = await loop.sock_accept(self._listening)
            if connection is None:
                await asyncio.sleep(_PAUSE)
                continue
            if len(self._open) >= MOST:
                self._end(next(iter(self._open)))
            self._open[connection] = asyncio.create_task(self._begin(connection), name="TLS of a connection")

    async def _begin(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                self._protocol, connection, ssl=self._tls, ssl_handshake_timeout=TIMEOUT, ssl_shutdown_timeout=1.0
            )
        except OSError:
            connection.close()
        finally:
            self._open.pop(connection, None)

    def _end(self, connection: socket.socket) -> None:
        del self._open[connection]
        # Its transport hears that nothing more comes.
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    async def stop(self) -> None:
        """Accepts none any more, and ends those under way."""
        tasks = (self._accepting, *self._open.values())
        for connection in tuple(self._open):
            self._end(connection)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listening.close()
