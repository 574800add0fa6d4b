"""The client's side of one request: its facts, its body, and the answer, ours or the upstream's.

Writes bytes; decides nothing about who may have them.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestPayloadError

from gateway.core.challenge import compose_refusal
from gateway.core.config import Limits
from gateway.core.cors import with_lines
from gateway.core.errors import BadRequest, ClientDisconnected, Draining, Refusal
from gateway.core.headers import answer_headers
from gateway.core.model import Facts, HeaderLine
from gateway.ports import Answer, Body
from gateway.relay.facts import Peer, read_facts

#: RFC 9110 sections 15.3.5 and 15.4.5: answers that never have a body
_BODYLESS = frozenset({204, 304})


class Wire(Protocol):
    """What an exchange needs of its connection."""

    @property
    def peer(self) -> Peer:
        """The other end."""

    @property
    def limits(self) -> Limits:
        """Bounds on what a client may send."""

    @property
    def realm(self) -> str:
        """What challenges name."""

    @property
    def is_draining(self) -> bool:
        """Answers are to announce the end of the connection."""

    @property
    def is_closed(self) -> bool:
        """No new request is to be served."""

    @property
    def is_cut(self) -> bool:
        """The gateway itself cut the connection, to stop."""

    async def send(self, data: bytes) -> None:
        """Writes, and waits while the client takes nothing. ClientDisconnected."""

    def abort(self) -> None:
        """Cuts the connection."""


class RequestBody:
    """The body of a request, read at the pace of whoever takes it."""

    def __init__(self, exchange: "ClientExchange", content: StreamReader) -> None:
        self._exchange = exchange
        self._content = content
        self.failure: Refusal | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Chunks without their framing."""
        await self._exchange.invite_body()
        try:
            while not self._content.at_eof():
                chunk = await self._content.readany()
                self._exchange.bytes_in += len(chunk)
                if chunk:
                    yield chunk
        except RequestPayloadError:
            self.failure = BadRequest("the framing of the body broke")
            raise self.failure from None
        except (ConnectionError, web.PayloadAccessError):
            self.failure = ClientDisconnected("the client went away within its body")
            raise self.failure from None


class ClientExchange:
    """The client's side of one request."""

    def __init__(self, wire: Wire, request: web.BaseRequest, refusal: Refusal | None) -> None:
        self._wire = wire
        self._request = request
        self._refusal = refusal
        self._invited = False
        self.has_begun = False
        self.bytes_in = self.bytes_out = 0
        self.keep_alive = False
        #: the connection ends with our own answer, and the client may not be done sending
        self.lingers = False
        self.body: Body | None = None if request.content is EMPTY_PAYLOAD else RequestBody(self, request.content)

    def read_facts(self) -> Facts:
        """What the parser made of the request, judged further by `relay.facts`."""
        if self._refusal is not None:
            raise self._refusal
        request = self._request
        facts = read_facts(
            method=request.method,
            target=request.raw_path.encode("utf-8", "surrogateescape"),
            version=(request.version.major, request.version.minor),
            headers=request.raw_headers,
            peer=self._wire.peer,
            limits=self._wire.limits,
        )
        if self.body is None and (facts.chunked or facts.content_length):
            raise BadRequest("the parser gives no body where the head announces one")
        # RFC 9110 section 7.8: an upgrade may be ignored. What follows it would be lost, so the connection ends here.
        self.keep_alive = bool(request.keep_alive) and "Upgrade" not in request.headers
        if self._wire.is_closed:
            raise Draining("the gateway is stopping")
        return facts

    @property
    def is_cut(self) -> bool:
        """The gateway itself cut the connection, to stop."""
        return self._wire.is_cut

    async def invite_body(self) -> None:
        """RFC 9110 section 10.1.1: the body of a request that expects it is invited once somebody takes it."""
        expects = self._request.headers.get("Expect", "").lower() == "100-continue"
        if expects and not self._invited and self._request.version >= (1, 1) and not self.has_begun:
            self._invited = True
            await self._wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def relay(self, answer: Answer, *, cors: tuple[HeaderLine, ...] = ()) -> None:
        """The upstream's answer: its head as it is, hop-by-hop and `cors` excepted, its body as it comes."""
        request = self._request
        bodyless = request.method == "HEAD" or answer.status in _BODYLESS
        chunked = close_delimited = False
        if answer.content_length is None and not bodyless:
            chunked = request.version >= (1, 1)
            close_delimited = not chunked
        headers = with_lines(answer_headers(answer.headers), cors)
        if answer.status == 204 or chunked or close_delimited:
            headers = [(name, value) for name, value in headers if name.lower() != b"content-length"]
        if chunked:
            headers.append((b"Transfer-Encoding", b"chunked"))
        await self._begin(answer.status, answer.reason, headers, closing=close_delimited)
        if bodyless:
            return
        async for chunk in answer.chunks():
            self.bytes_out += len(chunk)
            await self._wire.send(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
        if chunked:
            await self._wire.send(b"0\r\n\r\n")

    async def refuse(self, refusal: Refusal, *, headers: tuple[HeaderLine, ...] = ()) -> None:
        """Our own answer, with further header lines."""
        answer = compose_refusal(refusal, realm=self._wire.realm)
        body = b"" if self._request.method == "HEAD" else answer.body
        closing = self._refusal is not None or isinstance(refusal, Draining | BadRequest)
        self.bytes_out = len(body)
        lines = [*answer.headers, *headers]
        await self._begin(answer.status, answer.reason, lines, closing=closing, body=body)
        self.lingers = not self.keep_alive

    async def _begin(
        self, status: int, reason: bytes, headers: list[HeaderLine], *, closing: bool, body: bytes = b""
    ) -> None:
        # A body that is not read to its end leaves the connection where nobody can find the next request.
        unread = self.body is not None and not self._request.content.is_eof()
        self.keep_alive = self.keep_alive and not (closing or unread or self._wire.is_draining)
        if not self.keep_alive:
            headers.append((b"Connection", b"close"))
        elif self._request.version < (1, 1):
            headers.append((b"Connection", b"keep-alive"))
        self.has_begun = True
        await self._wire.send(head_bytes(status, reason, headers) + body)

    def abort(self) -> None:
        """Cuts the connection."""
        self._wire.abort()


def head_bytes(status: int, reason: bytes, headers: list[HeaderLine]) -> bytes:
    """Status line and header lines (RFC 9112 section 4), as they go on the wire."""
    lines = [b"HTTP/1.1 %d %b" % (status, reason), *(b"%b: %b" % line for line in headers), b"", b""]
    return b"\r\n".join(lines)


def refusal_bytes(refusal: Refusal, *, realm: str) -> bytes:
    """A whole refusal that closes its connection."""
    answer = compose_refusal(refusal, realm=realm)
    return head_bytes(answer.status, answer.reason, [*answer.headers, (b"Connection", b"close")]) + answer.body
