"""One client connection: what is read becomes requests, one after another through the service, each within its time.

The states it goes through, and why there are no others: `phase`. How bytes are read: `http1.request_parser`.
"""

import asyncio
import logging
import time
from typing import Final, cast

from gateway.core.errors import BadRequest, ClientDisconnected, Draining, InternalError, Overloaded, RequestTimeout
from gateway.ports import Exchange
from gateway.prompt import PromptTask
from gateway.relay.client.body import RequestBody
from gateway.relay.client.crowd import BEGINNING, IDLING, LINGERING, NOWHERE, TAKING
from gateway.relay.client.exchange import ClientExchange, refusal_bytes
from gateway.relay.client.listener import Listener
from gateway.relay.client.phase import (
    ASKED,
    ASKED_LAST,
    BEGUN,
    BROKEN,
    BUSY,
    DEAF,
    ENDED,
    FINISHED,
    HEAD,
    IDLE,
    OVER,
    SERVED,
    SILENT,
    UPGRADED,
    UPLOAD,
    Phase,
)
from gateway.relay.client.unreadable import Unreadable
from gateway.relay.client.wire import Wire
from gateway.relay.http1.events import Broken, Data, End
from gateway.relay.http1.request_head import RequestHead
from gateway.relay.http1.request_parser import Event, RequestParser
from gateway.relay.tunnel import Tunnel

#: bytes that are kept, as they came, of what follows the request that is served; more, and the client is made to wait
AHEAD: Final = 64 * 1024

log = logging.getLogger("gateway.relay")


class Connection:
    """One client connection: an asyncio.Protocol, but not by name, which would compile to something slower."""

    __slots__ = (
        "_body",
        "_is_put_off",
        "_is_serving",
        "_listener",
        "_parser",
        "_place",
        "_request",
        "_task",
        "_tunnel",
        "phase",
        "wire",
    )

    #: from connection_made on
    wire: Wire

    def __init__(self, listener: Listener) -> None:
        """Needs a running loop."""
        self._listener: Final = listener
        self._parser: Final = RequestParser(listener.limits, listener.lines)
        self.phase: Final = Phase(listener.now() + listener.header_timeout)
        #: in the crowd of those that have nothing under way
        self._place = NOWHERE
        #: what is to be served next: a request, or what is none
        self._request: RequestHead | Broken | None = None
        #: of the request that is read or served
        self._body: RequestBody | None = None
        #: serves requests; None before the first
        self._task: PromptTask | asyncio.Task[None] | None = None
        self._is_serving = False
        #: once the connection left HTTP
        self._tunnel: Tunnel | None = None
        #: it had its turn, and goes on reading in the next one
        self._is_put_off = False

    def __repr__(self) -> str:
        tunnel = ", tunnel" if self._tunnel is not None else ""
        return f"<Connection {self.phase!r}, {self.wire!r}, {self._parser!r}, {self._body!r}{tunnel}>"

    # Life of a connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Counts it, or sends it away when there are too many."""
        # uvloop's transports are no subclass of it, and have everything it has.
        self.wire = Wire(cast("asyncio.Transport", transport), self._listener.peer_of(transport))
        if not self.wire.peer.address:
            # It was reset already. What it sent could be read all the same, and nobody would know whose it is.
            self.close()
            return
        refusal = self._listener.opened(self)
        if refusal is not None:
            self.wire.write(refusal_bytes(refusal, challenges=self._listener.challenges))
            self.close()
        else:
            self._move(IDLING)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forgets it; a request under way is cancelled."""
        self.wire.lose()
        if self._body is not None:
            self._body.fail(ClientDisconnected("the client went away within its body"))
        self._parser.close()
        self.phase.enter(FINISHED)
        if self._task is not None:
            self._task.cancel()
        self._move(NOWHERE)
        self._listener.lost(self)

    def eof_received(self) -> None:
        """The client ended its side: so do we, once what was written is sent, since there is nobody to write to."""
        self.wire.send()

    def pause_writing(self) -> None:
        """The client takes less than is written."""
        self.wire.flow.pause()
        if self._tunnel is not None:
            self._tunnel.client_ready(ready=False)

    def resume_writing(self) -> None:
        """It takes more again."""
        self.wire.flow.resume()
        if self._place == TAKING:
            self._move(self._listener.under_way)  # or the newest there
        if self._tunnel is not None:
            self._tunnel.client_ready(ready=True)

    def close(self) -> None:
        """Ends it once what was written is sent. Not while a request is under way."""
        self.phase.enter(FINISHED)
        self._stop_reading()
        self.wire.close()

    def give_way(self) -> bool:
        """Ends it, since somebody else needs the room; unless its client is about to take the last response.

        One of the gateway's own can be asked for again: it is waited for only as long as the client takes of it.
        """
        wire = self.wire
        has_page = self._place == TAKING and self.phase.serves
        self._move(NOWHERE)
        if not (has_page or wire.is_owed()):
            self.close()
            wire.leave()
            return True
        if not (self._listener.under_way == TAKING or wire.owes_only_own):
            return False
        if wire.has_moved():
            self._move(TAKING)
            return False
        wire.cut(Overloaded("it took nothing of a response while others waited for its place"))
        return True

    def cut_short(self) -> None:
        """Ends it at the end of a drain: at once, where something is under way."""
        if self.is_busy:
            self.wire.cut(Draining("the gateway cut it: it did not end within drain"))
        else:
            self.close()
            self.wire.leave()

    @property
    def is_idle(self) -> bool:
        """Whether nothing has come of a request, and none is under way."""
        return self.phase.state in (SILENT, IDLE)

    @property
    def has_request(self) -> bool:
        """Whether a request is under way, or has begun to arrive."""
        return self.phase.state == HEAD or self.phase.serves

    @property
    def is_busy(self) -> bool:
        """The same, or the client has not taken all of its last response."""
        return self.has_request or self.wire.untaken > 0 or self.wire.is_ending

    def check(self, now: float) -> None:
        """Ends what takes too long: a head, a body, a response to be taken, idleness. `now`: seconds of the clock."""
        if now > self.phase.deadline:
            if self.phase.state == HEAD:
                self._hear(Broken(RequestTimeout("the head did not end within header_timeout")))
                self._begin()
            else:
                self.close()
        if self._body is not None:
            self._body.check(now, timeout=self._listener.body_timeout, rate=self._listener.body_rate)
        self.wire.check(now, send_timeout=self._listener.send_timeout)
        if self._place == NOWHERE:
            self._find_place(now)
        elif self._place == TAKING:
            self.wire.note_movement()

    def _find_place(self, now: float) -> None:
        """It may give way after all: its own response is not taken, or it was passed over. `now`: of the last look."""
        wire = self.wire
        if wire.untaken:
            # A request that waits for its client to take more has its response.
            is_over = not self.phase.serves or wire.flow.is_awaited
            if is_over and wire.owes_only_own and wire.is_stalled(now):
                self._move(TAKING)
        elif self.phase.state < UPLOAD:
            self._move(BEGINNING if self.phase.state == HEAD else IDLING)

    # What is read

    def data_received(self, data: bytes) -> None:
        """What the client sent."""
        if self._tunnel is not None:
            self._tunnel.from_client(data)
        elif self.phase.state < DEAF:
            self._parser.receive(data)
            self._read()
        else:
            self.phase.hear(self._listener.now())

    def _read(self) -> None:
        """Hears what there is room for; when the client is ahead by too much, it is made to wait."""
        parser, phase = self._parser, self.phase
        turn_ends = 0.0
        while phase.reads and not self._is_put_off and (self._body is None or not self._body.is_full):
            event = parser.next_event()
            if event is None:
                if parser.is_in_head and phase.state != HEAD:
                    phase.enter(BEGUN, deadline=self._listener.now() + self._listener.header_timeout)
                    self._move(BEGINNING)
                break
            self._hear(event)
            if isinstance(event, Data) and parser.unread:
                now = time.monotonic()
                if not turn_ends:
                    turn_ends = now + self._listener.turns.share
                elif now > turn_ends:
                    self._is_put_off = True
                    self.wire.outbox.send()
                    self._listener.turns.put_off(self._go_on)
        if parser.unread > AHEAD or self.wire.is_held:
            self.wire.hold(held=parser.unread > AHEAD)
        self._begin()

    def _go_on(self) -> None:
        """It is this connection's turn again."""
        self._is_put_off = False
        self._read()

    def _hear(self, event: Event) -> None:
        """Another step of the request that is read."""
        if isinstance(event, RequestHead):
            self.phase.enter(ASKED_LAST if event.closes else ASKED)
            if event.has_body:
                listener = self._listener
                self._body = RequestBody(limit=listener.body_bytes, room=self._read, now=listener.now)
            self._ask(event)
        elif isinstance(event, Data):
            assert self._body is not None  # its head announced it
            self._body.put(event.data)
        elif isinstance(event, Broken):
            is_served = self.phase.serves
            self.phase.enter(BROKEN)
            if self._body is not None:
                # Whoever reads it says so, or has said something else already.
                self._body.fail(BadRequest("the framing of the body broke"))
            self._stop_reading()
            if not is_served:
                self._ask(event)
        else:
            self.phase.enter(ENDED if isinstance(event, End) else UPGRADED)
            if self._body is not None:
                self._body.end()

    def _move(self, place: int) -> None:
        """To another place in the crowd."""
        self._listener.crowd.move(self, was=self._place, now=place)
        self._place = place

    def _stop_reading(self) -> None:
        """Whatever still comes is taken, and dropped."""
        self._parser.close()
        self.wire.hold(held=False)

    def _leave_http(self, tunnel: Tunnel) -> bytes:
        """What comes goes to the tunnel from now on. Gives what came already."""
        self._tunnel = tunnel
        self.wire.hold(held=False)
        return self._parser.rest()

    # What is served

    def _ask(self, request: RequestHead | Broken) -> None:
        """There is something to serve, once all is heard that came with it: see `_begin`."""
        self._request = request
        self._move(self._listener.under_way)

    def _begin(self) -> None:
        """Serves what is asked for, if it is and if nobody does yet. What waits for nothing is done afterwards."""
        if self._request is None or self._is_serving:
            return
        self._is_serving = True
        if not self._listener.serves_at_once:
            self._task = asyncio.get_running_loop().create_task(self._serve())
            return
        if not isinstance(self._task, PromptTask):
            self._task = PromptTask()
        self._task.start(self._serve())

    async def _serve(self) -> None:
        """One request after another, while there is another one."""
        listener = self._listener
        turn_ends = 0.0
        try:
            while (request := self._take_request()) is not None and self.phase.state != OVER:
                listener.count_request(1)
                exchange = self._exchange(request)
                written = self.wire.written
                try:
                    await listener.service.handle(exchange)
                    if isinstance(exchange, ClientExchange) and exchange.rest is not None:
                        await exchange.rest.run()
                except Exception:
                    log.exception("the server failed")
                    self._fail(has_begun=self.wire.written > written)
                finally:
                    listener.count_request(-1)
                self._end_request(exchange)
                del exchange, request  # nothing of it is kept while the connection is idle
                if self._is_asked():  # what waits for nobody leaves the loop to others all the same
                    now = time.monotonic()
                    if now > turn_ends > 0:
                        turn_ends = 0.0
                        self.wire.outbox.send()
                        await listener.turns.next()
                    elif not turn_ends:
                        turn_ends = now + listener.turns.share
        except Exception as error:  # noqa: BLE001 -- see below
            # Ours raise nothing, so this is a bug. The error is not shown: it may quote what was read.
            log.error("the server failed: %s", type(error).__name__)  # noqa: TRY400 -- see above
            self.wire.abort()
        finally:
            self._is_serving = False

    # Two methods, since compiled code believes for ever that what was set to None is None.

    def _take_request(self) -> RequestHead | Broken | None:
        """What is to be served next, once."""
        request, self._request = self._request, None
        return request

    def _is_asked(self) -> bool:
        """Whether something is to be served next."""
        return self._request is not None

    def _exchange(self, request: RequestHead | Broken) -> Exchange:
        if isinstance(request, Broken):
            return Unreadable(self.wire, request.refusal, challenges=self._listener.challenges)
        leave = self._leave_http if request.upgrades else None
        return ClientExchange(self._listener, self.wire, request, self._body, leave_http=leave)

    def _end_request(self, exchange: Exchange) -> None:
        """It was served: another one may be, or its response was the last."""
        body, self._body = self._body, None
        lingers = True
        if isinstance(exchange, ClientExchange):
            if self.phase.state == BUSY and exchange.keep_alive:
                listener = self._listener
                self.phase.enter(SERVED, deadline=listener.now() + listener.keepalive)
                self._move(IDLING)
                self._read()
                return
            lingers = exchange.lingers or not exchange.is_read
        if body is not None:
            body.drop()
        if self.wire.is_open and lingers and self._tunnel is None:
            self._linger()
        else:
            self.close()

    def _linger(self) -> None:
        """Ends our side only: closing while the client still sends would reset the connection, response included."""
        self.phase.linger(self._listener.now())
        self._stop_reading()
        self._move(LINGERING)
        self.wire.end_writing()

    def _fail(self, *, has_begun: bool) -> None:
        """A bug in the service: the client is told, or cut off; and nothing more is served."""
        if has_begun or not self.wire.is_open:
            self.wire.abort()
        else:
            self.wire.write_own(refusal_bytes(InternalError(), challenges=self._listener.challenges))
        self.close()
