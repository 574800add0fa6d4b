"""How a client's connection ends: a whole response arrives, half of one never looks whole, and who left is noticed."""

import asyncio
import contextlib
import fcntl
import select
import socket
import struct
import sys
import termios
from typing import Final

#: SO_LINGER (socket(7)): on, for no time at all
_RESET: Final = struct.pack("ii", 1, 0)


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


def unacknowledged(transport: asyncio.Transport) -> int:
    """Bytes that the kernel holds for the other side's (SIOCOUTQ of tcp(7) and unix(7)); 0 where nobody can tell."""
    with contextlib.suppress(OSError, ValueError):
        if (open_socket := transport.get_extra_info("socket")) is not None:
            count = fcntl.ioctl(open_socket.fileno(), termios.TIOCOUTQ, bytes(4))
            return int.from_bytes(count, sys.byteorder)
    return 0


def end_writing(transport: asyncio.Transport) -> None:
    """Tells the other side that nothing more comes, where that can be said without closing: not over TLS."""
    if transport.can_write_eof():
        transport.write_eof()
