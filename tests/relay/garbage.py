"""Responses that an upstream should never give, or that two readers of HTTP may take for different ones.

Every row is one upstream's response to one request. What must come of it stands in `fate`; none of it may ever reach
another client.
"""

from dataclasses import dataclass
from enum import Enum

from tests.wire import chunks


class Fate(Enum):
    #: no client sees a byte of it: 502 in its place
    REFUSED = "refused"
    #: its head is sound, what follows is not: the client is cut off, or gets 502 when it all came at once
    BROKEN = "broken"
    #: a response with more behind it: the response arrives, and nothing of the rest
    FIRST = "the first alone"


@dataclass(frozen=True)
class Garbage:
    name: str
    raw: bytes
    fate: Fate = Fate.REFUSED
    method: str = "GET"
    #: the upstream ends the connection behind it; otherwise the gateway has to
    ends: bool = False
    #: of the response, where it arrives
    status: int = 200
    body: bytes = b""


#: stands in what must not arrive anywhere
EVIL = b"EVIL"
KIB = 1024
_SECOND = b"HTTP/1.1 200 OK\r\nX-Evil: EVIL\r\nContent-Length: 4\r\n\r\nEVIL"


def _head(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join((start, *lines, b"", b""))


def _small(line: bytes) -> bytes:
    """A response with a header line that is not sound, and a body that would be."""
    return _head(line, b"Content-Length: 4") + EVIL


def _start(line: bytes) -> bytes:
    return _head(b"Content-Length: 4", start=line) + EVIL


def _chunked(body: bytes) -> bytes:
    return _head(b"Transfer-Encoding: chunked") + body


_END = b"0\r\n\r\n"
_EVIL_CHUNK = chunks(EVIL)

_START_LINES = (
    Garbage("no HTTP at all", b"EVIL garbage\r\n\r\n"),
    Garbage("a TLS alert", b"\x15\x03\x01\x00\x02\x02\x0a"),
    Garbage("another protocol's greeting", b"220 mail.test ESMTP EVIL\r\n"),
    Garbage("a request", b"GET /EVIL HTTP/1.1\r\nHost: a\r\n\r\n"),
    Garbage("HTTP/0.9", b"<html>EVIL</html>", ends=True),
    Garbage("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Garbage("version 2.0", _start(b"HTTP/2.0 200 OK")),
    Garbage("version 1.2", _start(b"HTTP/1.2 200 OK")),
    Garbage("version 0.9", _start(b"HTTP/0.9 200 OK")),
    Garbage("a version of one digit", _start(b"HTTP/1 200 OK")),
    Garbage("a version of two digits", _start(b"HTTP/1.11 200 OK")),
    Garbage("a protocol in lower case", _start(b"http/1.1 200 OK")),
    Garbage("the streaming protocol RTSP", _start(b"RTSP/1.0 200 OK")),
    Garbage("the streaming protocol ICY", _start(b"ICY 200 OK")),
    Garbage("a blank first", _start(b" HTTP/1.1 200 OK")),
    Garbage("two blanks before the status", _start(b"HTTP/1.1  200 OK")),
    Garbage("a tab before the status", _start(b"HTTP/1.1\t200 OK")),
    Garbage("no status", _start(b"HTTP/1.1")),
    Garbage("an empty status", _start(b"HTTP/1.1 ")),
    Garbage("a status of letters", _start(b"HTTP/1.1 abc OK")),
    Garbage("a status of two digits", _start(b"HTTP/1.1 20 OK")),
    Garbage("a status of four digits", _start(b"HTTP/1.1 2000 OK")),
    Garbage("a negative status", _start(b"HTTP/1.1 -20 OK")),
    Garbage("a status with a sign", _start(b"HTTP/1.1 +20 OK")),
    Garbage("a status with letters behind", _start(b"HTTP/1.1 200OK")),
    Garbage("a status below 100", _start(b"HTTP/1.1 099 Less")),
    Garbage("status 0", _start(b"HTTP/1.1 000 Nothing")),
    Garbage("a bare CR in the reason", _start(b"HTTP/1.1 200 O\rX-Evil: EVIL")),
    Garbage("NUL in the reason", _start(b"HTTP/1.1 200 O\x00K")),
    Garbage("a control byte in the reason", _start(b"HTTP/1.1 200 O\x1bK")),
)

_LINES = (
    Garbage("lines ended by LF alone", b"HTTP/1.1 200 OK\nContent-Length: 4\n\nEVIL"),
    Garbage("a status line ended by LF alone", b"HTTP/1.1 200 OK\nContent-Length: 4\r\n\r\nEVIL"),
    Garbage("a header line ended by LF alone", b"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 4\r\n\r\nEVIL"),
    Garbage("a header line ended by CR alone", b"HTTP/1.1 200 OK\r\nX: a\rContent-Length: 4\r\n\r\nEVIL"),
    Garbage("a head ended by LF alone", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\nEVIL"),
    Garbage("a head ended by CR alone", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\rEVIL"),
    Garbage("CR twice", b"HTTP/1.1 200 OK\r\r\nContent-Length: 4\r\n\r\nEVIL"),
    Garbage("a bare CR in a value", _small(b"X: a\rY: EVIL")),
    Garbage("a bare LF in a value", _small(b"X: a\nY: EVIL")),
    Garbage("NUL in a value", _small(b"X: a\x00b")),
    Garbage("a control byte in a value", _small(b"X: a\x01b")),
    Garbage("DEL in a value", _small(b"X: a\x7fb")),
    Garbage("NUL in a name", _small(b"X\x00Y: a")),
    Garbage("a blank before the colon", _small(b"X : a")),
    Garbage("a tab before the colon", _small(b"X\t: a")),
    Garbage("a blank before the colon of a length", _head(b"Content-Length : 4") + EVIL),
    Garbage("a blank before the colon of a coding", _head(b"Transfer-Encoding : chunked") + _EVIL_CHUNK + _END),
    Garbage("a blank in a name", _small(b"X Y: a")),
    Garbage("a line without a colon", _small(b"X-Evil")),
    Garbage("a line without a name", _small(b": EVIL")),
    Garbage("a name in brackets", _small(b"X(Y): a")),
    Garbage("a name with a slash", _small(b"X/Y: a")),
    Garbage("a name with an at sign", _small(b"X@Y: a")),
    Garbage("a name in Latin-1", _small(b"X\xfc: a")),
    Garbage("a name in UTF-8", _small(b"X\xc3\xbc: a")),
    Garbage("a fold", _small(b"X: a\r\n EVIL: b")),
    Garbage("a fold by a tab", _small(b"X: a\r\n\tEVIL: b")),
    Garbage("a fold before the first line", _small(b" X: EVIL")),
    Garbage("a folded length", _head(b"Content-Length:", b" 4") + EVIL),
    Garbage("a length with a fold behind", _head(b"Content-Length: 4", b" 4") + EVIL * 11),
    Garbage("a folded coding", _head(b"Transfer-Encoding:", b" chunked") + _EVIL_CHUNK + _END),
)

_FRAMING = (
    Garbage("CL.TE", _head(b"Content-Length: 4", b"Transfer-Encoding: chunked") + _EVIL_CHUNK + _END),
    Garbage("TE.CL", _head(b"Transfer-Encoding: chunked", b"Content-Length: 4") + _EVIL_CHUNK + _END),
    Garbage("two lengths that differ", _head(b"Content-Length: 4", b"Content-Length: 8") + EVIL * 2),
    Garbage("two lengths that agree", _head(b"Content-Length: 4", b"Content-Length: 4") + EVIL),
    Garbage("a list of lengths", _head(b"Content-Length: 4, 4") + EVIL),
    Garbage("an empty length", _head(b"Content-Length: ") + EVIL, ends=True),
    Garbage("a negative length", _head(b"Content-Length: -4") + EVIL),
    Garbage("a length with a plus", _head(b"Content-Length: +4") + EVIL),
    Garbage("a hexadecimal length", _head(b"Content-Length: 0x4") + EVIL),
    Garbage("a length with a fraction", _head(b"Content-Length: 4.0") + EVIL),
    Garbage("a length with an underscore", _head(b"Content-Length: 0_4") + EVIL),
    Garbage("a length with a blank within", _head(b"Content-Length: 0 4") + EVIL),
    Garbage("a length in letters", _head(b"Content-Length: four") + EVIL),
    Garbage("a length of 2 to the 63rd", _head(b"Content-Length: 9223372036854775808") + EVIL),
    Garbage("a length of 2 to the 64th and 4", _head(b"Content-Length: 18446744073709551620") + EVIL),
    Garbage("a length of too many digits", _head(b"Content-Length: 4" + b"0" * 20) + EVIL),
    Garbage("an empty coding", _head(b"Transfer-Encoding: ") + EVIL, ends=True),
    Garbage("the coding gzip", _head(b"Transfer-Encoding: gzip") + EVIL, ends=True),
    Garbage("gzip, then chunked", _head(b"Transfer-Encoding: gzip, chunked") + _EVIL_CHUNK + _END),
    Garbage("chunked, then gzip", _head(b"Transfer-Encoding: chunked, gzip") + _EVIL_CHUNK + _END),
    Garbage("chunked twice", _head(b"Transfer-Encoding: chunked, chunked") + _EVIL_CHUNK + _END),
    Garbage("chunked in two lines", _head(*[b"Transfer-Encoding: chunked"] * 2) + _EVIL_CHUNK + _END),
    Garbage("gzip and chunked in two lines", _head(b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked") + _END),
    Garbage("the coding identity", _head(b"Transfer-Encoding: identity", b"Content-Length: 4") + EVIL),
    Garbage("chunked with a parameter", _head(b"Transfer-Encoding: chunked;q=1") + _EVIL_CHUNK + _END),
    Garbage("chunked in quotes", _head(b'Transfer-Encoding: "chunked"') + _EVIL_CHUNK + _END),
    Garbage("chunked behind a vertical tab", _head(b"Transfer-Encoding: \x0bchunked") + _EVIL_CHUNK + _END),
    Garbage("xchunked", _head(b"Transfer-Encoding: xchunked") + _EVIL_CHUNK + _END),
    Garbage("chunked in HTTP/1.0", _head(b"Transfer-Encoding: chunked", start=b"HTTP/1.0 200 OK") + _EVIL_CHUNK + _END),
)

_CHUNKS = tuple(
    Garbage(name, _chunked(body), Fate.BROKEN)
    for name, body in (
        ("a negative chunk", b"-4\r\nEVIL\r\n" + _END),
        ("a chunk size with a plus", b"+4\r\nEVIL\r\n" + _END),
        ("a chunk size with 0x", b"0x4\r\nEVIL\r\n" + _END),
        ("a chunk size that is no number", b"g\r\nEVIL\r\n" + _END),
        ("a chunk size of two numbers", b"4,4\r\nEVIL\r\n" + _END),
        ("an empty chunk size", b"\r\nEVIL\r\n" + _END),
        ("a chunk size beyond 64 bits", b"10000000000000004\r\nEVIL\r\n" + _END),
        ("a blank before a chunk size", b" 4\r\nEVIL\r\n" + _END),
        ("a blank behind a chunk size", b"4 \r\nEVIL\r\n" + _END),
        ("junk behind a chunk size", b"4 x\r\nEVIL\r\n" + _END),
        ("a chunk size ended by LF alone", b"4\nEVIL\r\n" + _END),
        ("a chunk size ended by CR alone", b"4\rEVIL\r\n" + _END),
        ("a chunk ended by LF alone", b"4\r\nEVIL\n" + _END),
        ("a chunk ended by nothing", b"4\r\nEVIL" + _END),
        ("a chunk longer than it says", b"4\r\nEVILEVIL\r\n" + _END),
        ("a bare LF in a chunk extension", b"4;a\nb\r\nEVIL\r\n" + _END),
        ("NUL in a chunk extension", b"4;a\x00b\r\nEVIL\r\n" + _END),
        ("a line break in a quoted chunk extension", b'4;a="\r\n"\r\nEVIL\r\n' + _END),
        ("an endless chunk extension", b"4;" + b"a" * 80 * KIB),
        ("a negative last chunk", _EVIL_CHUNK + b"-0\r\n\r\n"),
        ("a trailer with a blank before its colon", _EVIL_CHUNK + b"0\r\nX : y\r\n\r\n"),
        ("a trailer ended by LF alone", _EVIL_CHUNK + b"0\r\nX: y\n\r\n"),
        ("a trailer that is a length", _EVIL_CHUNK + b"0\r\nContent-Length: 4\r\n\r\nEVIL"),
        ("an endless trailer", b"0\r\nX: " + b"a" * 80 * KIB),
        ("endless trailers", b"0\r\n" + b"X: y\r\n" * 14_000),
    )
)

_SIZES = (
    Garbage("an endless line", _head(b"X: " + b"a" * 80 * KIB)),
    Garbage("an endless name", _head(b"a" * 80 * KIB + b": x")),
    Garbage("endless lines", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 14_000),
    Garbage("a head of 80 KiB that ends", _head(*[b"X: " + b"a" * KIB] * 80, b"Content-Length: 4") + EVIL),
    Garbage("an endless reason", b"HTTP/1.1 200 " + b"a" * 80 * KIB),
    Garbage(
        "a reason of 80 KiB that ends", _head(b"Content-Length: 4", start=b"HTTP/1.1 200 " + b"a" * 80 * KIB) + EVIL
    ),
    Garbage("endless empty lines", b"\r\n" * 40 * KIB),
    Garbage("17 interim responses", _head(start=b"HTTP/1.1 103 Early") * 17 + _SECOND),
    Garbage("interim responses of 80 KiB", _head(b"X: " + b"a" * 8 * KIB, start=b"HTTP/1.1 103 Early") * 10 + _SECOND),
    Garbage(
        "an interim response with a body", _head(b"Content-Length: 4", start=b"HTTP/1.1 103 Early") + EVIL + _SECOND
    ),
    Garbage(
        "an interim response in chunks",
        _head(b"Transfer-Encoding: chunked", start=b"HTTP/1.1 103 Early") + _EVIL_CHUNK + _END + _SECOND,
    ),
    Garbage("an interim response and no other", _head(start=b"HTTP/1.1 103 Early"), ends=True),
    Garbage("half a head", b"HTTP/1.1 200 OK\r\nX-Evil: EVIL\r\n", ends=True),
    Garbage("a head with one line break too few", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", ends=True),
)

_UPGRADES = (
    Garbage("101 unasked", _head(b"Connection: Upgrade", b"Upgrade: websocket", start=b"HTTP/1.1 101 S") + EVIL),
    Garbage("101 to another protocol", _head(b"Connection: Upgrade", b"Upgrade: h2c", start=b"HTTP/1.1 101 S") + EVIL),
    Garbage("101 to nothing", _head(start=b"HTTP/1.1 101 S") + EVIL),
    Garbage("101 and another response", _head(start=b"HTTP/1.1 101 S") + _SECOND),
    Garbage(
        "101 behind an interim response", _head(start=b"HTTP/1.1 103 E") + _head(start=b"HTTP/1.1 101 S") + _SECOND
    ),
)

_SURPLUS = (
    Garbage("two responses at once", _head(b"Content-Length: 2") + b"ok" + _SECOND, Fate.FIRST, body=b"ok"),
    Garbage("two empty responses at once", _head(b"Content-Length: 0") + _SECOND, Fate.FIRST),
    Garbage("three responses at once", _head(b"Content-Length: 2") + b"ok" + _SECOND * 2, Fate.FIRST, body=b"ok"),
    Garbage("a response behind chunks", _chunked(chunks(b"ok") + _END) + _SECOND, Fate.FIRST, body=b"ok"),
    Garbage("a byte behind a length", _head(b"Content-Length: 2") + b"ok" + b"E", Fate.FIRST, body=b"ok"),
    Garbage("a byte behind chunks", _chunked(chunks(b"ok") + _END) + b"E", Fate.FIRST, body=b"ok"),
    Garbage("a line break behind a length", _head(b"Content-Length: 2") + b"ok\r\n", Fate.FIRST, body=b"ok"),
    Garbage("garbage behind a length", _head(b"Content-Length: 2") + b"ok\x00EVIL\r\n\r\n", Fate.FIRST, body=b"ok"),
    Garbage("80 KiB behind a length", _head(b"Content-Length: 2") + b"ok" + EVIL * 20 * KIB, Fate.FIRST, body=b"ok"),
    Garbage(
        "an interim response behind a response",
        _head(b"Content-Length: 0") + _head(start=b"HTTP/1.1 103 EVIL"),
        Fate.FIRST,
    ),
    Garbage("half a response behind a response", _head(b"Content-Length: 0") + _SECOND[:30], Fate.FIRST),
    Garbage("a body behind HEAD", _head(b"Content-Length: 4") + EVIL, Fate.FIRST, "HEAD"),
    Garbage("chunks behind HEAD", _chunked(_EVIL_CHUNK + _END), Fate.FIRST, "HEAD"),
    Garbage("an unframed body behind HEAD", _head() + EVIL, Fate.FIRST, "HEAD"),
    Garbage("a response behind HEAD", _head(b"Content-Length: 4") + _SECOND, Fate.FIRST, "HEAD"),
    Garbage("a body behind 204", _head(b"Content-Length: 4", start=b"HTTP/1.1 204 N") + EVIL, Fate.FIRST, status=204),
    Garbage("an unframed body behind 204", _head(start=b"HTTP/1.1 204 N") + EVIL, Fate.FIRST, status=204),
    Garbage(
        "chunks behind 204",
        _head(b"Transfer-Encoding: chunked", start=b"HTTP/1.1 204 N") + _EVIL_CHUNK + _END,
        Fate.FIRST,
        status=204,
    ),
    Garbage("a response behind 204", _head(start=b"HTTP/1.1 204 N") + _SECOND, Fate.FIRST, status=204),
    Garbage("a body behind 304", _head(b"Content-Length: 4", start=b"HTTP/1.1 304 N") + EVIL, Fate.FIRST, status=304),
    Garbage(
        "chunks behind 304",
        _head(b"Transfer-Encoding: chunked", start=b"HTTP/1.1 304 N") + _EVIL_CHUNK + _END,
        Fate.FIRST,
        status=304,
    ),
    Garbage("a response behind 304", _head(start=b"HTTP/1.1 304 N") + _SECOND, Fate.FIRST, status=304),
)

_SHORT = (
    Garbage("less than its length", _head(b"Content-Length: 9") + EVIL, Fate.BROKEN, ends=True),
    Garbage("nothing of its length", _head(b"Content-Length: 4"), Fate.BROKEN, ends=True),
    Garbage("a chunk that is cut", _chunked(b"9\r\nEVIL"), Fate.BROKEN, ends=True),
    Garbage("chunks without the last", _chunked(_EVIL_CHUNK), Fate.BROKEN, ends=True),
    Garbage("a last chunk without its end", _chunked(_EVIL_CHUNK + b"0\r\n"), Fate.BROKEN, ends=True),
    Garbage("a trailer that is cut", _chunked(_EVIL_CHUNK + b"0\r\nX: y"), Fate.BROKEN, ends=True),
    Garbage("a chunk of 2 to the 64th less one", _chunked(b"FFFFFFFFFFFFFFFF\r\nEVIL"), Fate.BROKEN, ends=True),
)

GARBAGE = (*_START_LINES, *_LINES, *_FRAMING, *_CHUNKS, *_SIZES, *_UPGRADES, *_SURPLUS, *_SHORT)
assert len({row.name for row in GARBAGE}) == len(GARBAGE)
