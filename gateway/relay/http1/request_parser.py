"""The bytes of a client to events, one at a time and only when asked for: what nobody asked for stays as it came.

A head that is plain and came in one piece is read in `plain_request`, all else by llhttp (httptools), strictly; what it
takes and this gateway does not is refused in `facts`.
"""

from typing import Final

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from gateway.core.config.limits import Limits
from gateway.core.errors import BadRequest, Refusal, TooLarge, UriTooLong
from gateway.core.http.field_line import FieldLine
from gateway.relay.http1.events import END, UPGRADE, Broken, Data, End, Upgrade
from gateway.relay.http1.framing import parse_length
from gateway.relay.http1.parser_errors import parser_refusal
from gateway.relay.http1.plain_request import LineMemory, PlainReader
from gateway.relay.http1.request_head import RequestHead

#: bytes of empty lines before a request
MAX_EMPTY: Final = 16
#: bytes of chunks that are read at a time
_CHUNKS: Final = 16 * 1024
#: behind a head, and behind chunks
_MARK: Final = b"\r\n\r\n"
_VERSIONS: Final = {"1.1": (1, 1), "1.0": (1, 0)}
#: RFC 9110 section 5.6.3: around values, which llhttp leaves behind them
_BLANKS: Final = b" \t"
_LENGTH: Final = b"content-length"
_CODING: Final = b"transfer-encoding"
_UPGRADE: Final = b"upgrade"


Event = RequestHead | Data | End | Upgrade | Broken


class RequestParser:
    """The requests of one connection: `receive` what comes, then ask for `next_event` until there is none."""

    __slots__ = (
        "_asks_upgrade",
        "_at",
        "_coded",
        "_data",
        "_empty",
        "_following",
        "_head",
        "_header_bytes",
        "_header_count",
        "_is_counted",
        "_is_over",
        "_last",
        "_length",
        "_lines",
        "_llhttp",
        "_missing",
        "_parts",
        "_plain",
        "_problem",
        "_size",
        "_target",
        "_uri_bytes",
    )

    def __init__(self, limits: Limits, memory: LineMemory) -> None:
        """`limits`: on heads. `memory`: of lines that many heads have."""
        #: None: what follows is for llhttp, which knows that nothing should
        self._plain: PlainReader | None = PlainReader(memory)
        self._header_bytes = int(limits.header_bytes)
        self._header_count = limits.header_count
        self._uri_bytes = int(limits.uri_bytes)
        #: nothing more will be read
        self._is_over = False
        #: None: nothing was for it yet
        self._llhttp: HttpRequestParser | None = None
        #: what came, and how much of it was read
        self._data = b""
        self._at = 0
        #: how the request ended, behind what was handed out last
        self._following: End | Upgrade | Broken | None = None
        #: bytes of empty lines before the head
        self._empty = 0
        #: bytes of a head that has not ended, or of framing since the last that were body; and the last of them
        self._size = 0
        self._last = b""
        #: bytes of the body that is read that are still to come; -1: it comes in chunks; 0: no body is read
        self._missing = 0
        #: that of a plain head, which is as long as was announced: llhttp has not heard of it
        self._is_counted = False
        #: what llhttp found in what it was fed last
        self._head: RequestHead | None = None
        self._parts: list[bytes] | None = None
        self._problem: Refusal | None = None
        #: of the head that is read; None: none is
        self._lines: list[FieldLine] | None = None
        self._target = b""
        #: what it says of a body: digits of its length, and whether it is coded
        self._length = b""
        self._coded = False
        #: there is an Upgrade, whether or not Connection names it: some would act on it, so nothing may follow it
        self._asks_upgrade = False

    def __repr__(self) -> str:
        at = "in a body" if self._missing else "in a head" if self._size else "between"
        at = "over" if self._is_over else at
        return f"<RequestParser {at}, {self.unread} bytes unread>"

    @property
    def unread(self) -> int:
        """Bytes that came and were not read."""
        return len(self._data) - self._at

    @property
    def is_in_head(self) -> bool:
        """A head has begun, and not ended."""
        return self._size > 0 and not self._missing

    def receive(self, data: bytes) -> None:
        """What the client sent."""
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0

    def rest(self) -> bytes:
        """What came and was not read, which nobody will read any more."""
        rest, self._data, self._at = self._data[self._at :], b"", 0
        return rest

    def close(self) -> None:
        """Nothing will come any more, or nobody cares."""
        self._is_over = True
        self._following = self._llhttp = self._plain = None
        self._data, self._at = b"", 0

    def next_event(self) -> Event | None:
        """What comes next; None: more must be received, or there is nothing behind an Upgrade or a Broken."""
        following = self._following
        if following is not None:
            self._following = None
            return following
        if self._at == len(self._data):
            return None
        event: Event | None = None
        try:
            if self._plain is not None and not self._size and not self._missing:
                event = self._read_plain(self._plain)
            while event is None and not self._is_over:
                end = self._find_end()
                if end == self._at:
                    break
                event = self._read(end)
        except Refusal as refusal:
            parts, self._parts = self._parts, None
            self.close()
            event = Broken(refusal)
            if parts is not None:
                self._following = event
                event = Data(b"".join(parts))
        if self._at == len(self._data):
            # Kept no longer than it must be: there may be thousands of idle connections.
            self._data, self._at = b"", 0
        return event

    # Pieces: never more than a head, or the end of a body, so that nothing is read ahead

    def _find_end(self) -> int:
        """Where the next piece ends."""
        data, start, size = self._data, self._at, len(self._data)
        if self._missing > 0:
            return min(size, start + self._missing)
        if self._missing:
            # The end of chunks looks like that of a head.
            size = min(size, start + _CHUNKS)
        if self._last:
            found = (self._last + data[start : start + len(_MARK) - 1]).find(_MARK)
            if found >= 0:
                return start + found + len(_MARK) - len(self._last)
        found = data.find(_MARK, start, size)
        return size if found < 0 else found + len(_MARK)

    def _skip_empty_lines(self, start: int) -> int:
        """Where they end. RFC 9112 section 2.2: they are passed over; a stream of them is no client. BadRequest."""
        data = self._data
        while start < len(data) and (data[start] == 0x0D or data[start] == 0x0A):
            start += 1
            self._empty += 1
            if self._empty > MAX_EMPTY:
                raise BadRequest("empty lines where a request was due")
        return start

    def _read_plain(self, reader: PlainReader) -> RequestHead | None:
        """The head that is here, where all of it is and it is plain. BadRequest: empty lines in its place."""
        data = self._data
        start = self._at = self._skip_empty_lines(self._at)
        head = None
        end = len(data)
        # Nearly always there is one head and nothing else; where there is more, that is found out once.
        if start == 0 and end <= self._header_bytes and data.endswith(_MARK):
            head = reader.read(data)
        if head is None:
            found = data.find(_MARK, start, start + self._header_bytes)
            if found < 0 or (found + len(_MARK) == end and start == 0):
                return None
            end = found + len(_MARK)
            head = reader.read(data[start:end])
        if head is None or len(head.lines) > self._header_count or len(head.target) > self._uri_bytes:
            return None
        self._at = end
        self._empty = 0
        self._missing = head.length
        self._is_counted = head.has_body
        if not head.has_body:
            self._following = END
        return head

    def _read(self, end: int) -> Event | None:
        """What comes of one piece; None: of its own nothing. A Refusal: nobody can tell what it means."""
        data = self._data
        piece = data if end - self._at == len(data) else data[self._at : end]
        self._at = end
        if self._missing:
            return self._read_body(piece)
        is_upgrade = self._feed(piece)
        head = self._head
        if head is None:
            self._size += len(piece)
            self._last = (self._last + piece)[1 - len(_MARK) :]
            if self._size > self._header_bytes:
                raise TooLarge("the head did not end within header_bytes")
            return None
        self._head = None
        self._size, self._last, self._empty = 0, b"", 0
        if head.closes:
            self._plain = None
        if is_upgrade and head.has_body:
            self._begin_body()
        elif is_upgrade:
            self._is_over = True
            self._llhttp = self._plain = None
            self._following = UPGRADE
        elif not head.has_body:
            self._following = END
        return head

    def _read_body(self, piece: bytes) -> Event | None:
        if self._is_counted:
            self._missing -= len(piece)
            if not self._missing:
                self._is_counted = False
                self._following = END
            return Data(piece)
        self._feed(piece)
        parts, self._parts = self._parts, None
        if self._lines is not None:
            raise BadRequest("the parser finds another request before the end of this one")
        if not self._missing:
            self._size, self._last = 0, b""
            if parts is None:
                return END
            self._following = END
        elif self._missing < 0:
            # Chunk extensions and trailers: they have no limit of their own.
            self._size = 0 if parts else self._size + len(piece)
            self._last = (self._last + piece)[1 - len(_MARK) :]
            if self._size > self._header_bytes:
                raise BadRequest("the framing of the body is longer than a head may be")
        if parts is None:
            return None
        return Data(parts[0] if len(parts) == 1 else b"".join(parts))

    def _feed(self, piece: bytes) -> bool:
        """Whether an upgrade follows the piece. A Refusal."""
        llhttp = self._llhttp
        if llhttp is None:
            llhttp = self._llhttp = HttpRequestParser(self)
        is_upgrade = False
        try:
            llhttp.feed_data(piece)
        except HttpParserUpgrade:
            is_upgrade = True
        except HttpParserCallbackError:
            # A bug in what is below: the connection ends with it.
            raise
        except HttpParserError as error:
            raise self._problem or parser_refusal(error) from None
        if self._problem is not None:
            raise self._problem
        return is_upgrade

    def _begin_body(self) -> None:
        """RFC 9110 section 7.8: an upgrade may be ignored, and its request has the body that it announces.

        httptools leaves that unread; another parser, at the end of a head with the same framing, does not.
        """
        self._llhttp = HttpRequestParser(self)
        framing = b"Transfer-Encoding: chunked" if self._missing < 0 else b"Content-Length: %d" % self._missing
        self._llhttp.feed_data(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + framing + b"\r\n\r\n")

    # What llhttp calls

    def on_message_begin(self) -> None:
        """A request line is due."""
        if self._missing:
            # Our own: see `_begin_body`.
            return
        if self._head is not None:
            self._problem = self._problem or BadRequest("the parser finds another request in a head")
        self._lines = []
        self._target = self._length = b""
        self._coded = self._asks_upgrade = False

    def on_url(self, target: bytes) -> None:
        """The target, or a part of it."""
        if self._lines is None:
            return
        self._target = self._target + target if self._target else target
        if len(self._target) > self._uri_bytes:
            self._problem = self._problem or UriTooLong(f"the target has more than {self._uri_bytes} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line; behind a body, a trailer, which is dropped."""
        lines = self._lines
        if lines is None:
            return
        if len(lines) >= self._header_count:
            self._problem = self._problem or TooLarge(f"more than {self._header_count} header lines")
            return
        if value and (value[-1] == 0x20 or value[-1] == 0x09):
            value = value.rstrip(_BLANKS)
        lines.append(FieldLine(name, value))
        size = len(name)
        if size == len(_LENGTH) and name.lower() == _LENGTH:
            self._length = value
        elif size == len(_CODING) and name.lower() == _CODING:
            self._coded = True
        elif size == len(_UPGRADE) and name.lower() == _UPGRADE:
            self._asks_upgrade = True

    def on_headers_complete(self) -> None:
        """All of a head."""
        llhttp, lines = self._llhttp, self._lines
        if llhttp is None or lines is None or self._problem is not None:
            return
        try:
            self._missing = -1 if self._coded else parse_length(self._length) if self._length else 0
        except ValueError:
            self._problem = BadRequest("Content-Length is not a number up to 2^63-1")
            return
        version, upgrades = llhttp.get_http_version(), llhttp.should_upgrade()
        self._head = RequestHead(
            method=llhttp.get_method().decode("ascii"),
            target=self._target,
            version=_VERSIONS.get(version) or _parse_version(version),
            lines=tuple(lines),
            length=self._missing,
            closes=self._asks_upgrade or upgrades or not llhttp.should_keep_alive(),
            upgrades=upgrades,
        )
        # Kept no longer than it must be: there may be thousands of idle connections.
        self._lines = None
        self._target = b""

    def on_body(self, data: bytes) -> None:
        """Body, without chunk framing."""
        if not self._missing or self._head is not None:
            self._problem = self._problem or BadRequest("the parser gives a body where the head announces none")
            return
        if self._missing > 0:
            self._missing -= len(data)
        if self._parts is None:
            self._parts = [data]
        else:
            self._parts.append(data)

    def on_message_complete(self) -> None:
        """The end of a request, or of a head with an upgrade, whose body is still to be read."""
        if self._head is None and self._missing < 0:
            self._missing = 0


def _parse_version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor)
