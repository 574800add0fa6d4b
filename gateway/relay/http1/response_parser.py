"""The bytes of one response, as an upstream sends them, to its interim responses, head and body. No sockets here.

llhttp (httptools) reads the head and chunks. Where a body ends is our own decision: llhttp does not know the method
of the request, has no limit on a head, and reads bytes beyond a response as the next one.
"""

from collections.abc import Callable, Sequence
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.core.errors import UpstreamProtocolError
from gateway.core.http.facts import HeaderLine
from gateway.relay.http1.response_head import ResponseHead, judge_head

#: bytes of a response's head, those of its interim responses included; also of chunk framing and trailers in a row
MAX_HEAD: Final = 64 * 1024
#: interim responses (RFC 9110 section 15.2) before the final one
MAX_INTERIM: Final = 16
#: a header line's colon, blank and line end
_LINE_EXTRA: Final = 4
_USUAL: Final = "1.1"
_USUAL_BEGINNING: Final = b"HTTP/1.1 "
_VERSIONS: Final = (_USUAL, "1.0")
_HEAD_END: Final = b"\r\n\r\n"
#: RFC 9112 section 4
_REASON: Final = bytes({0x09, *range(0x20, 0x7F), *range(0x80, 0x100)})

#: status, reason phrase and header lines of an interim response
Inform = Callable[[int, bytes, Sequence[HeaderLine]], None]


class ResponseParser:
    """One response. `feed` it what comes, `end` it when nothing will; then look at its fields."""

    __slots__ = (
        "_accepts_upgrade",
        "_earlier",
        "_fed",
        "_feeding",
        "_headers",
        "_inform",
        "_interims",
        "_is_http",
        "_is_upgraded",
        "_is_usual",
        "_last",
        "_llhttp",
        "_method",
        "_problem",
        "_reason",
        "_remaining",
        "_size",
        "has_begun",
        "head",
        "is_complete",
        "is_invited",
        "parts",
        "surplus",
        "tail",
    )

    def __init__(self, method: str, *, accepts_upgrade: bool, inform: Inform) -> None:
        """`method`: of the request. `inform` is called with each interim response but 101."""
        self._method = method
        self._accepts_upgrade = accepts_upgrade
        self._inform = inform
        self._llhttp: HttpResponseParser | None = HttpResponseParser(self)
        self._headers: list[HeaderLine] = []
        self._reason = b""
        #: bytes since the last that were body
        self._fed = 0
        #: bytes that are fed just now
        self._feeding = 0
        #: bytes of feeds before this one
        self._earlier = 0
        #: bytes of heads, as far as they are counted
        self._size = 0
        #: the last bytes of them, which may begin the end of a head
        self._last = b""
        self._interims = 0
        self._is_http = False
        #: it begins as nearly all do, so that llhttp need not be asked for the version
        self._is_usual = False
        self._is_upgraded = False
        self._problem: UpstreamProtocolError | None = None
        #: bytes of body to come, once the parser is not needed any more; -1: until the connection closes
        self._remaining = 0
        #: a byte of it came
        self.has_begun = False
        #: 100 came
        self.is_invited = False
        #: None until all of the final response's head came
        self.head: ResponseHead | None = None
        #: pieces of body that nobody took yet
        self.parts: list[bytes] = []
        #: nothing more belongs to it
        self.is_complete = False
        #: bytes came that belong to no response
        self.surplus = False
        #: bytes behind a 101, in the protocol that begins there
        self.tail = b""

    def feed(self, data: bytes) -> None:
        """What the upstream sent. UpstreamProtocolError: nobody can tell what it means."""
        self.has_begun = True
        if not self._is_http:
            self._check_protocol(data)
        if self._llhttp is None:
            self._count(data)
            return
        held, interims = len(self.parts), self._interims
        self._feeding = len(data)
        self._parse(self._llhttp, data)
        if self.is_complete:
            self._llhttp = None
            self._look_behind(data, self._interims - interims)
            return
        self._earlier += len(data)
        self._last = (self._last + data)[1 - len(_HEAD_END) :]
        self._fed = 0 if len(self.parts) > held else self._fed + len(data)
        if self._fed > MAX_HEAD:
            raise UpstreamProtocolError(f"more than {MAX_HEAD} bytes of head, framing or trailers")
        if self.head is not None and not self.head.chunked:
            length = self.head.length
            self._llhttp = None
            self._remaining = -1 if length is None else length - sum(map(len, self.parts))

    def _check_protocol(self, data: bytes) -> None:
        """Refuses other protocols: llhttp knows responses of some, and does not say which it found."""
        if data.startswith(_USUAL_BEGINNING):
            self._is_http = self._is_usual = True
            return
        first = data.lstrip(b"\r\n")[:1]
        if first not in (b"H", b""):
            raise UpstreamProtocolError("something that is no HTTP")
        self._is_http = first == b"H"

    def _parse(self, llhttp: HttpResponseParser, data: bytes) -> None:
        try:
            llhttp.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._is_upgraded = True
            self.tail = data[upgrade.args[0] :]
        except HttpParserError as error:
            if self._problem is None and not self.is_complete:
                raise UpstreamProtocolError(f"the parser refused the response ({type(error).__name__})") from None
            self.surplus = True
        if self._problem is not None:
            raise self._problem

    def _look_behind(self, data: bytes, interims: int) -> None:
        """Whether the response, which ends in `data`, is all that is there: llhttp passes over line ends behind it."""
        head = self.head
        assert head is not None  # or nothing could be complete
        if head.status == 101:
            if not self._is_upgraded:
                raise UpstreamProtocolError("101 without the lines that belong to it")
        elif not head.chunked:
            body = 0 if head.bodyless or head.length is None else head.length
            self.surplus = self.surplus or len(data) > self._head_end(data, interims) + body

    def _head_end(self, data: bytes, interims: int) -> int:
        """Where in `data` the final head ends, behind `interims` others that end there too."""
        joined = self._last + data
        end = joined.find(_HEAD_END)
        for _ in range(interims):
            end = joined.find(_HEAD_END, end + len(_HEAD_END))
        return end + len(_HEAD_END) - len(self._last)

    def _count(self, data: bytes) -> None:
        """Body as it comes: what is left of its length, or what comes until the connection closes."""
        remaining = self._remaining
        if self.is_complete:
            self.surplus = True
        elif remaining < 0 or len(data) < remaining:
            self.parts.append(data)
            self._remaining = remaining - len(data) if remaining > 0 else -1
        else:
            self.parts.append(data[:remaining])
            self.surplus = len(data) > remaining
            self.is_complete = True

    def end(self) -> None:
        """Nothing more comes. UpstreamProtocolError: there should have."""
        if self._llhttp is None and self._remaining < 0:
            self.is_complete = True
        if not self.is_complete:
            raise UpstreamProtocolError("the connection ended within the response")

    # What llhttp calls

    def on_message_begin(self) -> None:
        """Another response begins: the first one, one behind an interim response, or one too many."""
        if self.is_complete:
            self.surplus = True
        self._headers = []
        self._reason = b""

    def on_status(self, reason: bytes) -> None:
        """The reason phrase, or a part of it."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line; behind the head, a trailer, which is dropped."""
        if self.head is None:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """All of a head, interim or final."""
        if self.is_complete or self._problem is not None or self._llhttp is None:
            return
        try:
            self._take_head(self._llhttp)
        except UpstreamProtocolError as problem:
            self._problem = problem

    def _take_head(self, llhttp: HttpResponseParser) -> None:
        status = llhttp.get_status_code()
        if self._reason != b"OK" and self._reason.translate(None, _REASON):
            raise UpstreamProtocolError("a reason phrase that is no text")
        if status < 200 and status != 101:
            self._interims += 1
            if status < 100 or self._interims > MAX_INTERIM:
                raise UpstreamProtocolError(f"status {status}, or more than {MAX_INTERIM} interim responses")
            self._count_head()
            return
        if self._earlier + self._feeding > MAX_HEAD:
            # Rarely so, and then most of it may be body: only now is it worth counting.
            self._count_head()
        if status == 101:
            protocols = [value.strip(b" \t").lower() for name, value in self._headers if name.lower() == b"upgrade"]
            if not self._accepts_upgrade or protocols != [b"websocket"]:
                raise UpstreamProtocolError("101 to something that was not asked for")
        version = _USUAL if self._is_usual and not self._interims else llhttp.get_http_version()
        if version not in _VERSIONS:
            raise UpstreamProtocolError("a version other than HTTP/1.0 and HTTP/1.1")
        self.head = judge_head(self._method, status, self._reason, version, self._headers)
        self.is_complete = self.head.bodyless or status == 101 or self.head.length == 0

    def _count_head(self) -> None:
        self._size += len(self._reason) + sum(len(name) + len(value) + _LINE_EXTRA for name, value in self._headers)
        if self._size > MAX_HEAD:
            raise UpstreamProtocolError(f"heads of more than {MAX_HEAD} bytes")

    def on_chunk_header(self) -> None:
        """A chunk begins."""
        if self.is_complete:
            self.surplus = True

    def on_body(self, data: bytes) -> None:
        """Body, without chunk framing."""
        if self.is_complete:
            self.surplus = True
        else:
            self.parts.append(data)

    def on_message_complete(self) -> None:
        """The end of a final response, or of an interim one."""
        if self._problem is not None or self._llhttp is None:
            return
        if self.head is not None:
            self.is_complete = True
        else:
            status = self._llhttp.get_status_code()
            self.is_invited = self.is_invited or status == 100
            self._inform(status, self._reason, self._headers)
