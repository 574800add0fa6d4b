"""Requests that two readers of HTTP may take for different ones: what each must come to.

Every row is followed on the same connection by nothing. `meant` is the request line of the one request the upstream
may see, or None when it may see nothing; `status` is what the client gets first.
"""

from dataclasses import dataclass

from tests.wire import bearer

HOST = b"Host: api.test\r\n"
#: a request that must never be taken out of the body, or the rest, of another
HIDDEN = b"GET /hidden HTTP/1.1\r\n" + HOST + bearer() + b"\r\n"


@dataclass(frozen=True)
class Case:
    name: str
    raw: bytes
    status: int = 400
    meant: bytes | None = None
    #: body that goes with `meant`
    body: bytes = b""


def _post(lines: bytes, rest: bytes = b"0\r\n\r\n", line: bytes = b"POST / HTTP/1.1") -> bytes:
    return line + b"\r\n" + HOST + bearer() + lines + b"\r\n" + rest


def _get(lines: bytes = b"", line: bytes = b"GET / HTTP/1.1", host: bytes = HOST) -> bytes:
    return line + b"\r\n" + host + bearer() + lines + b"\r\n"


_TE = b"Transfer-Encoding: chunked\r\n"

CASES = (
    # Content-Length and Transfer-Encoding (RFC 9112 section 6)
    Case("CL.TE", _post(b"Content-Length: 4\r\n" + _TE, b"0\r\n\r\n" + HIDDEN)),
    Case("TE.CL", _post(_TE + b"Content-Length: 4\r\n", b"0\r\n\r\n" + HIDDEN)),
    Case("two lengths that differ", _post(b"Content-Length: 0\r\nContent-Length: 5\r\n", HIDDEN)),
    Case("two lengths that agree", _post(b"Content-Length: 1\r\nContent-Length: 1\r\n", b"x")),
    Case("a list of lengths", _post(b"Content-Length: 1, 1\r\n", b"x")),
    Case("a length with a plus", _post(b"Content-Length: +1\r\n", b"x")),
    Case("a negative length", _post(b"Content-Length: -1\r\n", HIDDEN)),
    Case("a hexadecimal length", _post(b"Content-Length: 0x1\r\n", b"x")),
    Case("a length with an underscore", _post(b"Content-Length: 1_0\r\n", b"x" * 10)),
    Case("a length with a blank within", _post(b"Content-Length: 1 0\r\n", b"x" * 10)),
    Case("a length with a letter", _post(b"Content-Length: 1a\r\n", b"x")),
    Case("an empty length", _post(b"Content-Length: \r\n", HIDDEN)),
    Case("a length of 2 to the 64th", _post(b"Content-Length: 18446744073709551616\r\n", HIDDEN)),
    Case("a length one below 2 to the 64th", _get(b"Content-Length: 18446744073709551615\r\n") + HIDDEN),
    Case("the same in a PUT", _post(b"Content-Length: 18446744073709551615\r\n", HIDDEN, b"PUT / HTTP/1.1")),
    Case("the same behind zeros", _get(b"Content-Length: 00018446744073709551615\r\n") + HIDDEN),
    Case("the same with an upgrade", _get(b"Content-Length: 18446744073709551615\r\nUpgrade: x\r\n") + HIDDEN),
    Case("a length of 2 to the 63rd", _get(b"Content-Length: 9223372036854775808\r\n") + HIDDEN),
    Case(
        "a length behind thousands of zeros is that length",
        _post(b"Content-Length: " + b"0" * 5000 + b"3\r\n", b"abc"),
        200,
        b"POST / HTTP/1.1",
        b"abc",
    ),
    Case("RTSP", _get(line=b"SETUP / RTSP/1.0"), 501),
    Case("Icecast", _get(line=b"SOURCE / HTTP/1.1"), 501),
    Case("a length in fullwidth digits", _post("Content-Length: \uff11\r\n".encode(), b"x")),
    Case(
        "a length with leading zeros is that length",
        _post(b"Content-Length: 0003\r\n", b"abc"),
        200,
        b"POST / HTTP/1.1",
        b"abc",
    ),
    Case(
        "a length with blanks around is that length",
        _post(b"Content-Length:  \t3 \t\r\n", b"abc"),
        200,
        b"POST / HTTP/1.1",
        b"abc",
    ),
    Case(
        "a folded name of a length is no length",
        _post(b"Content_Length: 100\r\nContent-Length: 3\r\n", b"abc"),
        200,
        b"POST / HTTP/1.1",
        b"abc",
    ),
    Case(
        "a folded name of a coding is no coding",
        _post(b"Transfer_Encoding: chunked\r\nContent-Length: 3\r\n", b"abc"),
        200,
        b"POST / HTTP/1.1",
        b"abc",
    ),
    Case("the coding gzip", _post(b"Transfer-Encoding: gzip\r\n")),
    Case("gzip, then chunked", _post(b"Transfer-Encoding: gzip, chunked\r\n")),
    Case("chunked, then gzip", _post(b"Transfer-Encoding: chunked, gzip\r\n")),
    Case("chunked twice in one line", _post(b"Transfer-Encoding: chunked, chunked\r\n")),
    Case("two codings in two lines", _post(_TE + _TE)),
    Case("gzip and chunked in two lines", _post(b"Transfer-Encoding: gzip\r\n" + _TE)),
    Case("chunked and identity in two lines", _post(_TE + b"Transfer-Encoding: identity\r\n")),
    Case("the coding identity", _post(b"Transfer-Encoding: identity\r\n", HIDDEN)),
    Case("an unknown coding", _post(b"Transfer-Encoding: xchunked\r\n", HIDDEN)),
    Case("a coding in quotes", _post(b'Transfer-Encoding: "chunked"\r\n', HIDDEN)),
    Case("a coding with a comma before", _post(b"Transfer-Encoding: ,chunked\r\n")),
    Case("a coding with a comma behind", _post(b"Transfer-Encoding: chunked,\r\n")),
    Case("a coding with a parameter", _post(b"Transfer-Encoding: chunked;q=1\r\n")),
    Case("a coding behind a vertical tab", _post(b"Transfer-Encoding: \x0bchunked\r\n")),
    Case("a coding before a form feed", _post(b"Transfer-Encoding: chunked\x0c\r\n")),
    Case("an empty coding", _post(b"Transfer-Encoding:\r\n", HIDDEN)),
    Case("a folded coding", _post(b"Transfer-Encoding:\r\n chunked\r\n")),
    Case("a coding with a blank before the colon", _post(b"Transfer-Encoding : chunked\r\n")),
    Case("a coding with a tab before the colon", _post(b"Transfer-Encoding\t: chunked\r\n")),
    Case("a coding behind a blank", _post(b" Transfer-Encoding: chunked\r\n")),
    Case("a coding in HTTP/1.0", _post(_TE, line=b"POST / HTTP/1.0")),
    Case("a coding and a length in HTTP/1.0", _post(_TE + b"Content-Length: 3\r\n", b"abc", line=b"POST / HTTP/1.0")),
    Case("a coding with GET is its framing", _get(_TE) + b"0\r\n\r\n", 200, b"GET / HTTP/1.1"),
    # Chunks (RFC 9112 section 7.1): the request begins, and comes to nothing whole
    Case("a chunk size with 0x", _post(_TE, b"0x3\r\nabc\r\n0\r\n\r\n")),
    Case("a negative chunk size", _post(_TE, b"-1\r\nabc\r\n0\r\n\r\n")),
    Case("a chunk size with a plus", _post(_TE, b"+3\r\nabc\r\n0\r\n\r\n")),
    Case("an empty chunk size", _post(_TE, b"\r\nabc\r\n0\r\n\r\n")),
    Case("a chunk size of 2 to the 64th", _post(_TE, b"10000000000000003\r\nabc\r\n0\r\n\r\n")),
    Case("a chunk size with a blank", _post(_TE, b"3 \r\nabc\r\n0\r\n\r\n")),
    Case("a chunk size before a bare LF", _post(_TE, b"3\nabc\r\n0\r\n\r\n")),
    Case("a chunk longer than its size", _post(_TE, b"3\r\nabcdef\r\n0\r\n\r\n")),
    Case("a chunk that ends in a bare LF", _post(_TE, b"3\r\nabc\n0\r\n\r\n")),
    Case("a chunk extension with a bare LF", _post(_TE, b"3;a\nb\r\nabc\r\n0\r\n\r\n")),
    Case("a chunk extension with a bare CR", _post(_TE, b"3;a\rb\r\nabc\r\n0\r\n\r\n")),
    Case("a trailer that is no header", _post(_TE, b"0\r\nnonsense\r\n\r\n")),
    # Lines (RFC 9112 sections 2.2 and 5)
    Case("an obsolete folding", _get(b"X: a\r\n b\r\n")),
    Case("a bare CR in a value", _get(b"X: a\rTransfer-Encoding: chunked\r\n")),
    Case("a bare LF as the end of a line", _get(b"X: a\nTransfer-Encoding: chunked\r\n")),
    Case("bare LFs everywhere", _get().replace(b"\r\n", b"\n")),
    Case("a NUL in a value", _get(b"X: a\x00b\r\n")),
    Case("a NUL in a name", _get(b"X\x00Y: a\r\n")),
    Case("a line without a colon", _get(b"nonsense\r\n")),
    Case("an empty name", _get(b": a\r\n")),
    Case("a name with a blank", _get(b"X Y: a\r\n")),
    Case("a name with a byte above ASCII", _get(b"X\xff: a\r\n")),
    Case("a blank before the first line", b"GET / HTTP/1.1\r\n X: a\r\n" + HOST + bearer() + b"\r\n"),
    Case("two hosts", _get(HOST)),
    Case("no host", _get(host=b"")),
    Case("a host with a path", _get(host=b"Host: api.test/a\r\n")),
    Case("a host with a user", _get(host=b"Host: a@api.test\r\n")),
    Case("a host with a comma and a blank", _get(host=b"Host: a, b\r\n")),
    # The request line (RFC 9112 section 3)
    Case("a blank in the target", _get(line=b"GET /a b HTTP/1.1")),
    Case("a tab in the target", _get(line=b"GET /a\tb HTTP/1.1")),
    Case("a NUL in the target", _get(line=b"GET /a\x00b HTTP/1.1")),
    Case("a byte above ASCII in the target", _get(line=b"GET /\xff HTTP/1.1")),
    Case("two blanks before the version are one", _get(line=b"GET /  HTTP/1.1"), 200, b"GET / HTTP/1.1"),
    Case("a user in the target", _get(line=b"GET http://a@b.test/ HTTP/1.1")),
    Case("another scheme in the target", _get(line=b"GET ftp://b.test/ HTTP/1.1")),
    Case("a target without a host", _get(line=b"GET http:///a HTTP/1.1")),
    Case("a target without a slash", _get(line=b"GET a HTTP/1.1")),
    Case("an asterisk with GET", _get(line=b"GET * HTTP/1.1")),
    Case("a comma in the target's authority and a path in it", _get(line=b"GET http://a\\b/ HTTP/1.1")),
    Case("HTTP/0.9", b"GET /\r\n\r\n", 505),
    Case("a lower-case protocol", _get(line=b"GET / http/1.1")),
    Case("HTTP/1.10", _get(line=b"GET / HTTP/1.10")),
    Case("a lower-case method", _get(line=b"get / HTTP/1.1"), 501),
    Case("a method with a CR", _get(line=b"GE\rT / HTTP/1.1"), 501),
    # What follows an upgrade that is not served
    Case(
        "behind h2c",
        _get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n") + HIDDEN,
        200,
        b"GET / HTTP/1.1",
    ),
    Case(
        "behind a WebSocket",
        _get(
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        )
        + HIDDEN,
        200,
        b"GET / HTTP/1.1",
    ),
    Case(
        "behind an unknown upgrade",
        _get(b"Connection: upgrade\r\nUpgrade: TLS/1.0\r\n") + HIDDEN,
        200,
        b"GET / HTTP/1.1",
    ),
    Case(
        "behind an upgrade with a body",
        _post(b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n", b"abc" + HIDDEN),
        200,
        b"POST / HTTP/1.1",
        b"abc",
    ),
    Case("behind an upgrade that Connection does not name", _get(b"Upgrade: h2c\r\n") + HIDDEN, 200, b"GET / HTTP/1.1"),
    Case("behind a preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN, 505),
    Case("behind CONNECT", _get(line=b"CONNECT other.test:443 HTTP/1.1") + HIDDEN, 501),
    Case(
        "a body of GET is its body",
        _get(b"Content-Length: %d\r\n" % len(HIDDEN)) + HIDDEN,
        200,
        b"GET / HTTP/1.1",
        HIDDEN,
    ),
)
