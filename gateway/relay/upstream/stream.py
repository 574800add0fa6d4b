"""A connection that left HTTP: bytes both ways, unread. Takes the place of its protocol on the transport."""

import asyncio

from gateway.messages import Receiver
from gateway.relay.upstream.connection import UpstreamConnection


class UpstreamStream(asyncio.Protocol):
    """The upstream's end of a tunnel."""

    def __init__(self, connection: UpstreamConnection) -> None:
        """`connection`: its response was a 101."""
        self._connection = connection
        self._receiver: Receiver | None = None

    def start(self, receiver: Receiver) -> bytes:
        """From now on the receiver hears of everything. Gives the bytes that came behind the head of the 101."""
        self._receiver = receiver
        return self._connection.hand_over(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of the new protocol."""
        if self._receiver is not None:
            self._receiver.from_upstream(data)

    def pause_writing(self) -> None:
        """The upstream takes less than is written."""
        if self._receiver is not None:
            self._receiver.upstream_ready(ready=False)

    def resume_writing(self) -> None:
        """It takes more again."""
        if self._receiver is not None:
            self._receiver.upstream_ready(ready=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """The upstream ended, or was ended."""
        self._connection.connection_lost(exc)
        if self._receiver is not None:
            self._receiver.upstream_lost()
            self._receiver = None  # or both would wait for the collector of cycles

    def write(self, data: bytes) -> None:
        """Bytes for the upstream, whatever became of it."""
        if (transport := self._connection.open_transport) is not None:
            transport.write(data)

    def hold(self, *, held: bool) -> None:
        """Stops reading from the upstream, or reads again."""
        transport = self._connection.open_transport
        if transport is not None and held:
            transport.pause_reading()
        elif transport is not None:
            transport.resume_reading()

    def close(self) -> None:
        """Ends it once what was written is sent."""
        self._connection.close()

    def abort(self) -> None:
        """Ends it at once."""
        self._connection.abort()
