"""After 101: bytes both ways, unread, at the pace of the slower side, until one side ends.

Each side's protocol calls in here; there is no task between them. Of frames only those of the API are told apart.
"""

import asyncio
from typing import Protocol

from gateway.core.errors import ClientDisconnected
from gateway.messages import Stream
from gateway.relay.frames import Frames
from gateway.relay.waiting import Signal

#: seconds for which the other side may still take what was written when one side has ended
LAST_WORDS = 5.0


class ClientSide(Protocol):
    """What a tunnel needs of the client's connection."""

    def write(self, data: bytes) -> None:
        """Bytes for the client. ClientDisconnected."""

    def hold(self, *, held: bool) -> None:
        """Stops reading from the client, or reads again."""


class Tunnel:
    """One client and one upstream, once both left HTTP."""

    def __init__(self, client: ClientSide, upstream: Stream) -> None:
        """Needs a running loop."""
        self._client = client
        self._upstream = upstream
        self._loop = asyncio.get_running_loop()
        self._has_ended = False
        self._ended = Signal(self._loop)
        self._frames = Frames()
        #: the Close of ours that the client is to get; empty for now
        self._goodbye = b""
        #: it has got it: nothing may follow
        self._has_left = False
        #: bytes from and to the client
        self.bytes_in = self.bytes_out = 0

    async def run(self, early: bytes) -> None:
        """Until one side ends. `early`: what the client sent before it had its 101."""
        if tail := self._upstream.start(self):
            self.from_upstream(tail)
        if early:
            self.from_client(early)
        try:
            if not self._has_ended:
                await self._ended.next()
        finally:
            self._upstream.close()
            self._loop.call_later(LAST_WORDS, self._upstream.abort)

    def from_client(self, data: bytes) -> None:
        """To the upstream."""
        self.bytes_in += len(data)
        self._upstream.write(data)

    def from_upstream(self, data: bytes) -> None:
        """To the client."""
        if self._has_left:
            return
        followed = self._frames.follow(data, to_end=bool(self._goodbye))
        if followed < len(data):
            data = data[:followed]
        self._to_client(data)
        if self._goodbye:
            self._leave()

    def leave(self, goodbye: bytes) -> None:
        """Tells the client why this ends, by a Close of ours (RFC 6455 section 5.5.1), once a frame has ended.

        From then on nothing goes to the client any more, while its own Close goes up as all it sends. So both sides end
        in good order, if they do so soon: whoever runs the tunnel need not wait for long. Only the first one counts.
        """
        self._goodbye = self._goodbye or goodbye
        self._leave()

    def _leave(self) -> None:
        if not self._has_left and self._frames.is_between:
            self._has_left = True
            self._to_client(self._goodbye)

    def _to_client(self, data: bytes) -> None:
        self.bytes_out += len(data)
        try:
            self._client.write(data)
        except ClientDisconnected:
            self._end()

    def upstream_ready(self, *, ready: bool) -> None:
        """The upstream takes bytes, or no more for now."""
        self._client.hold(held=not ready)

    def client_ready(self, *, ready: bool) -> None:
        """The client takes bytes, or no more for now."""
        self._upstream.hold(held=not ready)

    def upstream_lost(self) -> None:
        """The upstream ended: the client gets what was written, then the end."""
        self._end()

    def _end(self) -> None:
        self._has_ended = True
        self._ended.wake()
