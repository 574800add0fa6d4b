"""TLS that begins on many connections at once, a few milliseconds of it in each turn of the loop."""

# Theory of operation
#
# What a client says first, and its certificate, cost most of a millisecond of signing and verifying, and the loops hear
# all connections that have something to say in one turn: hundreds of them would hold up everybody else. So there is
# somebody between the socket and the loop's TLS, until that has begun: what is read is handed on only while the turn
# has time for it, and waits in the order in which it came else. Who says nothing waits for nobody, and nobody for it.
#
# What counts is what was read, not how many have begun: clients may open connections one by one, say half of what they
# have to say on each, and the rest on all of them at the same moment; and a second time with their certificates.

import asyncio
import contextlib
import socket
import ssl
import time
from collections import deque
from typing import Final, cast

from gateway.tls_memory import with_memory_of_its_own

#: seconds of one turn of the loop
TURN: Final = 0.002
#: bytes that are read at a time, and of those that wait for their turn the most; far more than a handshake takes
READ: Final = 16 * 1024


class Pace:
    """Whose TLS goes on when."""

    def __init__(self) -> None:
        """Needs a running loop."""
        self.loop: Final = asyncio.get_running_loop()
        #: where all of them are read
        self.read: Final = bytearray(READ)
        self._waiting: Final[deque[PacedTls]] = deque()
        #: when this turn has no time left, in seconds of the clock; 0: none was asked for
        self._turn_ends = 0.0

    def __repr__(self) -> str:
        return f"<Pace, {len(self._waiting)} waiting>"

    @property
    def is_behind(self) -> bool:
        """Somebody waits for a turn: who is not here yet can wait with the kernel."""
        return bool(self._waiting)

    def hear(self, one: "PacedTls") -> None:
        """Something came of it: in this turn, or one to come."""
        self._waiting.append(one)
        if not self._turn_ends:
            self._begin_turn()
        self._go_on()

    def _begin_turn(self) -> None:
        if not self._waiting:
            self._turn_ends = 0.0
            return
        self._turn_ends = time.monotonic() + TURN
        self.loop.call_soon(self._begin_turn)
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and time.monotonic() < self._turn_ends:
            self._waiting.popleft().pass_on()


class PacedTls(asyncio.BufferedProtocol):
    """One connection until its TLS has begun. A protocol of the socket's transport, and of nobody else's concern."""

    __slots__ = ("_early", "_heard", "_is_over", "_pace", "_socket", "_tls", "_transport", "is_cut")

    #: of the socket; from connection_made on
    _transport: asyncio.Transport

    def __init__(self, connection: socket.socket, pace: Pace) -> None:
        self._socket: Final = connection
        self._pace: Final = pace
        #: the loop's, while this one stands in front of it
        self._tls: asyncio.BufferedProtocol | None = None
        self._heard = b""
        self._early: Final = _Early()
        #: nothing more comes behind what was heard
        self._is_over = False
        self.is_cut = False

    async def begin(self, context: ssl.SSLContext, *, seconds: float, farewell: float) -> asyncio.Transport:
        """The transport of TLS, which has begun. OSError: it did not begin.

        Whoever awaits it gives it a protocol at once, and that to `hand_over`, for what came already.
        `seconds`: for which it may take; `farewell`: for which the client's is waited for in the end.
        """
        await self._pace.loop.connect_accepted_socket(lambda: self, self._socket)
        if self._transport.is_closing():
            raise ConnectionResetError
        # Before anything else that start_tls asks of the loop.
        self._pace.loop.call_soon(self._step_between)
        beginning = self._pace.loop.start_tls(
            self._transport,
            self._early,
            context,
            server_side=True,
            ssl_handshake_timeout=seconds,
            ssl_shutdown_timeout=farewell,
        )
        transport = await with_memory_of_its_own(beginning)
        if transport is None or self._tls is None:
            # asyncio says nothing of a connection that is lost in the turn in which TLS begins.
            raise ConnectionResetError
        return transport

    def hand_over(self, protocol: asyncio.Protocol) -> None:
        """From here on it is a connection as any other, of this protocol, which has its transport already."""
        if self._early.data:
            protocol.data_received(self._early.data)
            self._early.data = b""  # uvloop goes on to know both of us
        if self._tls is not None:
            self._transport.set_protocol(self._tls)
            self.pass_on()
            if self._is_over:
                # uvloop reads what came with the end of a handshake in a moment of its own, which is before that.
                self._pace.loop.call_soon(self._tell_end, self._tls)
            self._tls = None

    def cut(self) -> None:
        """Ends it: its transport hears that nothing more comes. The loops' own cannot be cut before TLS has begun."""
        self.is_cut = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def pass_on(self) -> None:
        """It is its turn."""
        data, self._heard = self._heard, b""
        if self._tls is not None:
            if data and not self.is_cut:
                self._tls.get_buffer(len(data))[: len(data)] = data  # type: ignore[index]
                self._tls.buffer_updated(len(data))
            self._transport.resume_reading()
            if self._is_over:
                # Who has just begun TLS is handed over before that.
                self._pace.loop.call_soon(self._end)

    def _step_between(self) -> None:
        self._tls = cast("asyncio.BufferedProtocol", self._transport.get_protocol())
        self._transport.set_protocol(self)
        if self._heard:
            self._pace.hear(self)
        elif self._is_over:
            self._end()

    def _end(self) -> None:
        """Nothing more comes, and all that came before had its turn; unless it was handed over meanwhile."""
        if self._tls is not None and not self._heard:
            self._tell_end(self._tls)

    def _tell_end(self, tls: asyncio.BufferedProtocol) -> None:
        """TLS has no half."""
        if not tls.eof_received():
            self._transport.close()

    # Of the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Where to write what comes."""
        return self._pace.read

    def buffer_updated(self, nbytes: int) -> None:
        """Kept until its turn."""
        is_first = not self._heard
        self._heard += self._pace.read[:nbytes]
        if len(self._heard) > READ:
            self._transport.pause_reading()
        if is_first and self._tls is not None:
            self._pace.hear(self)

    def eof_received(self) -> bool:
        """Told once what was heard before has had its turn; the transport stays until then."""
        self._is_over = True
        if self._tls is not None and not self._heard:
            self._pace.loop.call_soon(self._end)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """To the loops' TLS a connection that ends without an error is one that has begun."""
        tls, self._tls = self._tls, None
        if tls is not None:
            tls.connection_lost(exc or ConnectionResetError())

    def pause_writing(self) -> None:
        """The client takes less than is written."""
        if self._tls is not None:
            self._tls.pause_writing()

    def resume_writing(self) -> None:
        """It takes more again."""
        if self._tls is not None:
            self._tls.resume_writing()


class _Early(asyncio.Protocol):
    """Hears what came right behind a handshake, before anybody else can."""

    __slots__ = ("data",)

    def __init__(self) -> None:
        self.data = b""

    def data_received(self, data: bytes) -> None:
        """Kept."""
        self.data += data
