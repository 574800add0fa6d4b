"""How a client's connection ends: a whole response arrives, half of one never looks whole, and who left is noticed."""

import asyncio
import contextlib
import select
import socket
import struct
from collections.abc import Callable
from typing import Protocol

from gateway.core.errors import Refusal

#: seconds for which the rest of a refused body is read and dropped, so that the response is not lost in a reset
LINGERING = 1
#: SO_LINGER (socket(7)): on, for no time at all
_RESET = struct.pack("ii", 1, 0)


class Rest(Protocol):
    """A body of which something may still come."""

    async def read(self) -> bytes:
        """The next piece; empty at its end. A Refusal: there is no such end."""


def reset(transport: asyncio.Transport) -> None:
    """Cuts a connection by a reset: to an HTTP/1.0 client a mere end would make what it has look whole."""
    # None, or an error: closed already.
    with contextlib.suppress(OSError, ValueError):
        if (open_socket := transport.get_extra_info("socket")) is not None:
            open_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


def has_left(transport: asyncio.Transport) -> bool:
    """Whether the other side has ended the connection, which nobody hears of while reading is paused."""
    with contextlib.suppress(OSError, ValueError):
        if (open_socket := transport.get_extra_info("socket")) is not None:
            poll = select.poll()
            poll.register(open_socket.fileno(), select.POLLRDHUP)
            return bool(poll.poll(0))
    return False


async def linger(transport: asyncio.Transport, body: Rest | None, *, deafen: Callable[[], None]) -> None:
    """Ends our side only: closing while the client still sends would reset the connection, response included.

    `deafen` is called when the body has ended: what comes then is dropped. Ends with the client, or after LINGERING.
    """
    transport.write_eof()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGERING):
            # Whoever read the body until now lets go of it first.
            await asyncio.sleep(0)
            with contextlib.suppress(Refusal):
                while body is not None and await body.read():
                    pass
            deafen()
            await asyncio.get_running_loop().create_future()
