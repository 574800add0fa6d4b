"""The bytes of a client, head by head, to its requests. No sockets here; bounds what one head may grow to.

llhttp (httptools) reads them, strictly; what it takes and this gateway does not is refused in `facts`.
"""

from collections import deque
from typing import Final

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from gateway.core.errors import BadRequest, Refusal, TooLarge, UriTooLong
from gateway.core.http.facts import HeaderLine
from gateway.relay.client.body import IncomingBody
from gateway.relay.client.wire import Wire
from gateway.relay.http1.framing import parse_length
from gateway.relay.http1.parser_errors import parser_refusal

_VERSIONS: Final = {"1.1": (1, 1), "1.0": (1, 0)}
#: RFC 9110 section 5.6.3: around values, which llhttp leaves behind them
_BLANKS: Final = b" \t"
_LENGTH: Final = b"content-length"
_CODING: Final = b"transfer-encoding"
_UPGRADE: Final = b"upgrade"


class RequestHead:
    """A request as it was sent, its body apart."""

    __slots__ = ("body", "closes", "headers", "method", "refusal", "target", "upgrades", "version")

    def __init__(
        self,
        *,
        method: str,
        target: bytes,
        version: tuple[int, int],
        headers: tuple[HeaderLine, ...],
        closes: bool,
        upgrades: bool,
        body: IncomingBody | None,
        refusal: Refusal | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        #: the connection is to end behind it
        self.closes = closes
        #: it asks for another protocol, in Connection and Upgrade together
        self.upgrades = upgrades
        #: None when it has none
        self.body = body
        #: what is wrong with it, where there is no request
        self.refusal = refusal


def no_request(refusal: Refusal) -> RequestHead:
    """Stands where the parser found no request."""
    return RequestHead(
        method="", target=b"", version=(1, 0), headers=(), closes=True, upgrades=False, body=None, refusal=refusal
    )


class RequestParser:
    """The requests of one connection. `feed` it what comes; then look at its fields."""

    __slots__ = (
        "_asks_upgrade",
        "_coded",
        "_header_count",
        "_is_in_head",
        "_is_replaying",
        "_length",
        "_lines",
        "_llhttp",
        "_problem",
        "_target",
        "_uri_bytes",
        "_wire",
        "body",
        "heads",
        "is_upgraded",
        "tail",
    )

    def __init__(self, wire: Wire) -> None:
        """`wire`: where bodies make room."""
        self._wire = wire
        self._uri_bytes = int(wire.limits.uri_bytes)
        self._header_count = wire.limits.header_count
        self._llhttp: HttpRequestParser | None = HttpRequestParser(self)
        self._is_in_head = False
        self._target = b""
        self._lines: list[HeaderLine] = []
        #: what the head says of a body: digits of its length, and whether it is coded
        self._length = b""
        self._coded = False
        #: there is an Upgrade, whether or not Connection names it: some would act on it, so nothing may follow it
        self._asks_upgrade = False
        self._problem: Refusal | None = None
        #: the head that is read is our own: see `_begin_body`
        self._is_replaying = False
        #: requests that nobody took yet, in order
        self.heads: deque[RequestHead] = deque()
        #: of the last of them, while it is on its way
        self.body: IncomingBody | None = None
        #: the last request asked for another protocol, and all of it is here
        self.is_upgraded = False
        #: bytes behind it
        self.tail = b""

    def feed(self, data: bytes) -> None:
        """What the client sent. A Refusal: nobody can tell what it means, nor what follows."""
        assert self._llhttp is not None  # closed
        upgraded_at = -1
        try:
            self._llhttp.feed_data(data)
        except HttpParserUpgrade as upgrade:
            upgraded_at = upgrade.args[0]
        except HttpParserCallbackError:
            # A bug in what is below: the connection ends with it.
            raise
        except HttpParserError as error:
            raise self._problem or parser_refusal(error) from None
        if self._problem is not None:
            raise self._problem
        if upgraded_at >= 0 and self.body is not None:
            self._begin_body(data[upgraded_at:])
        elif upgraded_at >= 0:
            self.is_upgraded = True
            self.tail = data[upgraded_at:]

    def _begin_body(self, data: bytes) -> None:
        """RFC 9110 section 7.8: an upgrade may be ignored, and its request has the body that it announces.

        httptools leaves that unread; another parser, at the end of a head with the same framing, does not.
        """
        self._llhttp, self._is_replaying = HttpRequestParser(self), True
        framing = b"Transfer-Encoding: chunked" if self._coded else b"Content-Length: " + self._length
        self._llhttp.feed_data(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + framing + b"\r\n\r\n")
        self._is_replaying = False
        self.feed(data)

    def close(self) -> None:
        """Nothing will come any more."""
        self._llhttp = None

    # What llhttp calls

    def on_message_begin(self) -> None:
        """A request line is due."""
        if self._is_replaying:
            return
        self._is_in_head = True
        self._target = b""
        self._lines = []
        self._length = b""
        self._coded = self._asks_upgrade = False

    def on_url(self, target: bytes) -> None:
        """The target, or a part of it."""
        if self._is_replaying:
            return
        self._target = self._target + target if self._target else target
        if len(self._target) > self._uri_bytes:
            self._problem = self._problem or UriTooLong(f"the target has more than {self._uri_bytes} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line; behind a body, a trailer, which is dropped."""
        if not self._is_in_head:
            return
        if len(self._lines) >= self._header_count:
            self._problem = self._problem or TooLarge(f"more than {self._header_count} header lines")
            return
        if value and (value[-1] == 0x20 or value[-1] == 0x09):
            value = value.rstrip(_BLANKS)
        self._lines.append((name, value))
        size = len(name)
        if size == len(_LENGTH) and name.lower() == _LENGTH:
            self._length = value
        elif size == len(_CODING) and name.lower() == _CODING:
            self._coded = True
        elif size == len(_UPGRADE) and name.lower() == _UPGRADE:
            self._asks_upgrade = True

    def on_headers_complete(self) -> None:
        """All of a head."""
        self._is_in_head = False
        llhttp = self._llhttp
        if llhttp is None or self._is_replaying or self._problem is not None:
            return
        if self._coded:
            self.body = IncomingBody(self._wire, length=None)
        elif self._length and (length := _presumed_length(self._length)):
            self.body = IncomingBody(self._wire, length=length)
        version = llhttp.get_http_version()
        self.heads.append(
            RequestHead(
                method=llhttp.get_method().decode("ascii"),
                target=self._target,
                version=_VERSIONS.get(version) or _parse_version(version),
                headers=tuple(self._lines),
                closes=self._asks_upgrade or not llhttp.should_keep_alive(),
                upgrades=llhttp.should_upgrade(),
                body=self.body,
            )
        )

    def on_body(self, data: bytes) -> None:
        """Body, without chunk framing."""
        if self.body is not None:
            self.body.put(data)
        else:
            self._problem = self._problem or BadRequest("the parser gives a body where the head announces none")

    def on_message_complete(self) -> None:
        """The end of a request, or of a head with an upgrade, whose body is still to be read."""
        body = self.body
        if body is not None and not (self._llhttp is not None and self._llhttp.should_upgrade()):
            self.body = None
            body.end()


def _presumed_length(digits: bytes) -> int:
    """What is no length is refused by llhttp, or as a fact."""
    try:
        return parse_length(digits)
    except ValueError:
        return 0


def _parse_version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor)
