"""What strangers tried to get at a handler without its rule, as data: requests that differ from an honest one in one way."""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

HOST = "api.test"


class Attempt(NamedTuple):
    """One request."""

    #: the way in which it differs
    kind: str
    method: str
    target: str
    host: str = HOST
    #: further header lines
    lines: tuple[str, ...] = ()

    def raw(self, *more: str) -> bytes:
        """As it is sent; `more`: header lines."""
        head = [f"{self.method} {self.target} HTTP/1.1", f"Host: {self.host}", *self.lines, *more, "Connection: close"]
        return "\r\n".join([*head, "", ""]).encode()

    def __str__(self) -> str:
        return f"{self.kind}: {self.method} {self.target} at {self.host} {' '.join(self.lines)}".strip()


#: what is to be protected; methods of /orders that are not GET have a rule of their own
HONEST = ("/admin", "/admin/users", "/orders/1", "/staff/keys", "/items/1/secret")
METHODS = (
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY", "PURGE", "get", "Get", "TRACE",
    "CONNECT", "FOO", "M-SEARCH",
)  # fmt: skip
SUFFIXES = (".json", ".html", ".xml", ".css", ".JSON", ".", "..", "...", ".%20", "%2ejson", ".json/", "~", ".bak")
#: what may stand for a slash, for nothing, or before or behind a name, somewhere
PIECES = (
    "/", "//", "/./", "/x/../", "%2f", "%2F", "\\", "%5c", ";", ";x", ";x=1/", ";.css", "%3b", "%00", "%20", "+", "%09",
    "%0a", "%0d%0a", "%2e", "/%2e/", "/%2e%2e/", "..;/", "/..;/", "%252f", "%252e", "%25%32%66", "%c0%af", "%ef%bc%8f",
    "%e2%80%8b", "%c2%a0", "%c2%ad", "?", "#", "%23", "%3f", "%3fx", "%23x", "%253f", "%2523", "%", "%zz", "%u002f", "*", "|",
    "/health/../", "/health;/../", "/health%2f..%2f", "!", "'", "&", ",",
)  # fmt: skip
#: a letter and what folds, composes or is decoded to it somewhere
LETTERS = {
    "a": ("%ef%bd%81", "%61", "%41", "A", "%c2%aa", "%c3%a0", "a%cc%80", "%e2%93%90"),
    "s": ("%c5%bf", "%ef%bd%93", "S", "%53", "%73", "%e2%93%a2"),
    "k": ("%e2%84%aa", "K", "%ef%bd%8b", "%6B"),
    "i": ("%c4%b1", "%c4%b0", "I", "%ef%bd%89", "%c2%b9"),
    "st": ("%ef%ac%86", "%ef%ac%85", "ST", "sT"),
    "ff": ("%ef%ac%80", "FF"),
    "d": ("%ef%bd%84", "D", "%64"),
    "r": ("%ef%bd%92", "R"),
}
HOSTS = (
    "other.test", "API.TEST", "api.test.", "api.test:80", "api.test:8443", "api.test.other.test", "x.api.test", "localhost",
    "127.0.0.1", "[::1]", "api%2etest", "api..test", ".api.test", "api.test,other.test", "api_test", "",
)  # fmt: skip
HEADERS = (
    "X-Original-URL", "X-Rewrite-URL", "X-Original-URI", "X-Forwarded-Uri", "X-Forwarded-Path", "X-Forwarded-Prefix",
    "X_Original_URL", "X-Envoy-Original-Path", "X-HTTP-DestinationURL", "Request-Uri",
)  # fmt: skip
OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X_HTTP_Method_Override")


@cache
def attempts() -> tuple[Attempt, ...]:
    """All of them, each once."""
    return tuple(dict.fromkeys(attempt for path in HONEST for attempt in _of(path)))


def _of(path: str) -> Iterator[Attempt]:
    yield Attempt("honest", "GET", path)
    yield from (Attempt("method", method, path) for method in METHODS)
    yield from (Attempt("suffix", "GET", path + suffix) for suffix in SUFFIXES)
    yield from (Attempt("host", "GET", path, host) for host in HOSTS)
    yield from _cases(path)
    yield from _spellings(path)
    yield from _absolute(path)
    yield from _headers(path)


def _cases(path: str) -> Iterator[Attempt]:
    for other in (
        path.upper(),
        path.title(),
        path.swapcase(),
        path[:2].upper() + path[2:],
        path[:-1] + path[-1].upper(),
    ):
        yield Attempt("case", "GET", other)
    for letter, others in LETTERS.items():
        for other in others if letter in path else ():
            yield Attempt("unicode", "GET", path.replace(letter, other))
            yield Attempt("unicode", "GET", path.replace(letter, other, 1))


def _spellings(path: str) -> Iterator[Attempt]:
    places = sorted({1, 2, len(path), *(place + 1 for place, char in enumerate(path) if char == "/"), path.rindex("/")})
    for piece in PIECES:
        for place in places:
            yield Attempt("spelling", "GET", f"{path[:place]}{piece}{path[place:]}")
        yield Attempt("spelling", "GET", f"{piece if piece.startswith('/') else '/' + piece}{path}")
        yield Attempt("spelling", "GET", f"/health{piece}..{path}")
    for place in range(1, len(path)):
        byte = ord(path[place])
        for escape in (
            f"%{byte:02x}",
            f"%25{byte:02x}",
            f"%u{byte:04x}",
            f"%c1%{byte | 0x80:02x}",
            f"%f0%80%80%{byte:02x}",
        ):
            yield Attempt("spelling", "GET", path[:place] + escape + path[place + 1 :])


def _absolute(path: str) -> Iterator[Attempt]:
    for origin in (
        "http://api.test", "http://other.test", "https://api.test", "HTTP://API.TEST", "http://api.test:80", "ftp://api.test",
        "http://user@api.test", "http://", "//other.test", "http:", "http://api.test/health/..",
    ):  # fmt: skip
        yield Attempt("absolute-form", "GET", origin + path)
        yield Attempt("absolute-form", "GET", origin + path, "other.test")
    yield Attempt("absolute-form", "GET", f"http://api.test{path.upper()}")
    yield Attempt("absolute-form", "GET", path.lstrip("/"))
    yield Attempt("absolute-form", "GET", f"?{path}")
    yield Attempt("absolute-form", "GET", f"*{path}")


def _headers(path: str) -> Iterator[Attempt]:
    for name in HEADERS:
        for target in ("/health", "/", "/nowhere"):
            yield Attempt("header", "GET", target, lines=(f"{name}: {path}",))
        yield Attempt("header", "GET", path, lines=(f"{name}: /health",))
        yield Attempt("header", "GET", "/health", lines=(f"{name}: /health", f"{name}: {path}"))
        yield Attempt("header", "GET", "/nowhere", lines=(f"{name}: http://api.test{path}",))
    for name in OVERRIDES:
        yield Attempt("header", "POST", path, lines=(f"{name}: GET", "Content-Length: 0"))
        yield Attempt("header", "GET", path, lines=(f"{name}: OPTIONS",))
    yield Attempt("header", "GET", path, lines=("Host: other.test",))
    yield Attempt("header", "GET", path, lines=("X-Forwarded-Host: other.test", "Forwarded: host=other.test"))
    yield Attempt("header", "OPTIONS", path, lines=("Origin: https://evil.test", "Access-Control-Request-Method: GET"))
    yield Attempt("header", "GET", path, lines=("X-User-Id: root", "X-Token-Scopes: admin"))
    yield Attempt("header", "GET", path, lines=("Connection: X-User-Id", "X_User_Id: root"))
