"""What passes between the steps of a request: values without behaviour of their own, made once and never changed.

Plain classes with Final attributes: one of each is made for every request, and compiled this is the fastest there is.
"""

import re
from typing import Final, Protocol

from gateway.core.http.field_line import FieldLine
from gateway.core.http.placed import Placed

#: where a path ends for whoever reads it once, twice or as a browser would
_QUERY: Final = re.compile(rb"[?#]|%(?:25)*(?:3[fF]|23)")


#: A header field as bytes: name as it was written, value without surrounding blanks.
HeaderLine = tuple[bytes, bytes]


class ShownCertificate(Protocol):
    """What a client showed of itself when TLS began."""

    def thumbprint(self) -> str | None:
        """SHA-256 of its certificate (RFC 8705 section 3.1), which was verified; None: it showed none."""


class Facts:
    """What a request says, read in one pass over its raw header lines (RFC 9112 section 3)."""

    __slots__ = (
        "_headers",
        "_lines",
        "authorization",
        "certificate",
        "chunked",
        "content_length",
        "expects_continue",
        "host",
        "is_question",
        "is_websocket",
        "method",
        "peer",
        "place",
        "placed",
        "request_id",
        "scheme",
        "target",
        "trusted",
        "version",
    )

    def __init__(
        self,
        *,
        method: str,
        target: bytes,
        version: tuple[int, int],
        headers: tuple[HeaderLine, ...] | None = None,
        lines: tuple[FieldLine, ...] | None = None,
        authorization: tuple[bytes, ...],
        host: bytes | None,
        content_length: int | None,
        chunked: bool,
        scheme: str,
        peer: str,
        trusted: bool,
        request_id: str,
        expects_continue: bool = False,
        is_websocket: bool = False,
        is_question: bool = False,
        certificate: ShownCertificate | None = None,
        placed: tuple[Placed, ...] = (),
        place: str = "Authorization",
    ) -> None:
        """`lines`: the header lines as they were read; without them they are made of `headers`."""
        self.method: Final = method
        #: origin-form or `*`, byte for byte as it will be forwarded
        self.target: Final = target
        #: (major, minor)
        self.version: Final = version
        self._headers = headers
        self._lines = lines
        #: every Authorization value, in order
        self.authorization: Final = authorization
        #: authority the client named, or None (HTTP/1.0 without Host)
        self.host: Final = host
        #: length of the body in bytes; None when there is none or it is chunked
        self.content_length: Final = content_length
        self.chunked: Final = chunked
        #: `http` or `https`: how the client reached us
        self.scheme: Final = scheme
        #: address of the peer, or `unix`
        self.peer: Final = peer
        #: the peer is one of `trusted_proxies`
        self.trusted: Final = trusted
        self.request_id: Final = request_id
        #: the client waits for 100 before it sends its body (RFC 9110 section 10.1.1)
        self.expects_continue: Final = expects_continue
        #: the client asks to go on in the WebSocket protocol (RFC 6455 section 4.1)
        self.is_websocket: Final = is_websocket
        #: a proxy asks about it, and forwards it by itself: what it tells of the request is read already
        self.is_question: Final = is_question
        #: None: the connection has no TLS of ours, or its clients are not asked for certificates
        self.certificate: Final = certificate
        #: what stood in other places of a token, and stands there no longer
        self.placed: Final = placed
        #: where what `authorization` has stood
        self.place: Final = place

    def __repr__(self) -> str:
        return f"Facts({self.method} {self.path} from {self.peer}, request {self.request_id})"

    @property
    def headers(self) -> tuple[HeaderLine, ...]:
        """Header lines as names and values."""
        headers = self._headers
        if headers is None:
            headers = self._headers = tuple([line.pair for line in self._lines or ()])
        return headers

    @property
    def lines(self) -> tuple[FieldLine, ...]:
        """The same as they were read, or as if they had been."""
        lines = self._lines
        if lines is None:
            lines = self._lines = tuple([FieldLine(name, value) for name, value in self._headers or ()])
        return lines

    @property
    def is_ambient(self) -> bool:
        """A browser sends its token by itself, whatever page had it do so."""
        return self.place.startswith("cookie ")

    def emptied(self, *, target: bytes, headers: tuple[HeaderLine, ...], placed: tuple[Placed, ...]) -> "Facts":
        """The same request without what stood in places of a token."""
        return self._with(target, headers, None, self.authorization, placed, self.place)

    def credited(self, authorization: tuple[bytes, ...], *, place: str) -> "Facts":
        """The same request, its token taken for one in Authorization. That is forwarded no more than it was."""
        return self._with(self.target, self._headers, self._lines, authorization, self.placed, place)

    def _with(
        self,
        target: bytes,
        headers: tuple[HeaderLine, ...] | None,
        lines: tuple[FieldLine, ...] | None,
        authorization: tuple[bytes, ...],
        placed: tuple[Placed, ...],
        place: str,
    ) -> "Facts":
        return Facts(
            method=self.method,
            target=target,
            version=self.version,
            headers=headers,
            lines=lines,
            authorization=authorization,
            host=self.host,
            content_length=self.content_length,
            chunked=self.chunked,
            scheme=self.scheme,
            peer=self.peer,
            trusted=self.trusted,
            request_id=self.request_id,
            expects_continue=self.expects_continue,
            is_websocket=self.is_websocket,
            is_question=self.is_question,
            certificate=self.certificate,
            placed=placed,
            place=place,
        )

    @property
    def path(self) -> str:
        """The target up to its query or fragment, also where their marks are escaped; printable: for the log."""
        return _QUERY.split(self.target, maxsplit=1)[0].decode("ascii", "backslashreplace")
