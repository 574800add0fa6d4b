"""The way to one client: writing at its pace, holding back what it sends, and how it ends. Parses nothing."""

import asyncio
from typing import Final

from gateway.core.errors import ClientDisconnected, Refusal
from gateway.relay.client.closing import end_writing, has_left, reset, unacknowledged
from gateway.relay.client.peer import Peer
from gateway.relay.outbox import LARGEST, outbox_of
from gateway.relay.waiting import FlowControl

#: seconds that our own farewell has to get on its way
FAREWELL: Final = 0.1
#: bytes in the kernel from which on there may be more that it has not taken yet: what it has arrives, come what may
_FULL: Final = 4096


class Wire:
    """What an exchange and a tunnel need of their connection."""

    __slots__ = (
        "_closes",
        "_did_move",
        "_had",
        "_is_held",
        "_is_new",
        "_own_from",
        "_own_to",
        "_soon",
        "_stalled_since",
        "_taken",
        "cut_by",
        "flow",
        "is_gone",
        "is_last",
        "outbox",
        "peer",
        "transport",
        "written",
    )

    def __init__(self, transport: asyncio.Transport, peer: Peer) -> None:
        """Needs a running loop."""
        #: it is kept when the connection has ended
        self.transport: Final = transport
        self.peer = peer
        loop = asyncio.get_running_loop()
        self.flow: Final = FlowControl(loop)
        #: what is written at the end of this turn of the loop
        self.outbox: Final = outbox_of(loop)
        self._soon = b""
        #: nothing waits for that: TLS hears of its client's end without us, and that may come in the turn in which its
        #: handshake ends, behind all that the client had to say
        self._is_new = peer.scheme == "https"
        #: the next response ends it
        self.is_last = False
        #: why the gateway itself cut it, if it did
        self.cut_by: Refusal | None = None
        #: there is no client any more
        self.is_gone = False
        #: nothing is read
        self._is_held = False
        #: it ends once what was written is on its way: the end of TLS has a time of its own, and loses the rest
        self._closes = False
        #: bytes that were written, bytes the client had taken when somebody last looked, and since when no more
        self.written = self._taken = 0
        self._stalled_since: float | None = None
        #: the last bytes that were written are the gateway's own, from here to there; of somebody else where more came
        self._own_from = self._own_to = 0
        #: bytes that the client had when somebody last looked (-1: nobody did), and whether it had got some before that
        self._had = -1
        self._did_move = False

    def __repr__(self) -> str:
        end = "gone" if self.is_gone else "closing" if self.transport.is_closing() else "open"
        return f"<Wire {end}{', full' if self.is_full else ''}{', held' if self._is_held else ''}>"

    def meet(self, peer: Peer) -> None:
        """The same at the other end, seen by what is configured now; nobody, where it has left."""
        if peer.address:
            self.peer = peer

    @property
    def is_open(self) -> bool:
        """Something can be written."""
        return not (self.is_gone or self._closes or self.transport.is_closing())

    @property
    def is_ending(self) -> bool:
        """It was closed, and its client has yet to take what was written."""
        return self._closes and not self.is_gone

    @property
    def is_full(self) -> bool:
        """The client takes less than is written: wait for `drained`."""
        return self.flow.is_paused

    @property
    def is_held(self) -> bool:
        """Nothing is read from the client."""
        return self._is_held

    @property
    def untaken(self) -> int:
        """Bytes that were written, and that the client has not taken."""
        return self.transport.get_write_buffer_size() + len(self._soon)

    def write(self, data: bytes) -> None:
        """Writes. ClientDisconnected."""
        transport = self.transport
        if self.is_gone or self._closes or transport.is_closing():
            raise ClientDisconnected("the connection is closed")
        self.written += len(data)
        if self._soon:
            data = self._soon + data
            self._soon = b""
        transport.write(data)

    def write_soon(self, data: bytes) -> None:
        """Writes, with what others write in this turn of the loop. ClientDisconnected."""
        if not self.is_open:
            raise ClientDisconnected("the connection is closed")
        if self._is_new or len(self._soon) + len(data) > LARGEST or not (self._soon or self.outbox.takes(self)):
            self.write(data)
        else:
            self.written += len(data)
            self._soon += data

    def send(self) -> None:
        """Writes what is to be written in this turn now."""
        data, self._soon = self._soon, b""
        if data and not (self.is_gone or self.transport.is_closing()):
            self.transport.write(data)

    def settle(self) -> None:
        """It is not new any more."""
        self._is_new = False

    def is_owed(self) -> bool:
        """Whether the client has yet to take of what was written, or was to be, which is sent before."""
        self.send()
        return self.untaken > 0

    def write_own(self, data: bytes, *, soon: bool = False) -> None:
        """Writes what the gateway says itself, and the client can ask for again. ClientDisconnected.

        `soon`: as by `write_soon`.
        """
        if self.written != self._own_to:
            self._own_from = self.written
        if soon:
            self.write_soon(data)
        else:
            self.write(data)
        self._own_to = self.written

    @property
    def owes_only_own(self) -> bool:
        """Whether nothing but what the gateway says itself is left to be taken."""
        return self.written == self._own_to and self.written - self.untaken >= self._own_from

    def has_moved(self) -> bool:
        """Whether the client, its kernel included, has more of what was written than when somebody last looked.

        Once it is said as well of one that had when `note_movement` looked.
        """
        did_move, self._did_move = self._did_move, False
        return self._has_more() or did_move

    def note_movement(self) -> None:
        """Looks whether it has."""
        self._did_move = self._has_more() or self._did_move

    def _has_more(self) -> bool:
        had, self._had = self._had, self.written - self.untaken - unacknowledged(self.transport)
        return self._had > had >= 0

    async def drained(self) -> None:
        """Waits while the client takes nothing. ClientDisconnected."""
        if self.flow.is_paused and not self.is_gone:
            await self.flow.drained()
        if self.is_gone:
            raise ClientDisconnected("the connection broke while it was written to")

    def hold(self, *, held: bool) -> None:
        """Stops reading from the client, or reads again."""
        if held != self._is_held and not self.transport.is_closing():
            self._is_held = held
            if held:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    # Ends

    def lose(self) -> None:
        """There is no client any more."""
        self.is_gone = True
        self._soon = b""
        self.flow.resume()

    def close(self) -> None:
        """Ends it once what was written is sent. May be called twice."""
        self.send()
        if self.peer.scheme == "https" and self._owed() > _FULL:
            self._closes = True
        # asyncio's transports of TLS cannot be aborted any more once they were closed twice.
        elif not self.transport.is_closing():
            self.transport.close()

    def _owed(self) -> int:
        """Bytes that the client has not, as far as somebody can tell: below TLS there is another buffer."""
        return 0 if self.is_gone else self.untaken + unacknowledged(self.transport)

    def end_writing(self) -> None:
        """Ends our side of it once what was written is sent, where that can be said without closing."""
        self.send()
        end_writing(self.transport)

    def leave(self) -> None:
        """Waits for nobody's farewell, once it was closed: TLS has one on both sides (RFC 8446 section 6.1)."""
        if self.peer.scheme == "https" and not self.is_gone:
            asyncio.get_running_loop().call_later(FAREWELL, self.transport.abort)

    def cut(self, reason: Refusal) -> None:
        """Cuts it on the gateway's own account."""
        self.cut_by = reason
        self.abort()

    def abort(self) -> None:
        """Cuts it, in a way that nobody takes for an end."""
        self.send()
        reset(self.transport)

    def is_stalled(self, now: float) -> bool:
        """Whether the client has taken nothing of what there is since the look before. `now`: that of the last one."""
        return self._stalled_since is not None and self._stalled_since < now

    def check(self, now: float, *, send_timeout: float) -> None:
        """Cuts off who takes nothing of a response, and who left unheard. `now`: seconds of the clock."""
        left = self._owed() if self._closes else self.untaken
        if self._closes and left <= _FULL:
            self._closes = False
            self.close()
        taken = self.written - left
        if not left or taken > self._taken or self._stalled_since is None:
            self._taken, self._stalled_since = taken, now if left else None
        elif now - self._stalled_since > send_timeout:
            self.cut(ClientDisconnected("it took nothing of the response within send_timeout"))
        if self._is_held and not self.transport.is_closing() and has_left(self.transport):
            self.abort()
