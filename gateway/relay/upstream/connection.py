"""One HTTP/1.1 connection to an upstream: a request out, its response back, as often as both sides like.

Knows nothing of other connections: who gets which is `pool`, and what is tried again, `upstreams`.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, cast

from gateway.core.errors import UpstreamProtocolError, UpstreamTimeout
from gateway.core.http.facts import Facts
from gateway.messages import Body
from gateway.ports import Exchange
from gateway.relay.http1.chunk import LAST, chunk
from gateway.relay.http1.chunk import whole as whole_chunk
from gateway.relay.http1.response_head import ResponseHead
from gateway.relay.outbox import LARGEST, outbox_of
from gateway.relay.upstream.turn import HELD, Turn
from gateway.relay.upstream.unheard import Unheard, last_words
from gateway.relay.waiting import FlowControl, Signal

#: seconds for which the upstream's 100 is awaited before the client is asked for its body all the same
CONTINUE_AFTER: Final = 1.0
#: of the loop, until it has read what was here
_TURNS: Final = 3


class Closed(Exception):
    """The connection ended before a byte of a response."""


class UpstreamConnection(asyncio.Protocol):
    """One connection. One request at a time: `ask`, `response`, then `read` to the end, then `is_reusable` tells."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        lost: Callable[["UpstreamConnection"], None],
        *,
        now: Callable[[], float] | None = None,
        continue_after: float = CONTINUE_AFTER,
    ) -> None:
        """`lost` is called once, when the connection has ended. `now`: seconds, the loop's own time if not given."""
        self._loop = loop
        self._lost = lost
        self._now = now or loop.time
        self._continue_after = continue_after
        self._transport: asyncio.Transport | None = None
        self._unheard = Unheard()
        #: the request under way, or the last one; None: it is idle, or had none yet
        self._turn: Turn | None = None
        #: something came, or the connection failed
        self._news = Signal(loop)
        #: a client that expects 100 may be asked for its body
        self._invited = Signal(loop)
        self._flow = FlowControl(loop)
        self._outbox = outbox_of(loop)
        #: the request that is sent at the end of this turn of the loop
        self._soon = b""
        self._has_ended = False
        #: an end may have come with what is received, and be told only behind it: nobody sees it in the kernel
        self._is_tls = False
        self.idle_since = 0.0
        #: from when a new one is preferred
        self.retires_at = float("inf")
        #: nobody has it, and what kind of request has it or had it last; `pool` keeps these
        self.is_idle = False
        self.kind = 0
        #: it ended, or is about to
        self.is_lost = False
        #: it carried a response before
        self.is_reused = False

    def __repr__(self) -> str:
        state = "lost" if self.is_lost else "idle" if self.is_idle else "busy"
        turn = "" if self._turn is None else f", {self._turn!r}"
        return f"<UpstreamConnection {state}{', reused' if self.is_reused else ''}{turn}>"

    # Life of a connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready for a request."""
        # uvloop's transports are no subclass of it, and have everything it has.
        self._transport = cast("asyncio.Transport", transport)
        self._is_tls = transport.get_extra_info("sslcontext") is not None

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells whoever waits."""
        turn = self._turn
        is_news, self.is_lost = not self.is_lost, True
        if is_news and exc is not None and turn is not None and not turn.is_complete:
            self._read_last_words()
        self._stop_body()
        self._lost(self)
        if turn is not None and turn.failure is None and not turn.is_complete:
            turn.broke_off = True
            if not turn.has_begun:
                turn.failure = Closed()
            elif exc is not None or not self._has_ended:
                turn.failure = UpstreamProtocolError(f"the response broke off ({type(exc).__name__})")
            else:
                turn.failure = turn.end()
        self._flow.resume()
        self._news.wake()

    def _read_last_words(self) -> None:
        """What the upstream said before it closed, where a write found out first: the kernel still has it.

        Over TLS nobody could read it any more: there `_listen` comes first.
        """
        assert self._transport is not None
        if not self._is_tls:
            for data in last_words(self._transport):
                self.data_received(data)

    def eof_received(self) -> None:
        """The upstream ended the connection in good order: over TLS, with a close_notify (RFC 9112 section 9.8)."""
        self._has_ended = True

    def abort(self) -> None:
        """Ends the connection at once."""
        self.is_lost = True
        self._stop_body()
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Ends the connection once what was written is sent."""
        self.is_lost = True
        if self._transport is not None:
            self._transport.close()

    def is_sound(self) -> bool:
        """Whether an idle connection is open and silent, as far as the kernel knows.

        What came on it since its last response, an end or another response, may not be with the loop yet, and would
        be taken for the response to the next request.
        """
        return not (self.is_lost or self._has_something())

    def _has_something(self) -> bool:
        """Whether the kernel has bytes of the upstream, or its end, that the loop did not read yet."""
        assert self._transport is not None
        return self._unheard.is_there(self._transport)

    @property
    def is_reusable(self) -> bool:
        """Whether the last response was read to its end and left the connection fit for another request."""
        return (
            not self.is_lost
            and self._turn is not None
            and self._turn.is_clean
            # A response to a request that is still being written is no sign that the rest of it will be read as one.
            and self._transport is not None
            and not self._transport.get_write_buffer_size()
        )

    def rest(self) -> None:
        """Becomes idle: whatever arrives from now on ends it."""
        self.is_reused = True
        self.idle_since = self._now()
        self._turn = None

    def check(self, now: float) -> None:
        """Fails what waits for an upstream that is silent for too long."""
        turn = self._turn
        if turn is not None and turn.deadline is not None and now > turn.deadline:
            turn.deadline = None
            self._fail(turn, UpstreamTimeout("nothing came, or was taken, within response_timeout"))

    def silence(self) -> float:
        """Seconds for which a request has been out, and nothing of its response has come; 0: there is none such."""
        turn = self._turn
        if turn is None or turn.head is not None or turn.deadline is None:
            return 0.0
        return self._now() - turn.deadline + turn.timeout

    # Sending the request

    def ask(
        self,
        facts: Facts,
        head: bytes,
        client: Exchange,
        *,
        timeout: float,
        is_last: bool = False,
        is_whole: bool = False,
    ) -> None:
        """Sends a request, its head as it stands; `response` tells what came of it.

        `timeout`: seconds of silence. `is_last`: no request may follow it here. `is_whole`: its body stands behind the
        head. Closed, or what the body raises.
        """
        transport = self._transport
        if self.is_lost or transport is None:
            raise Closed
        self._turn = turn = Turn(facts, client, timeout=timeout, is_last=is_last)
        body, chunked, waits = None if is_whole else client.body, facts.chunked, facts.expects_continue
        whole = None if body is None or waits else body.take_whole()
        if whole is not None:
            head += whole_chunk(whole) if chunked else whole
        if body is None or whole is not None:
            turn.is_sent = True
            turn.deadline = self._now() + timeout
            if len(head) <= LARGEST and self._outbox.takes(self):
                self._soon = head
            else:
                transport.write(head)
        else:
            transport.write(head)
            sending = self._send_body(turn, transport, body, chunked=chunked, waits=waits)
            turn.body_task = self._loop.create_task(sending)

    def send(self) -> None:
        """Writes the request that waited for the end of the turn."""
        if self.is_lost or self._turn is None or self._transport is None or not self._soon:
            return
        if self.is_reused and self._has_something():
            # What was said before the request was made is not its response.
            self._fail(self._turn, Closed())
            return
        data, self._soon = self._soon, b""
        self._transport.write(data)

    @property
    def unsent(self) -> bytes:
        """The whole of a request of which nothing was sent, since the connection ended before; else nothing."""
        return self._soon

    async def _send_body(
        self, turn: Turn, transport: asyncio.Transport, body: Body, *, chunked: bool, waits: bool
    ) -> None:
        try:
            if waits and not body.is_here:
                await self._until_invited()
                if turn.head is not None:
                    # RFC 9110 section 10.1.1: answered instead of invited; the body stays where it is.
                    return
            while piece := await body.read():
                await self._listen(turn)
                transport.write(chunk(piece) if chunked else piece)
                if self._flow.is_paused:
                    self._extend(turn)
                    await self._flow.drained()
                    turn.deadline = None
            if chunked:
                transport.write(LAST)
        except Exception as failure:  # noqa: BLE001 -- a refusal or a bug: whoever waits for the response is told
            turn.body_task = None
            self._fail(turn, failure)
        else:
            turn.body_task = None
            turn.is_sent = True
            self._extend(turn)

    async def _listen(self, turn: Turn) -> None:
        """Lets the loop read what is here before a write that may fail: who heard enough said so first."""
        for _ in range(_TURNS):
            if turn.is_paused or not self._has_something():
                return
            await asyncio.sleep(0)

    async def _until_invited(self) -> None:
        """RFC 9110 section 10.1.1: until the upstream says 100 or responds, or for `continue_after`."""
        with contextlib.suppress(TimeoutError):
            # Not wait_for: that of Python 3.11 loses a cancellation that comes with the invitation.
            async with asyncio.timeout(self._continue_after):
                await self._invited.next()

    def _stop_body(self) -> None:
        """The rest of the client's body has nobody to go to."""
        turn = self._turn
        if turn is not None and turn.body_task is not None and turn.body_task is not asyncio.current_task(self._loop):
            turn.body_task.cancel()
            turn.body_task = None

    def pause_writing(self) -> None:
        """The upstream takes less than is written."""
        self._flow.pause()

    def resume_writing(self) -> None:
        """It takes more again."""
        self._flow.resume()

    # Receiving the response

    def response(self) -> ResponseHead | None:
        """The head of the final response, once it is here; None: wait for `news`.

        Closed, UpstreamProtocolError, UpstreamTimeout, or what the client's body raised: there will be none.
        """
        turn = self._turn
        assert turn is not None  # asked
        # What was said before a connection broke off is passed on; what nobody can tell the meaning of is not.
        if turn.head is None or not turn.broke_off:
            turn.raise_failure()
        return turn.head

    def news(self) -> Awaitable[None]:
        """Done when something came, or the connection failed."""
        return self._news.next()

    async def read(self) -> bytes:
        """What arrived of the response's body, once something did; empty at its end.

        UpstreamProtocolError, UpstreamTimeout, or what the client's body raised.
        """
        turn = self._turn
        assert turn is not None  # asked
        while not (turn.has_parts or turn.is_complete):
            turn.raise_failure()
            await self.news()
        if not turn.broke_off:
            turn.raise_failure()
        return self._take(turn)

    def take_whole(self) -> bytes | None:
        """The whole body, where it is here already."""
        turn = self._turn
        assert turn is not None  # asked
        return self._take(turn) if turn.is_complete and turn.head is not None and turn.head.status != 101 else None

    def _take(self, turn: Turn) -> bytes:
        taken = turn.take()
        if turn.is_paused:
            turn.is_paused = False
            if turn.body_task is None or self._flow.is_paused:
                self._extend(turn)
            if self._transport is not None and not self.is_lost:
                self._transport.resume_reading()
        return taken

    def be_patient(self) -> None:
        """From here on silence is no fault: an event stream."""
        assert self._turn is not None  # asked
        self._turn.timeout = float("inf")
        self._turn.deadline = None

    def data_received(self, data: bytes) -> None:
        """More of the response, or what nobody asked for."""
        turn = self._turn
        if turn is None:
            # RFC 9112 section 9.2: what comes unasked belongs to nobody.
            self.abort()
            return
        if self._soon:
            self._fail(turn, Closed())
            return
        refusal = turn.receive(data)
        if refusal is not None:
            self._fail(turn, refusal)
            return
        if self._invited.is_awaited and (turn.is_invited or turn.head is not None):
            self._invited.wake()
        if turn.body_task is not None and turn.head is not None and turn.head.status >= 400:
            # It wants no more of the body: what is still sent could only reset the rest of its response.
            self._stop_body()
            self._extend(turn)
        if turn.is_complete:
            turn.deadline = None
        elif turn.deadline is not None:
            self._extend(turn)
        # Whoever waits may take it all here and now, be done, and have asked for more: look at nothing but this turn.
        if self._is_tls or self.is_lost:
            self._news.wake()
        else:
            self._news.wake_now()
        if turn.held > HELD and turn.has_parts and not (turn.is_paused or turn.is_complete or self.is_lost):
            turn.is_paused = True
            turn.deadline = None
            assert self._transport is not None
            self._transport.pause_reading()

    def _extend(self, turn: Turn) -> None:
        if not turn.is_paused:
            turn.deadline = self._now() + turn.timeout

    def _fail(self, turn: Turn, failure: Exception) -> None:
        if turn.failure is None:
            turn.failure = failure
        self.abort()
        self._flow.resume()
        self._news.wake()

    # After 101

    @property
    def open_transport(self) -> asyncio.Transport | None:
        """What it is written to; None when it ended, or is about to."""
        return None if self.is_lost else self._transport

    def hand_over(self, successor: asyncio.Protocol) -> bytes:
        """Another protocol takes its place, and is to tell it when the connection is lost. Gives what came for that."""
        assert self._turn is not None  # asked
        self._turn.deadline = None
        if self._transport is not None:
            self._transport.set_protocol(successor)
        return self._turn.take()
