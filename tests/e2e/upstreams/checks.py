"""What real APIs are asked, and what shows that they did what was meant."""

import gzip
import hashlib
import random
from dataclasses import dataclass

from tests.wire import bearer, chunked

NOISE = random.Random(4).randbytes(20 << 20)


@dataclass(frozen=True, eq=False)
class Check:
    """A request, and what shows that the API did what was meant. Never equal: pytest would start the APIs more often."""

    line: str
    status: int
    #: stands in the response, head or body
    shows: bytes = b""
    lines: tuple[str, ...] = ()
    body: bytes = b""

    @property
    def raw(self) -> bytes:
        head = "".join(f"{line}\r\n" for line in (self.line, "Host: api.test:8443", *self.lines)).encode()
        return head + bearer() + b"\r\n" + self.body

    @property
    def method(self) -> str:
        return self.line.partition(" ")[0]


def get(target: str, status: int, shows: bytes = b"", *lines: str, method: str = "GET") -> Check:
    return Check(f"{method} {target} HTTP/1.1", status, shows, lines)


def send(target: str, status: int, shows: bytes, *lines: str, body: bytes, method: str = "POST") -> Check:
    return Check(f"{method} {target} HTTP/1.1", status, shows, (*lines, f"Content-Length: {len(body)}"), body)


def send_chunks(target: str, status: int, shows: bytes, *lines: str, body: bytes, method: str = "PUT") -> Check:
    parts = [body[at : at + 65_536] for at in range(0, len(body), 65_536)]
    return Check(f"{method} {target} HTTP/1.1", status, shows, (*lines, "Transfer-Encoding: chunked"), chunked(*parts))


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


FORM = "Content-Type: application/x-www-form-urlencoded"
JSON = "Content-Type: application/json"
UPLOAD = b"\r\n".join(
    (
        b"--B", b'Content-Disposition: form-data; name="title"', b"", "Prüfung".encode(),
        b"--B", b'Content-Disposition: form-data; name="scan"; filename="a b.bin"', b"Content-Type: image/x", b"", NOISE[:300_000],
        b"--B--", b"",
    )
)  # fmt: skip

FLASK = (
    get("/hello/J%C3%BCrgen%20x?a=1&a=%2F&b=+", 200, b'"a":["1","/"]', "User-Agent: test/1 (x)"),
    get("/hello/a%2Fb", 404),
    get("/hello/a", 405, b"Allow: ", method="DELETE"),
    get("/hello/a", 200, b"Content-Length: ", method="HEAD"),
    get("/hello/a", 200, b"Allow: ", method="OPTIONS"),
    get("/nowhere", 404, b"Not Found"),
    get("/where?a=b%20c&d", 200, b'"url":"http://api.test:8443/where?a=b%20c&d"'),
    get("/where", 200, b'"outside":"http://api.test:8443/where?a=b+c"'),
    send("/json", 201, b'{"received":{"a":[1,"\\u00fc"]}}', JSON, body='{"a": [1, "ü"]}'.encode()),
    send("/json", 400, b"Bad Request", JSON, body=b"{"),
    send("/json", 415, b"", "Content-Type: text/plain", body=b"{}"),
    send("/form", 200, b'{"form":{"a":["1","2"],"b":["x y"]}', FORM, body=b"a=1&b=x+y&a=2"),
    send("/upload", 200, digest(NOISE[:300_000]), "Content-Type: multipart/form-data; boundary=B", body=UPLOAD),
    send("/raw", 200, digest(gzip.compress(b"a", mtime=0)), "Content-Encoding: gzip", body=gzip.compress(b"a", mtime=0), method="PUT"),
    send_chunks("/raw", 200, digest(NOISE[: 1 << 20]), body=NOISE[: 1 << 20]),
    send("/raw", 200, digest(b""), body=b"", method="PUT"),
    get("/stream", 200, b"line 199\n"),
    get("/cookies", 200, b"Set-Cookie: ", 'Cookie: d=1; e="2"'),
    send("/login", 303, b"Location: /visits", FORM, body=b"name=alice"),
    get("/visits", 200, b'"visits":1'),
    get("/leave", 302, b"Location: http://api.test:8443/where"),
    get("/file", 200, b"def file()"),
    get("/file", 206, b"Content-Range: bytes 3-9/", "Range: bytes=3-9"),
    get("/file", 304, b"ETag: ", 'If-None-Match: "the-file"'),
    get("/fail", 500, b"Internal Server Error"),
    get("/slow", 200, b"slow"),
    Check("GET /hello/old HTTP/1.0", 200, b'"old"'),
    Check("GET /stream HTTP/1.0", 200, b"line 199\n"),
)  # fmt: skip

FASTAPI = (
    get("/hello/J%C3%BCrgen?limit=3&a=1&a=%2F", 200, b'"limit":3'),
    get("/hello/x?limit=many", 422, b"int_parsing"),
    get("/hello/x/", 307, b"http://api.test:8443/hello/x"),
    get("/hello/x", 405, b"", method="HEAD"),
    get("/nowhere", 404, b'{"detail":"Not Found"}'),
    get("/where?x=%2f%2F", 200, b'"url":"http://api.test:8443/where?x=%2f%2F"'),
    get("//where", 404),
    get("/%77here", 200, b'"path":"/%77here"'),
    get("/openapi.json", 200, b'"title":"Orders"'),
    get("/docs", 200, b"swagger"),
    send("/orders", 201, b"location: /orders/1", JSON, body=b'{"article": "book"}'),
    send("/orders", 422, b"missing", JSON, body=b"{}"),
    get("/orders/7", 204, b"", method="DELETE"),
    send("/raw", 200, digest(NOISE[: 5 << 20]), body=NOISE[: 5 << 20], method="PUT"),
    send_chunks("/raw", 200, digest(NOISE[: 5 << 20]), body=NOISE[: 5 << 20]),
    send_chunks("/raw", 200, b'"bytes":0', body=b""),
    get("/stream", 200, b"line 199\n"),
    get("/cookies", 200, b"set-cookie: b=2; Max-Age=60", "Cookie: a=x"),
    get("/leave", 307, b"location: http://api.test:8443/where"),
    get("/file", 206, b"content-range: bytes 3-9/", "Range: bytes=3-9"),
    get("/file", 200, b"async def file()"),
    get("/long", 200, b"content-encoding: gzip", "Accept-Encoding: gzip"),
    get("/long", 200, b"bearer bearer"),
    get("/stream", 200, b"content-encoding: gzip", "Accept-Encoding: gzip"),
    get("/teapot", 418, b"x-spout: yes"),
    get("/fail", 500, b"Internal Server Error"),
    Check("GET /hello/old HTTP/1.0", 200, b'"old"'),
    Check("GET /stream HTTP/1.0", 200, b"line 199\n"),
)

NGINX = (
    get("/", 200, b"<p>home"),
    get("/a.txt?x=1", 200, b"Accept-Ranges: bytes"),
    get("/a.txt", 200, b"Content-Length: 4000", method="HEAD"),
    get("/a.txt", 206, b"Content-Range: bytes 0-3/4000", "Range: bytes=0-3"),
    get("/a.txt", 206, b"multipart/byteranges", "Range: bytes=0-3,10-12,-2"),
    get("/a.txt", 416, b"bytes */4000", "Range: bytes=5000-"),
    get("/a.txt", 206, b"bytes 3999-3999/4000", "Range: bytes=-1"),
    get("/a.txt", 200, b"Content-Encoding: gzip", "Range: bytes=-1", "Accept-Encoding: gzip"),
    get("/a.txt", 200, b"Content-Encoding: gzip", "Accept-Encoding: gzip, br"),
    get("/a.txt", 200, b"Vary: Accept-Encoding", "Accept-Encoding: identity"),
    get("/script.js", 200, b"Content-Encoding: gzip", "Accept-Encoding: gzip"),
    get("/script.js", 200, b"Content-Encoding: gzip", "Accept-Encoding: gzip", method="HEAD"),
    get("/a.txt", 304, b"ETag: ", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"),
    get("/a.txt", 412, b"", 'If-Match: "other"'),
    get("/a.txt", 200, b"", "Range: bytes=0-3", 'If-Range: "other"'),
    get("/a.txt", 405, b"Not Allowed", method="POST"),
    get("/a.txt", 405, b"Not Allowed", method="PROPFIND"),
    get("/big.bin", 200, b"Content-Length: 20971520"),
    get("/big.bin", 206, b"Content-Range: bytes 20000000-", "Range: bytes=20000000-"),
    get("/b%20c/%C3%BC.txt", 200, b"umlaut"),
    get("/b%2520c", 404, b"<p>missing"),
    get("//a.txt", 200),
    get("/x/../a.txt", 200),
    get("/../a.txt", 400),
    get("/nowhere", 404, b"<p>missing"),
    get("/nowhere", 404, b"Content-Length: ", method="HEAD"),
    get("/listed", 301, b"Location: http://api.test:"),
    get("/listed/", 200, b"Index of /listed/"),
    get("/here/deep", 301, b"Location: /here/deep/"),
    get("/here/deep/", 403, b"Forbidden"),
    get("/moved", 301, b"Location: https://elsewhere.test/a?b=c"),
    get("/where?a|b=%zz;c", 200, b"http api.test:8443 /where?a|b=%zz;c GET HTTP/1.1"),
    send("/where", 200, b"POST HTTP/1.1", FORM, body=b"a=1"),
    send_chunks("/where", 200, b"PUT HTTP/1.1", body=b"abc"),
    send("/where", 413, b"Request Entity Too Large", body=b"a" * 2000),
    get("/where", 200, b"MKCOL HTTP/1.1", method="MKCOL"),
    Check("GET /a.txt HTTP/1.0", 200, b"aaaa"),
    Check("HEAD / HTTP/1.0", 200),
)
