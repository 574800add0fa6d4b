"""The bytes of one response to its interim responses, its head, and its body as long as it takes llhttp to find it.

llhttp (httptools) reads the head and chunks. Where a body ends is our own decision: llhttp does not know the method
of the request, has no limit on a head, and reads bytes beyond a response as the next one.
"""

from collections.abc import Sequence
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
#: empty line behind a head
HEAD_END: Final = b"\r\n\r\n"
#: RFC 9112 section 4
_REASON: Final = bytes({0x09, *range(0x20, 0x7F), *range(0x80, 0x100)})


class Interim:
    """An interim response (RFC 9110 section 15.2) other than 101."""

    __slots__ = ("lines", "reason", "status")

    def __init__(self, status: int, reason: bytes, lines: Sequence[HeaderLine]) -> None:
        self.status: Final = status
        self.reason: Final = reason
        self.lines: Final = lines

    def __repr__(self) -> str:
        return f"<Interim {self.status}, {len(self.lines)} lines>"


class ResponseParser:
    """One response: `feed` its pieces, and take what came of each. Behind a problem nothing comes any more.

    Once it `is_done` whoever feeds it counts the rest, if there is any.
    """

    __slots__ = (
        "_accepts_upgrade",
        "_earlier",
        "_fed",
        "_feeding",
        "_headers",
        "_interims",
        "_is_http",
        "_is_usual",
        "_last",
        "_llhttp",
        "_method",
        "_reason",
        "_size",
        "_tail",
        "has_surplus",
        "head",
        "interims",
        "is_complete",
        "missing",
        "parts",
        "problem",
    )

    def __init__(self, method: str, *, accepts_upgrade: bool) -> None:
        """`method`: of the request. `accepts_upgrade`: it asked for a WebSocket."""
        self._method = method
        self._accepts_upgrade = accepts_upgrade
        #: what came and was not taken yet: interim responses, and body without its framing
        self.interims: list[Interim] = []
        self.parts: list[bytes] = []
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
        self.problem: UpstreamProtocolError | None = None
        #: bytes of body to come, once it is done; -1: until the connection closes, or of another protocol
        self.missing = 0
        #: None until all of the final response's head came
        self.head: ResponseHead | None = None
        #: nothing more belongs to it
        self.is_complete = False
        self.has_surplus = False
        #: bytes behind a 101, in the protocol that begins there; None before it
        self._tail: bytes | None = None

    def __repr__(self) -> str:
        state = "broken" if self.problem is not None else "complete" if self.is_complete else "reading"
        return f"<ResponseParser {state}{'' if self.head is None else f', status {self.head.status}'}>"

    @property
    def is_done(self) -> bool:
        """What may come is only to be counted."""
        return self._llhttp is None

    def feed(self, data: bytes) -> None:
        """What the upstream sent."""
        if self.problem is None and self._llhttp is not None and (self._is_http or self._begins_well(data)):
            self._read(self._llhttp, data)

    def _read(self, llhttp: HttpResponseParser, data: bytes) -> None:
        interims = self._interims
        self._feeding = len(data)
        self._parse(llhttp, data)
        if self.problem is not None:
            return
        if self.is_complete:
            self._llhttp = None
            self._look_behind(data, self._interims - interims)
            return
        self._earlier += len(data)
        self._last = (self._last + data)[1 - len(HEAD_END) :]
        self._fed = 0 if self.parts else self._fed + len(data)
        if self._fed > MAX_HEAD:
            self.problem = UpstreamProtocolError(f"more than {MAX_HEAD} bytes of head, framing or trailers")
        elif self.head is not None and not self.head.chunked:
            length = self.head.length
            self._llhttp = None
            self.missing = -1 if length is None else length - sum(map(len, self.parts))

    def _begins_well(self, data: bytes) -> bool:
        """Refuses other protocols: llhttp knows responses of some, and does not say which it found."""
        if data.startswith(_USUAL_BEGINNING):
            self._is_http = self._is_usual = True
            return True
        first = data.lstrip(b"\r\n")[:1]
        self._is_http = first == b"H"
        if first not in (b"H", b""):
            self.problem = UpstreamProtocolError("something that is no HTTP")
            return False
        return True

    def _parse(self, llhttp: HttpResponseParser, data: bytes) -> None:
        try:
            llhttp.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._tail = data[upgrade.args[0] :]
        except HttpParserError as error:
            if self.is_complete:
                self.has_surplus = True
            elif self.problem is None:
                self.problem = UpstreamProtocolError(f"the parser refused the response ({type(error).__name__})")

    def _look_behind(self, data: bytes, interims: int) -> None:
        """Whether the response, which ends in `data`, is all that is there: llhttp passes over line ends behind it."""
        head = self.head
        assert head is not None  # or nothing could be complete
        if head.status == 101:
            self.missing = -1
            if self._tail is None:
                self.problem = UpstreamProtocolError("101 without the lines that belong to it")
            elif self._tail:
                self.parts.append(self._tail)
        elif not head.chunked:
            body = 0 if head.bodyless or head.length is None else head.length
            self.has_surplus = self.has_surplus or len(data) > self._head_end(data, interims) + body

    def _head_end(self, data: bytes, interims: int) -> int:
        """Where in `data` the final head ends, behind `interims` others that end there too."""
        joined = self._last + data
        end = joined.find(HEAD_END)
        for _ in range(interims):
            end = joined.find(HEAD_END, end + len(HEAD_END))
        return end + len(HEAD_END) - len(self._last)

    # What llhttp calls

    def on_message_begin(self) -> None:
        """Another response begins: the first one, one behind an interim response, or one too many."""
        if self.is_complete:
            self.has_surplus = True
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
        if self.is_complete or self.problem is not None or self._llhttp is None:
            return
        try:
            self._take_head(self._llhttp)
        except UpstreamProtocolError as problem:
            self.problem = problem

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

    def on_body(self, data: bytes) -> None:
        """Body, without chunk framing."""
        if self.is_complete:
            self.has_surplus = True
        else:
            self.parts.append(data)

    def on_message_complete(self) -> None:
        """The end of a final response, or of an interim one."""
        if self.problem is not None or self._llhttp is None:
            return
        if self.head is not None:
            self.is_complete = True
        else:
            self.interims.append(Interim(self._llhttp.get_status_code(), self._reason, self._headers))
