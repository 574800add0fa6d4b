"""The URL that a client used, as far as somebody confirms it: `external_url`, or a Host that stands in `hosts`.

A Host that nothing confirms is whatever its sender likes, and so is a URL that is made of it.
"""

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address
from typing import Final

from gateway.core.addresses import parse_address, parse_url
from gateway.core.config.file import Config, external_urls_of
from gateway.core.errors import BadRequest
from gateway.core.http.facts import Facts
from gateway.core.http.hosts import HostNames

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
#: RFC 6455 section 3: Traefik and others name WebSockets by schemes of their own
_SCHEMES: Final = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}
_PREFIX: Final = re.compile(rb"(?:/[!-\"$->@-~]*)?")
_MAX_PORT: Final = 65535

#: RFC 3986 section 3, for http and https, without userinfo
_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]+)(?::(?P<port>[0-9]{0,5}))?"
    r"(?P<path>/[!-\"$->@-~]*)?(?:\?[!-\"$-~]*)?(?:#[!-~]*)?",
    # Without ASCII, a long s is an s, and the Kelvin sign a k.
    re.IGNORECASE | re.ASCII,
)
_AUTHORITY: Final = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]+)(?::(?P<port>[0-9]{0,5}))?",
)
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: RFC 3986 section 2.3
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
#: bytes of a target that no URL has as they are
_UNWRITTEN: Final = re.compile(rb"[^!\"$-~]")


class ClientUrl:
    """Where the client sent a request: scheme, authority, and the part of the path that the gateway does not see."""

    __slots__ = ("authority", "prefix", "scheme")

    def __init__(self, scheme: str, authority: str, prefix: str = "") -> None:
        #: `http` or `https`
        self.scheme: Final = scheme
        #: host in lower case, with its port unless it is that of the scheme
        self.authority: Final = authority
        #: begins with a slash and ends with none, or is empty
        self.prefix: Final = prefix

    def __repr__(self) -> str:
        return f"ClientUrl({self.scheme}://{self.authority}{self.prefix})"

    @property
    def origin(self) -> bytes:
        """As browsers write it (RFC 6454 section 6.2)."""
        return f"{self.scheme}://{self.authority}".encode("ascii")

    def url(self, target: bytes) -> str:
        """The whole URL of a target in origin-form, without its query. What no URL may have is percent-encoded."""
        path = b"" if target == b"*" else target.partition(b"?")[0]
        written = _UNWRITTEN.sub(lambda found: b"%%%02X" % found[0][0], path).decode("ascii")
        return f"{self.scheme}://{self.authority}{self.prefix}{written}"


class ClientUrls:
    """What is confirmed, compiled once at start."""

    def __init__(self, external: Iterable[ClientUrl], *, hosts: Iterable[str] = (), port: int | None = None) -> None:
        """`hosts`: names, or `*.` and a domain; `port`: that clients may name beside the scheme's own, None: any."""
        self._external: Final = tuple(external)
        self._hosts: Final = HostNames(hosts)
        self._port: Final = port

    def of(self, facts: Facts) -> ClientUrl | None:
        """Where the client sent this request; None: nobody confirms it.

        BadRequest: X-Forwarded-Proto, -Host or -Prefix of a trusted proxy stands there twice or with several values,
        or is none. The one `external_url` that there is needs neither them nor Host.
        """
        if len(self._external) == 1:
            return self._external[0]
        said = {} if not facts.trusted or facts.is_question else _forwarded(facts)
        host = said.get(b"x-forwarded-host", facts.host)
        if host is None:
            return None
        proto = said.get(b"x-forwarded-proto")
        scheme = facts.scheme if proto is None else _SCHEMES.get(proto.lower())
        if scheme is None:
            raise BadRequest("X-Forwarded-Proto is neither http nor https")
        prefix = said.get(b"x-forwarded-prefix")
        if prefix is not None and _PREFIX.fullmatch(prefix) is None:
            raise BadRequest("X-Forwarded-Prefix is not the beginning of a path")
        written = None if prefix is None else prefix.decode("ascii").rstrip("/")
        if self._external:
            return self._chosen(host, scheme, written)
        return self._confirmed(host, scheme, written or "")

    def _chosen(self, host: bytes, scheme: str, prefix: str | None) -> ClientUrl | None:
        """Of several: by authority, then by scheme where that tells them apart, then by prefix."""
        found = [url for url in self._external if normalised_authority(host, url.scheme) == url.authority]
        found = [url for url in found if url.scheme == scheme] or found
        if prefix is None and len(found) > 1:
            prefix = ""
        return next((url for url in found if prefix is None or url.prefix == prefix), None)

    def _confirmed(self, host: bytes, scheme: str, prefix: str) -> ClientUrl | None:
        authority = normalised_authority(host, scheme)
        if authority is None:
            return None
        name, colon, port = authority.rpartition(":")
        if not colon or name.startswith("[") != name.endswith("]"):
            name, port = authority, ""
        name = name.removesuffix(".")
        if port and self._port is not None and port != str(self._port):
            return None
        return ClientUrl(scheme, authority, prefix) if self._hosts.has(name) else None


def client_urls_of(config: Config) -> ClientUrls | None:
    """Compiled once at start; None: nothing confirms any URL. `config` is sound: every `external_url` can be parsed."""
    urls = external_urls_of(config)
    if not urls and not config.hosts:
        return None
    return ClientUrls([parse_external(text) for text in urls], hosts=config.hosts, port=_port_of(config.listen))


def parse_external(text: str) -> ClientUrl:
    """An `external_url`: scheme, authority, and the path that a proxy takes away.

    ValueError carries a sentence that fits behind the key.
    """
    url = parse_url(text)
    if "?" in text:
        raise ValueError("must not have a query: it is where the paths of requests begin")
    host = f"[{url.host}]" if ":" in url.host else url.host
    authority = host if url.port == DEFAULT_PORTS[url.scheme] else f"{host}:{url.port}"
    found = normalised(text)
    path = url.path.rstrip("/")
    if found is None or found[3].rstrip("/") != path or "//" in path or "%" in path:
        raise ValueError("must have a path without escapes, dot segments and empty segments, or none")
    return ClientUrl(url.scheme, authority, path)


def _port_of(listen: str) -> int | None:
    try:
        return parse_address(listen).port or None
    except ValueError:
        return None


def normalised(url: str) -> tuple[str, str, int, str] | None:
    """Scheme, host, port and path as RFC 3986 sections 6.2.2 and 6.2.3 compare them; query and fragment left out.

    None: it is no absolute http or https URL, or one with a user. Costs in proportion to its length.
    """
    found = _URL.fullmatch(url)
    if found is None or _BROKEN_ESCAPE.search(url):
        return None
    scheme = found["scheme"].lower()
    host = _host(found["host"])
    port = int(found["port"] or DEFAULT_PORTS[scheme])
    if host is None or not 1 <= port <= _MAX_PORT:
        return None
    return scheme, host, port, _without_dots(_unescaped(found["path"] or "/"))


def normalised_authority(authority: bytes, scheme: str) -> str | None:
    """A host in lower case, with its port unless it is that of the scheme; None: it is no authority."""
    found = _AUTHORITY.fullmatch(authority.decode("latin-1"))
    host = None if found is None or _BROKEN_ESCAPE.search(found["host"]) else _host(found["host"])
    if found is None or host is None:
        return None
    port = int(found["port"] or DEFAULT_PORTS[scheme])
    if not 1 <= port <= _MAX_PORT:
        return None
    return host if port == DEFAULT_PORTS[scheme] else f"{host}:{port}"


def _host(host: str) -> str | None:
    if not host.startswith("["):
        return _unescaped(host).lower() if "%" in host else host.lower()
    try:
        return f"[{IPv6Address(host[1:-1])}]"
    except ValueError:
        return None


def _unescaped(text: str) -> str:
    """RFC 3986 section 6.2.2: escapes in capital letters, and none where none is needed."""
    if "%" not in text:
        return text

    def plain(found: re.Match[str]) -> str:
        char = chr(int(found[1], 16))
        return char if char in _UNRESERVED else found[0].upper()

    return _ESCAPE.sub(plain, text)


def _without_dots(path: str) -> str:
    """RFC 3986 section 5.2.4. `path`: begins with a slash."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)


def _forwarded(facts: Facts) -> dict[bytes, bytes]:
    """Each of the three that is there, by its name. BadRequest: not exactly once, with one value."""
    found: dict[bytes, bytes] = {}
    for name, value in _forwarding_lines(facts):
        if name in found or not value or b"," in value:
            raise BadRequest(f"{name.decode()} does not stand there once, with one value")
        found[name] = value
    return found


def _forwarding_lines(facts: Facts) -> Iterator[tuple[bytes, bytes]]:
    for name, value in facts.headers:
        if name[:1] in b"xX" and (lower := name.lower()) in _FORWARDING:
            yield lower, value.strip(b" \t")


_FORWARDING: Final = frozenset({b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-prefix"})
