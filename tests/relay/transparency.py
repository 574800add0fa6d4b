"""Requests and responses that a gateway must not touch: what the client says, and what the API says back.

A row names no result. What may differ through the gateway is computed, in tests/relay/test_transparency.py, from what
the same row comes to on a direct connection.
"""

import gzip
import random
from dataclasses import dataclass

from tests.wire import bearer, chunked, chunks

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
#: the same megabyte each time, which nothing compresses
NOISE = random.Random(4).randbytes(1 << 20)
ZIPPED = gzip.compress(b"gateway " * 500, mtime=0)


@dataclass(frozen=True)
class Request:
    head: bytes
    body: bytes = b""
    #: the client keeps the body back until it is told: `nothing`, `100`, or `impatient`, which does not wait for long
    waits_for: str = "nothing"

    @property
    def method(self) -> str:
        return self.head.split(b" ", 1)[0].decode()


@dataclass(frozen=True)
class Reply:
    data: bytes
    #: said as soon as the head has come
    first: bytes = b""
    #: the API takes the body before it responds
    reads_body: bool = True
    #: the API closes the connection behind its response
    closes: bool = False


@dataclass(frozen=True)
class Row:
    name: str
    requests: tuple[Request, ...]
    replies: tuple[Reply, ...]


def ask(
    line: str, *lines: str, body: bytes = b"", host: str | None = "Host: api.test", waits: str = "nothing"
) -> Request:
    """A request with the credential behind Host. `lines` are Latin-1."""
    head = "".join(f"{text}\r\n" for text in (line, *([] if host is None else [host]))).encode("latin-1")
    rest = "".join(f"{text}\r\n" for text in lines).encode("latin-1")
    return Request(head + bearer() + rest + b"\r\n", body, waits)


def get(*lines: str, line: str = "GET / HTTP/1.1") -> Request:
    return ask(line, *lines)


def post(body: bytes, *lines: str, line: str = "POST / HTTP/1.1", waits: str = "nothing") -> Request:
    """With its length in front, where a copy would leave it."""
    return ask(line, f"Content-Length: {len(body)}", *lines, body=body, waits=waits)


def pieces(body: bytes, *lines: str, line: str = "POST / HTTP/1.1") -> Request:
    """`body` has its chunk framing already."""
    return ask(line, "Transfer-Encoding: chunked", *lines, body=body)


def say(status: str, *lines: str, body: bytes = b"", version: str = "HTTP/1.1") -> bytes:
    """A response of exactly these lines, Latin-1, and these bytes."""
    return "".join(f"{text}\r\n" for text in (f"{version} {status}", *lines, "")).encode("latin-1") + body


def sized(*lines: str, status: str = "200 OK", body: bytes = b"ok", version: str = "HTTP/1.1") -> bytes:
    return say(status, *lines, f"Content-Length: {len(body)}", body=body, version=version)


def streamed(body: bytes, *lines: str, status: str = "200 OK") -> bytes:
    return say(status, "Transfer-Encoding: chunked", *lines, body=body)


OK = Reply(sized("Server: api", "Date: Tue, 15 Nov 1994 08:12:31 GMT", "Content-Type: text/plain"))
OK_HEAD = Reply(say("200 OK", "Content-Length: 2"))


def asks(name: str, *requests: Request) -> Row:
    """What matters is the request."""
    return Row(f"request: {name}", requests, tuple(OK_HEAD if request.method == "HEAD" else OK for request in requests))


def says(name: str, data: bytes, *, request: Request | None = None, closes: bool = False, first: bytes = b"") -> Row:
    """What matters is the response."""
    return Row(f"response: {name}", (request or get(),), (Reply(data, first=first, closes=closes),))


_OLD = "GET / HTTP/1.0"
_OLD_STAYS = get("Connection: keep-alive", line=_OLD)
_HEAD = get(line="HEAD /file HTTP/1.1")
_PARTS = b"\r\n".join(
    (b"--B", b"Content-Type: text/plain", b"Content-Range: bytes 0-1/9", b"", b"ab",
     b"--B", b"Content-Type: text/plain", b"Content-Range: bytes 7-8/9", b"", b"hi", b"--B--", b"")
)  # fmt: skip

TARGETS = (
    "/%2f%2F%c3%BC%zz%", "/a|b+c;d=1,e", "/a?", "/?", "/a??b?", "/a?b=1&b=2&&=", "//a//b", "//other.test/a", "/./a/../b/.",
    "/a;v=1/b;w", "/a%00b%0d%0a", "/a%20b+c%2Bd", "/?u=http://x.test/?y=%26#z", "/!$&'()*,:@~-._", '/"<>[\\]^`{}', "/#a?b",
    "/" + "a" * 15_000 + "?" + "b" * 1000, "http://api.test/a%2Fb?c|d", "HTTP://Other.Test:81", "https://[::1]:8443?q",
)  # fmt: skip

REQUESTS = (
    *(asks(f"target {target[:40]}", get(line=f"GET {target} HTTP/1.1")) for target in TARGETS),
    asks("target *", get(line="OPTIONS * HTTP/1.1")),
    *(asks(f"method {name}", get(line=f"{name} /x HTTP/1.1")) for name in ("PROPFIND", "PURGE", "OPTIONS", "HEAD", "MKCOL")),
    *(asks(f"method {name} with a body", post(b"<a/>", line=f"{name} /x HTTP/1.1")) for name in ("PATCH", "QUERY", "DELETE", "GET", "REPORT", "OPTIONS")),
    asks("odd cases and repeated lines", get("aCCEPT: a", "X-MANY: 1", "x-many: 2", "Accept: b", "X-Many: 3", "ACCEPT: a", "X-Same: 1", "X-Same: 1")),
    asks("empty values", get("X-Empty:", "X-Blank:    ", "X-Full: 1", "Accept:")),
    asks("blanks around values", get("X-None:a", "X-Some:  \t a \t ", "X-Two:  a  b")),
    asks("blanks and tabs within values", get("X-In: a \t  b\t\tc", 'X-Quoted: "a\t,  b" ; c')),
    asks("Latin-1 and UTF-8 values", get("X-Latin: \xfc\xe4 \xff\x80", "X-Utf: \xc3\xbc\xe2\x82\xac", "Referer: /\xfc")),
    asks("every mark that may stand in a name", get("!#$%&'*+-.^_`|~0aZ: 1", "x_y: 2", "x.y: 3")),
    asks("cookies in several lines", get("Cookie: a=1; b=2", 'Cookie: c="3"', "cookie:d=4;e")),
    asks("an accept-encoding and the likes", get("Accept-Encoding: gzip;q=0, br", "User-Agent: x (y) z/1", "Cache-Control: no-cache", "Pragma: no-cache")),
    asks("conditions and ranges", get('If-None-Match: W/"a", "b"', "Range: bytes=0-1,7-8", 'If-Range: "b"', "If-Modified-Since: yesterday")),
    asks("a trace context", get("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: a=1", "baggage: b=2")),
    asks("a request id", get("X-Request-Id: Abc-1.2_3", "X-Correlation-Id: d e")),
    asks("a via", get("Via: 1.1 other", "Max-Forwards: 3", "Origin: http://page.test", "Alt-Used: x")),
    asks("a page of another origin asks ahead", get("Origin: http://page.test", "Access-Control-Request-Method: PUT", line="OPTIONS /a HTTP/1.1")),
    asks("forged identity", get("X-User-Id: root", "x_user_id: root", "X.USER.ID: root", "X-Client-ID: root", "X-Token_Scopes: all", "X-User-Idx: kept")),
    asks("forged forwarding", get("X-Forwarded-For: 1.2.3.4", "x_forwarded_proto: https", "Forwarded: for=x", "X-Real-IP: 1.2.3.4", "X-Forwarding: kept")),
    asks("names of the gateway's own", get("X-Gateway-Assertion: a", "x_gateway_b: c", "Proxy: http://evil", "X-Gate: kept", "X-Proxy: kept")),
    asks("overrides without routes", get("X-HTTP-Method-Override: DELETE", "X-Original-URL: /a", "X-Rewrite-URL: /b")),
    asks("hop-by-hop lines", get("Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic eDp5", "TE: trailers", "X-A: 1")),
    asks("nominated lines", get("X-Foo: 1", "connection: X-Foo ,x-bar", "X-Foo2: kept", "X-BAR: 2", "x-foo: 3", "Connection: keep-alive")),
    asks("lines that nobody nominates away", post(b"<a/>", "Content-Type: text/xml", "Content-Encoding: x", "Cookie: a=1", "Connection: Host, Content-Type, content-encoding, Cookie, Authorization, X-User-Id, X-Forwarded-For")),
    asks("a close", get("Connection: close", "X-A: 1")),
    asks("a close and a nomination", get("X-Foo: 1", "Connection: close, X-Foo")),
    asks("a body with a length", post(b"a=1&b=%20", "Content-Type: application/x-www-form-urlencoded")),
    asks("a length in odd case and with zeros", ask("POST / HTTP/1.1", "CONTENT-length:  0004 ", "X-A: 1", body=b"abcd")),
    asks("a length of nothing", post(b"")),
    asks("a POST without a body", get(line="POST / HTTP/1.1")),
    asks("chunks", pieces(chunked(b"abc", b"d" * 5000, b"e"))),
    asks("chunks with extensions", pieces(b'3;x\r\nabc\r\n4;y="z;\t";w=1\r\ndefg\r\n0;last\r\n\r\n')),
    asks("chunks with zeros and capitals in their sizes", pieces(b"0A\r\n0123456789\r\n00003\r\nabc\r\n000\r\n\r\n")),
    asks("no chunk but the last", pieces(chunked())),
    asks("many small chunks", pieces(chunked(*(b"%d" % number for number in range(2000))))),
    asks("a coding in other case", ask("PUT / HTTP/1.1", "transfer-ENCODING: ChunKed", "X-A: 1", body=chunked(b"abc"))),
    asks("a GET in chunks", pieces(chunked(b"abc"), line="GET / HTTP/1.1")),
    asks("a HEAD with a body", post(b"abc", line="HEAD / HTTP/1.1")),
    asks("trailers", pieces(chunks(b"abc") + b"0\r\nX-T: 1\r\nX-User-Id: root\r\n\r\n", "TE: trailers", "Trailer: X-T, X-User-Id", "X-A: 1")),
    asks("a body in gzip", post(ZIPPED, "Content-Encoding: gzip", "Content-Type: text/plain")),
    asks("gzip in chunks", pieces(chunked(ZIPPED[:9], ZIPPED[9:]), "Content-Encoding: gzip")),
    asks("a body that looks like a request", post(get("X-A: 1").head)),
    asks("a megabyte", post(NOISE, "Content-Type: application/octet-stream", line="PUT /noise HTTP/1.1")),
    asks("a megabyte in chunks", pieces(chunked(*(NOISE[at : at + 9999] for at in range(0, 1 << 20, 9999))), line="PUT /noise HTTP/1.1")),
    asks("a long line", get("X-Long: " + "a b" * 5000, "X-A: 1")),
    asks("a head of 30 kB", get(*(f"X-{number}: {'b' * 3500}" for number in range(8)))),
    asks("many lines", get(*(f"X-{number % 7}: {'v' * number}" for number in range(97)))),
    asks("an upgrade to HTTP/2", get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__", "X-A: 1")),
    asks("an upgrade to something", post(b"abc", "Upgrade: TLS/1.2, x/3", "X-A: 1", "connection: upgrade")),
    Row(
        "a WebSocket that the API refuses",
        (get("Sec-WebSocket-Version: 13", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: a, b"),),
        (Reply(sized("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 8", status="426 Upgrade Required")),),
    ),
    asks("HTTP/1.0", get("X-A: 1", line=_OLD)),
    asks("HTTP/1.0 that stays", get("X-A: 1", "Connection: Keep-Alive", line=_OLD)),
    asks("HTTP/1.0 with a body", post(b"abc", "Connection: keep-alive", line="POST / HTTP/1.0")),
    asks("HTTP/1.0 without a host", ask(_OLD, "X-A: 1", host=None)),
    asks("a host in odd case and with a port", ask("GET / HTTP/1.1", host="hOST: API.Test:8080")),
    asks("three requests in one piece", get(line="GET /1 HTTP/1.1"), get(line="GET /2 HTTP/1.1"), get(line="HEAD /3 HTTP/1.1")),
    asks("requests with bodies in one piece", post(b"abc", line="POST /1 HTTP/1.1"), get(line="GET /2 HTTP/1.1"), pieces(chunked(b"de", b"f"), line="PUT /3 HTTP/1.1"), post(b"", line="PUT /4 HTTP/1.1"), get(line="DELETE /5 HTTP/1.1")),
    Row(
        "pipelined responses of every framing",
        (get(line="GET /1 HTTP/1.1"), _HEAD, post(b"x", line="POST /3 HTTP/1.1"), get(line="GET /4 HTTP/1.1"), get("Connection: close", line="GET /5 HTTP/1.1")),
        (Reply(streamed(chunked(b"a", b"b"))), Reply(say("200 OK", "Content-Length: 77")), Reply(say("204 No Content")), Reply(say("304 Not Modified", "Content-Length: 9")), Reply(sized(body=b"five"))),
    ),
)  # fmt: skip

STATUSES = (
    "299 ", "200", "200 A very long reason, " + "and more " * 100, "404 Nicht gef\xfcnden", "200 \xc3\xbc\xff", "418 I'm a teapot",
    "451 Unavailable For Legal Reasons", "599 x\ty", "999 Odd", "207 Multi-Status", "401 Unauthorized", "500 Oops", "503 Busy  twice ",
)  # fmt: skip

RESPONSES = (
    *(says(f"status {status[:30]}", sized("X-A: 1", status=status)) for status in STATUSES),
    *(says(f"redirect {status}", sized("Location: http://127.0.0.1:1/a?b#c", status=f"{status} Go", body=b"")) for status in (301, 303, 308)),
    says("nothing but a status", say("200 OK", "Content-Length: 0")),
    says("odd cases and repeated lines", sized("sERVER: x", "X-Many: 1", "Vary: a", "x-many: 2", "VARY: b", "X-MANY: 3", "X-MANY: 3", "content-TYPE: x/y; q")),
    says("empty values", sized("X-Empty:", "X-Blank:   ", "Server:", "Content-Type: ")),
    says("Latin-1, UTF-8, blanks and tabs", sized("X-Latin: \xfc\xff\x80", "X-Utf: \xc3\xbc", "X-In: a \t b\t\tc  d", "X-None:a")),
    says("a length in odd case and place", say("200 OK", "X-A: 1", "cONTENT-length: 3", "X-B: 2", body=b"abc")),
    says("many cookies", sized(*(f"Set-Cookie: c{number}=v; Path=/; Expires=Wed, 09 Jun 2032 10:18:14 GMT" for number in range(60)), 'set-cookie: z="1,2"')),
    says("challenges", sized('WWW-Authenticate: Basic realm="a", Digest x="y"', "WWW-Authenticate: Bearer", "Authentication-Info: x", status="401 No")),
    says("headers of browsers and caches", sized("Access-Control-Allow-Origin: *", "Strict-Transport-Security: max-age=1", "Age: 7", "Via: 1.0 x", 'Alt-Svc: h3=":443"', "Date: never", "Link: </a>")),
    says("headers that only requests have", sized("X-User-Id: bob", "X-Forwarded-For: a", "X-Request-Id: b", "Authorization: c", "Host: d", "Expect: e")),
    says("hop-by-hop lines", sized("Keep-Alive: timeout=5", "Proxy-Authenticate: Basic", "Proxy-Connection: keep-alive", "Connection: keep-alive", "TE: x", "X-A: 1")),
    says("nominated lines", sized("X-Foo: 1", "Connection: x-foo, X-Bar", "x-bar: 2", "X-Foo2: kept", "Content-Type: a/b", "CONNECTION: Content-Type")),
    says("a close", sized("Connection: close", "X-A: 1"), closes=True),
    says("a close and a nomination", sized("X-Foo: 1", "Connection: close, X-Foo"), closes=True),
    says("an upgrade on offer", sized("Upgrade: h2c", "Connection: Upgrade", "X-A: 1")),
    says("a line of 60 kB", sized("X-Long: " + "a" * 60_000, "X-A: 1")),
    says("100 lines of 500 bytes", sized(*(f"X-{number}: {'a' * 500}" for number in range(100)))),
    says("chunks", streamed(chunked(b"abc", b"d" * 70_000, b"e"), "X-A: 1")),
    says("chunks with extensions", streamed(b'3;x\r\nabc\r\n4;y="z;\t";w=1\r\ndefg\r\n0;last\r\n\r\n')),
    says("no chunk but the last", streamed(chunked())),
    says("many small chunks", streamed(chunked(*(b"%d" % number for number in range(2000))))),
    says("a coding in other case", say("200 OK", "transfer-ENCODING: ChunKed", "X-A: 1", body=chunked(b"abc"))),
    says("trailers", streamed(chunks(b"abc") + b"0\r\nX-T: 1\r\nServer: evil\r\n\r\n", "Trailer: X-T", "X-A: 1"), request=get("TE: trailers", "Connection: TE")),
    says("a body in gzip", sized("Content-Encoding: gzip", 'ETag: W/"z"', body=ZIPPED), request=get("Accept-Encoding: gzip")),
    says("gzip that nobody asked for, in chunks", streamed(chunked(ZIPPED[:7], ZIPPED[7:]), "Content-Encoding: gzip")),
    says("a coding that is not what it says", sized("Content-Encoding: br", "Content-MD5: x", body=b"plain")),
    says("a body ended by close", say("200 OK", "X-A: 1", "Content-Type: text/plain", body=b"until the end"), closes=True),
    says("no body ended by close", say("200 OK", "X-A: 1"), closes=True),
    says("a body that looks like a response", sized(body=sized())),
    says("a megabyte", sized("Content-Type: application/octet-stream", body=NOISE)),
    says("a megabyte in chunks", streamed(chunked(*(NOISE[at : at + 9999] for at in range(0, 1 << 20, 9999))))),
    says("a megabyte ended by close", say("200 OK", body=NOISE), closes=True),
    says("one range", sized("Content-Range: bytes 0-1/9", "Accept-Ranges: bytes", status="206 Partial Content"), request=get("Range: bytes=0-1")),
    says("several ranges", sized("Content-Type: multipart/byteranges; boundary=B", status="206 Partial Content", body=_PARTS), request=get("Range: bytes=0-1,7-8")),
    says("a range beyond the end", sized("Content-Range: bytes */9", status="416 Range Not Satisfiable", body=b""), request=get("Range: bytes=99-")),
    says("HEAD with a length", say("200 OK", "Content-Length: 4711", "X-A: 1"), request=_HEAD),
    says("HEAD with a coding", say("200 OK", "Transfer-Encoding: chunked", "X-A: 1"), request=_HEAD),
    says("HEAD without either", say("404 Not Found", "X-A: 1"), request=_HEAD),
    says("204", say("204 No Content", "X-A: 1")),
    says("204 with a length", say("204 No Content", "Content-Length: 0", "X-A: 1")),
    says("205", say("205 Reset Content", "Content-Length: 0", "X-A: 1")),
    says("205 without a length", say("205 Reset Content", "X-A: 1"), closes=True),
    says("205 in chunks", streamed(chunked(), status="205 Reset Content")),
    says("304", say("304 Not Modified", 'ETag: "x"', "X-A: 1")),
    says("304 with a length", say("304 Not Modified", "Content-Length: 4711", 'ETag: "x"'), request=get('If-None-Match: "x"')),
    says("103 before the response", say("103 Early Hints", "Link: </a.css>; rel=preload", "link: </b>", "X-A: 1") + OK.data),
    says("several interim responses", say("102 Processing") + say("103 Early Hints", "Link: </a>", "Connection: X-B", "X-B: 1") + say("103 ", "X-C:") + say("199 Odd") + OK.data),
    says("sixteen interim responses", say("103 Early Hints", "Link: </a>") * 16 + OK.data),
    says("103 before the body of the request", OK.data, request=post(b"abc"), first=say("103 Early Hints", "Link: </a>")),
    says("103 before a response to HEAD", say("103 Early Hints", "Link: </a>") + say("200 OK", "Content-Length: 9"), request=_HEAD),
    says("103 for HTTP/1.0", say("103 Early Hints", "Link: </a>") + OK.data, request=_OLD_STAYS),
    says("100 that nobody expects", CONTINUE + OK.data),
    says("HTTP/1.0", sized("X-A: 1", version="HTTP/1.0"), closes=True),
    says("HTTP/1.0 that stays", sized("Connection: keep-alive", "X-A: 1", version="HTTP/1.0")),
    says("HTTP/1.0 ended by close", say("200 OK", "X-A: 1", body=b"until the end", version="HTTP/1.0"), closes=True),
    says("HTTP/1.0 to a client of its age", say("200 OK", body=b"until the end", version="HTTP/1.0"), request=get(line=_OLD), closes=True),
    says("chunks for HTTP/1.0", streamed(chunked(b"abc", b"de"), "X-A: 1"), request=get(line=_OLD)),
    says("chunks for HTTP/1.0 that would stay", streamed(chunked(b"abc", b"de"), "Trailer: X-T"), request=_OLD_STAYS),
    says("a body ended by close for HTTP/1.0 that would stay", say("200 OK", body=b"abc"), request=_OLD_STAYS, closes=True),
    says("304 for HTTP/1.0 that stays", say("304 Not Modified", 'ETag: "x"'), request=_OLD_STAYS),
    says("HEAD for HTTP/1.0 that stays", say("200 OK", "X-A: 1"), request=get("Connection: keep-alive", line="HEAD / HTTP/1.0")),
)  # fmt: skip

_WAITS = "Expect: 100-continue"
EXPECTATIONS = (
    Row("100-continue accepted", (post(b"abc", "X-A: 1", _WAITS, "X-B: 2", waits="100"),), (Reply(OK.data, first=CONTINUE),)),
    Row("100-continue accepted in chunks", (ask("PUT / HTTP/1.1", "expect: 100-Continue", "Transfer-Encoding: chunked", body=chunked(b"ab", b"c"), waits="100"),), (Reply(OK.data, first=CONTINUE),)),
    Row("100-continue with a header of its own", (post(b"abc", _WAITS, waits="100"),), (Reply(OK.data, first=say("100 Go on", "X-Why: not")),)),
    Row("100-continue after a hint", (post(b"abc", _WAITS, waits="100"),), (Reply(OK.data, first=say("103 Early Hints", "Link: </a>") + CONTINUE),)),
    Row("100-continue that does not wait", (post(b"abc", _WAITS),), (Reply(OK.data, first=CONTINUE),)),
    Row("100-continue refused", (post(b"abc", _WAITS, waits="100"),), (Reply(sized("Connection: close", status="417 Expectation Failed", body=b"no"), reads_body=False, closes=True),)),
    Row("100-continue answered at once", (post(b"abc", _WAITS, waits="100"),), (Reply(sized("X-A: 1", status="401 Who"), reads_body=False, closes=True),)),
    Row("100-continue never answered", (post(b"abc", _WAITS, waits="impatient"),), (OK,)),
    Row("a response before the body", (post(b"abc", waits="100"),), (Reply(sized("Connection: close", status="413 Too Large", body=b"big"), reads_body=False, closes=True),)),
)  # fmt: skip

ROWS = (*REQUESTS, *RESPONSES, *EXPECTATIONS)
