"""Connections whose TLS has not begun yet: counted from the first moment, few at a time, and not for long.

asyncio tells a protocol of its connection only once the handshake is done: whoever never begins one would cost nobody's
place, and everybody's descriptors.
"""

import asyncio
import logging
import socket
import ssl
from typing import Final, cast

from gateway.core.config.file import Config
from gateway.events import HandshakeFailed
from gateway.paced import Pace, PacedTls
from gateway.ports import Observer
from gateway.relay.client.connection import Connection
from gateway.relay.client.listener import Listener
from gateway.relay.client.secure import Secure

#: of all connections that there may be, the part that may be in a handshake: one of so many
PART: Final = 10
#: seconds for which a client's farewell is waited for when a connection ends (RFC 8446 section 6.1)
FAREWELL: Final = 5.0
#: bytes of a response from which on a client has enough to take, as without TLS; the loops would allow eight times that
AHEAD: Final = 64 * 1024
#: seconds after which all is heard that came with a handshake, and its client's end if that came too
SETTLED: Final = 0.1
#: seconds between two lines of the log
PAUSE: Final = 60.0

#: why one failed; what a load balancer does that only asks whether somebody listens is no news
_CLOSED: Final = "closed"
_TIMEOUT: Final = "timeout"
_GAVE_WAY: Final = "gave_way"
_CERTIFICATE: Final = "certificate"
_PROTOCOL: Final = "protocol"

log = logging.getLogger("gateway.relay")


class Handshake(PacedTls):
    """One connection until its TLS has begun."""

    __slots__ = ("is_last",)

    def __init__(self, connection: socket.socket, pace: Pace) -> None:
        super().__init__(connection, pace)
        #: its client is known by authorities of before: its first response is its last
        self.is_last = False


class Handshakes:
    """Those of one listener."""

    def __init__(
        self, listener: Listener, config: Config, secure: Secure, *, max_connections: int, observer: Observer | None
    ) -> None:
        """Needs a running loop. `observer` None: nobody counts what fails."""
        self._listener: Final = listener
        self._secure: Final = secure
        self._most = max(1, max_connections // PART)
        self._timeout = float(config.limits.header_timeout)
        self._observer: Final = observer
        self.pace: Final = Pace()
        #: in the order in which they came
        self._open: Final[dict[Handshake, None]] = {}
        #: of those the tasks, and of others that were cut and have not noticed yet
        self.under_way = 0
        self._failed = 0
        self._last = ""
        self._told_at: float | None = None

    def __repr__(self) -> str:
        return f"<Handshakes {len(self._open)} of at most {self._most}>"

    def reconfigure(self, config: Config, *, max_connections: int) -> None:
        """For those that begin from now on."""
        self._most = max(1, max_connections // PART)
        self._timeout = float(config.limits.header_timeout)

    def have_room(self, count: int) -> bool:
        """Whether so many more can begin without anybody's giving way."""
        return len(self._open) + count <= self._most

    async def run(self, connection: socket.socket) -> None:
        """One handshake to its end, one way or the other. Raises nothing."""
        handshake = Handshake(connection, self.pace)
        if not self._make_room():
            connection.close()
            return
        self._open[handshake] = None
        self.under_way += 1
        failure: OSError | None = None
        try:
            transport = await handshake.begin(self._secure.context, seconds=self._timeout, farewell=FAREWELL)
        except OSError as error:
            failure = error
        else:
            self._completed(handshake, transport)
        finally:
            self.under_way -= 1
            self._forget(handshake)
            self._listener.news.set()
        if failure is not None:
            connection.close()
            self._note(failure, gave_way=handshake.is_cut)

    def _completed(self, handshake: Handshake, transport: asyncio.Transport) -> None:
        """Its connection takes its place."""
        self._forget(handshake)
        if handshake.is_cut:
            transport.abort()
            self._count(_GAVE_WAY)
            return
        transport.set_write_buffer_limits(high=AHEAD)
        connection = Connection(self._listener)
        transport.set_protocol(cast("asyncio.Protocol", connection))
        connection.connection_made(transport)
        if handshake.is_last:
            connection.wire.is_last = True
        handshake.hand_over(cast("asyncio.Protocol", connection))
        self.pace.loop.call_later(SETTLED, connection.wire.settle)

    def make_last(self) -> None:
        """From now on clients are known by other authorities than those under way."""
        for handshake in self._open:
            handshake.is_last = True

    def cut(self) -> None:
        """Ends all of them."""
        for handshake in tuple(self._open):
            self._cut(handshake)

    def look(self, now: float) -> None:
        """Says now and then how many failed. `now`: seconds of the clock."""
        if self._failed and (self._told_at is None or now - self._told_at >= PAUSE):
            log.warning("TLS did not begin on %d connections of late; the last time: %s", self._failed, self._last)
            self._failed = 0
            self._told_at = now

    def _make_room(self) -> bool:
        if len(self._open) >= self._most:
            self._cut(next(iter(self._open)))
        if self._listener.arrives():
            return True
        if not self._open:
            return False
        self._cut(next(iter(self._open)))
        return self._listener.arrives()

    def _cut(self, handshake: Handshake) -> None:
        self._forget(handshake)
        handshake.cut()

    def _forget(self, handshake: Handshake) -> None:
        if handshake in self._open:
            del self._open[handshake]
            self._listener.arrived()

    def _note(self, failure: OSError, *, gave_way: bool) -> None:
        reason = _GAVE_WAY if gave_way else _reason_of(failure)
        self._count(reason)
        if reason not in (_CLOSED, _GAVE_WAY):
            self._failed += 1
            self._last = _shown(failure, reason)

    def _count(self, reason: str) -> None:
        if self._observer is not None:
            self._observer.happened(HandshakeFailed(reason))


def _reason_of(failure: OSError) -> str:
    if isinstance(failure, ssl.SSLCertVerificationError):
        return _CERTIFICATE
    if isinstance(failure, ssl.SSLError):
        return _CERTIFICATE if failure.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE" else _PROTOCOL
    # What the loops raise when their time is over; a client that goes resets.
    return _TIMEOUT if isinstance(failure, ConnectionAbortedError) else _CLOSED


def _shown(failure: OSError, reason: str) -> str:
    """In words of OpenSSL's, of which there is a fixed number."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        return f"the client's certificate: {failure.verify_message}"
    if isinstance(failure, ssl.SSLError) and failure.reason:
        return failure.reason.lower().replace("_", " ")
    return "it took longer than header_timeout" if reason == _TIMEOUT else reason
