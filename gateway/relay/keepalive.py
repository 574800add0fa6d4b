"""Has the kernel ask the other side of a silent connection whether it lives (SO_KEEPALIVE)."""

import socket
from typing import Final, Protocol

#: seconds of silence before it is asked, seconds between two questions, and how many of them are in vain: two minutes
_OPTIONS: Final = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))


class Socket(Protocol):
    """What this needs of a socket, or of what a transport shows of one."""

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        """Sets an option (socket(7), tcp(7))."""


def keep_asking(tcp: Socket) -> None:
    """Turns it on for a TCP socket; what is accepted from a listening one has it from there (tcp(7)). OSError."""
    for option, value in _OPTIONS:
        tcp.setsockopt(socket.IPPROTO_TCP, option, value)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
