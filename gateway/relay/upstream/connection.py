"""One HTTP/1.1 connection to an upstream: a request out, its response back, as often as both sides like.

Knows nothing of other connections: who gets which, and what is tried again, is `pool`.
"""

import asyncio
import contextlib
import os
import select
from collections.abc import Callable
from typing import Final, cast

from gateway.core.errors import UpstreamProtocolError, UpstreamTimeout
from gateway.core.http.facts import Facts
from gateway.ports import Body, Exchange, Receiver
from gateway.relay.http1.response_head import ResponseHead
from gateway.relay.http1.response_parser import ResponseParser
from gateway.relay.waiting import FlowControl, Signal

#: bytes of a response's body that are held for a client that takes them slowly, before reading pauses
HELD: Final = 64 * 1024
#: bytes that are read at once of what was said before an end
_READ: Final = 256 * 1024
#: of the loop, until it has read what was here
_TURNS: Final = 3
#: seconds for which the upstream's 100 is awaited before the client is asked for its body all the same
CONTINUE_AFTER: Final = 1.0


class Closed(Exception):
    """The connection ended before a byte of a response."""


class UpstreamConnection(asyncio.Protocol):
    """One connection. One request at a time: `ask`, `response`, then `read` to the end, then `is_reusable` tells."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        lost: Callable[["UpstreamConnection"], None],
        *,
        continue_after: float = CONTINUE_AFTER,
    ) -> None:
        """`lost` is called once, when the connection has ended. `continue_after`: seconds."""
        self._loop = loop
        self._lost = lost
        self._continue_after = continue_after
        self._transport: asyncio.Transport | None = None
        self._parser: ResponseParser | None = None
        self._receiver: Receiver | None = None
        #: something came, or the connection failed
        self._news = Signal(loop)
        self._failure: Exception | None = None
        self._has_ended = False
        self._held = 0
        self._paused_reading = False
        self._flow = FlowControl(loop)
        self._body_task: asyncio.Task[None] | None = None
        #: all of the last request, body included
        self._is_sent = False
        #: whatever the response says, no other request may follow
        self._is_last = False
        self._timeout = 0.0
        #: loop time by which the upstream must have said or taken something
        self._deadline: float | None = None
        #: a client that expects 100 may be asked for its body
        self._invited = Signal(loop)
        #: loop time
        self.idle_since = 0.0
        #: nobody has it, and what kind of request has it or had it last; `pool` keeps these
        self.is_idle = False
        self.kind = 0
        #: loop time from which a new one is preferred
        self.retires_at = float("inf")
        #: it ended, or is about to
        self.is_lost = False
        #: it carried a response before
        self.is_reused = False
        self._poll: select.poll | None = None

    # Life of a connection

    def __repr__(self) -> str:
        state = "lost" if self.is_lost else "idle" if self.is_idle else "busy"
        return f"<UpstreamConnection {state}{', reused' if self.is_reused else ''}>"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready for a request."""
        # uvloop's transports are no subclass of it, and have everything it has.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells whoever waits."""
        is_news, self.is_lost = not self.is_lost, True
        if is_news and exc is not None and self._receiver is None and self._parser is not None:
            self._read_last_words()
        self._stop_body()
        self._lost(self)
        if self._receiver is not None:
            self._receiver.upstream_lost()
            return
        parser = self._parser
        if self._failure is None and parser is not None and not parser.is_complete:
            if not parser.has_begun:
                self._failure = Closed()
            elif exc is not None or not self._has_ended:
                self._failure = UpstreamProtocolError(f"the response broke off ({type(exc).__name__})")
            else:
                try:
                    parser.end()
                except UpstreamProtocolError as problem:
                    self._failure = problem
        self._flow.resume()
        self._news.wake()

    def _read_last_words(self) -> None:
        """What the upstream said before it closed, where a write found out first: the kernel still has it.

        Over TLS nobody could read it any more: there `_listen` comes first.
        """
        transport = self._transport
        assert transport is not None
        if transport.get_extra_info("sslcontext") is not None:
            return
        with contextlib.suppress(OSError, ValueError):
            descriptor = transport.get_extra_info("socket").fileno()
            while data := os.read(descriptor, _READ):
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
        if self._poll is None:
            assert self._transport is not None
            self._poll = select.poll()
            self._poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(self._poll.poll(0))

    @property
    def is_reusable(self) -> bool:
        """Whether the last response was read to its end and left the connection fit for another request."""
        parser = self._parser
        return (
            not self.is_lost
            and self._failure is None
            and self._is_sent
            and not self._is_last
            and parser is not None
            and parser.is_complete
            and not parser.surplus
            and parser.head is not None
            and parser.head.reusable
            # A response to a request that is still being written is no sign that the rest of it will be read as one.
            and self._transport is not None
            and not self._transport.get_write_buffer_size()
        )

    def rest(self) -> None:
        """Becomes idle: whatever arrives from now on ends it."""
        self.is_reused = True
        # A client that left may have left the last of its response here.
        self._held = 0
        self.idle_since = self._loop.time()
        self._parser = None
        self._deadline = None

    def check(self, now: float) -> None:
        """Fails what waits for an upstream that is silent for too long. `now`: loop time."""
        if self._deadline is not None and now > self._deadline:
            self._deadline = None
            self._fail(UpstreamTimeout("nothing came, or was taken, within response_timeout"))

    # Request and response

    def ask(self, facts: Facts, head: bytes, client: Exchange, *, timeout: float, is_last: bool = False) -> None:
        """Sends a request, its head as it stands; `response` tells what came of it.

        `timeout`: seconds of silence. `is_last`: no request may follow it here. Closed, or what the body raises.
        """
        if self.is_lost:
            raise Closed
        self._parser = ResponseParser(facts.method, accepts_upgrade=facts.is_websocket, inform=client.inform)
        assert self._transport is not None
        body, chunked, waits = client.body, facts.chunked, facts.expects_continue
        self._timeout = timeout
        self._is_last = is_last
        self._deadline = self._loop.time() + timeout
        whole = None if body is None or waits else body.take_whole()
        self._is_sent = body is None or whole is not None
        if whole is not None:
            head += (b"%x\r\n%b\r\n0\r\n\r\n" % (len(whole), whole) if whole else b"0\r\n\r\n") if chunked else whole
        self._transport.write(head)
        if body is not None and whole is None:
            self._deadline = None
            self._body_task = self._loop.create_task(self._send_body(body, chunked=chunked, waits=waits))

    def response(self) -> ResponseHead | None:
        """The head of the final response, once it is here; None: wait for `news`.

        Closed, UpstreamProtocolError, UpstreamTimeout, or what the client's body raised: there will be none.
        """
        assert self._parser is not None
        self._raise_failure()
        return self._parser.head

    async def _send_body(self, body: Body, *, chunked: bool, waits: bool) -> None:
        transport = self._transport
        assert transport is not None
        try:
            if waits and not body.is_here:
                await self._until_invited()
                if self._parser is None or self._parser.head is not None:
                    # RFC 9110 section 10.1.1: answered instead of invited; the body stays where it is.
                    return
            while chunk := await body.read():
                await self._listen()
                transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
                if self._flow.is_paused:
                    self._extend()
                    await self._flow.drained()
                    self._deadline = None
            if chunked:
                transport.write(b"0\r\n\r\n")
        except Exception as failure:  # noqa: BLE001 -- a refusal or a bug: whoever waits for the response is told
            self._body_task = None
            self._fail(failure)
        else:
            self._body_task = None
            self._is_sent = True
            self._extend()

    async def _listen(self) -> None:
        """Lets the loop read what is here before a write that may fail: who heard enough said so first."""
        for _ in range(_TURNS):
            if self._paused_reading or not self._has_something():
                return
            await asyncio.sleep(0)

    async def _until_invited(self) -> None:
        """RFC 9110 section 10.1.1: until the upstream says 100 or responds, or for `continue_after`."""
        with contextlib.suppress(TimeoutError):
            # Not wait_for: that of Python 3.11 loses a cancellation that comes with the invitation.
            async with asyncio.timeout(self._continue_after):
                await self._invited.next()

    async def read(self) -> bytes:
        """What arrived of the response's body, once something did; empty at its end.

        UpstreamProtocolError, UpstreamTimeout, or what the client's body raised.
        """
        parser = self._parser
        assert parser is not None
        while not (parser.parts or parser.is_complete):
            self._raise_failure()
            await self.news()
            self._raise_failure()
        return self._take(parser)

    def take_whole(self) -> bytes | None:
        """The whole body, where it is here already."""
        assert self._parser is not None
        return self._take(self._parser) if self._parser.is_complete else None

    def _take(self, parser: ResponseParser) -> bytes:
        parts = parser.parts
        taken = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self._held = 0
        if self._paused_reading:
            self._paused_reading = False
            if self._body_task is None or self._flow.is_paused:
                self._extend()
            if self._transport is not None and not self.is_lost:
                self._transport.resume_reading()
        return taken

    def be_patient(self) -> None:
        """From here on silence is no fault: an event stream."""
        self._timeout = float("inf")
        self._deadline = None

    def data_received(self, data: bytes) -> None:
        """More of the response, or what nobody asked for."""
        if self._receiver is not None:
            self._receiver.from_upstream(data)
            return
        parser = self._parser
        if parser is None:
            # RFC 9112 section 9.2: what comes unasked belongs to nobody.
            self.abort()
            return
        try:
            parser.feed(data)
        except UpstreamProtocolError as problem:
            self._fail(problem)
            return
        if self._invited.is_awaited and (parser.is_invited or parser.head is not None):
            self._invited.wake()
        if self._body_task is not None and parser.head is not None and parser.head.status >= 400:
            # It wants no more of the body: what is still sent could only reset the rest of its response.
            self._stop_body()
            self._extend()
        if parser.is_complete:
            self._deadline = None
        elif self._deadline is not None:
            self._extend()
        self._held += len(data)
        if self._held > HELD and parser.parts and not (self._paused_reading or parser.is_complete or self.is_lost):
            self._paused_reading = True
            self._deadline = None
            assert self._transport is not None
            self._transport.pause_reading()
        self._news.wake()

    def pause_writing(self) -> None:
        """The upstream takes less than is written."""
        self._flow.pause()
        if self._receiver is not None:
            self._receiver.upstream_ready(ready=False)

    def resume_writing(self) -> None:
        """It takes more again."""
        self._flow.resume()
        if self._receiver is not None:
            self._receiver.upstream_ready(ready=True)

    def _extend(self) -> None:
        if not self._paused_reading:
            self._deadline = self._loop.time() + self._timeout

    def news(self) -> "asyncio.Future[None]":
        """Done when something came, or the connection failed."""
        return self._news.next()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _fail(self, failure: Exception) -> None:
        if self._failure is None:
            self._failure = failure
        self.abort()
        self._flow.resume()
        self._news.wake()

    def _stop_body(self) -> None:
        """The rest of the client's body has nobody to go to."""
        task = self._body_task
        if task is not None and task is not asyncio.current_task(self._loop):
            self._body_task = None
            task.cancel()

    # After 101

    def start(self, receiver: Receiver) -> bytes:
        """Leaves HTTP: the receiver hears of everything now. Gives the bytes that came behind the response's head."""
        parser = self._parser
        assert parser is not None
        self._receiver = receiver
        self._deadline = None
        return parser.tail

    def write(self, data: bytes) -> None:
        """Bytes of the new protocol."""
        if self._transport is not None and not self.is_lost:
            self._transport.write(data)

    def hold(self, *, held: bool) -> None:
        """Stops reading, or reads again."""
        if self._transport is None or self.is_lost:
            return
        if held:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
