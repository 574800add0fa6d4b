"""The headers in which a proxy says which request it asks about, read as that request.

One source of facts a style, and no other is read. Which headers those are stands in the module of each asker.
"""

import re
from dataclasses import dataclass

from gateway.core.addresses import is_authority
from gateway.core.errors import MethodNotImplemented, UnclearSubrequest
from gateway.core.http.facts import Facts, HeaderLine

#: as on the traffic port, whose parser takes capital letters only
_METHOD = re.compile(rb"[A-Z][A-Z-]*")
#: $scheme://$http_host$request_uri. nginx takes hosts with ? and # in them: behind the host there is a slash, or nobody
#: can say where it ends.
_URL = re.compile(rb"(?P<scheme>https?)://(?P<host>[^/?#]+)(?P<target>/[!-~]*)")
#: Traefik names WebSockets by their own schemes.
_SCHEMES = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}


@dataclass(frozen=True, slots=True)
class Told:
    """What a proxy tells of a request; all else is as its subrequest has it."""

    method: str
    target: bytes
    host: bytes | None
    scheme: str
    headers: tuple[HeaderLine, ...]
    content_length: int | None = None
    chunked: bool = False

    def asked_by(self, subrequest: Facts) -> Facts:
        """The request that a subrequest asks about."""
        return Facts(
            method=self.method,
            target=self.target,
            version=subrequest.version,
            headers=self.headers,
            authorization=subrequest.authorization,
            host=self.host,
            content_length=self.content_length,
            chunked=self.chunked,
            scheme=self.scheme,
            peer=subrequest.peer,
            trusted=subrequest.trusted,
            request_id=subrequest.request_id,
            expects_continue=subrequest.expects_continue,
            is_websocket=subrequest.is_websocket,
            is_question=True,
        )


@dataclass(frozen=True, slots=True)
class Source:
    """The headers in which a style says which request it asks about, in lower case."""

    method: bytes
    #: where `is_url`, of the whole URL, which has host and scheme as well
    target: bytes
    host: bytes | None = None
    scheme: bytes | None = None
    is_url: bool = False
    #: what the proxy tells besides, and nobody reads
    ignored: frozenset[bytes] = frozenset()
    #: what the proxy may say the target in once more
    repeated: bytes | None = None

    def names(self) -> tuple[bytes, ...]:
        """Those that are read."""
        return tuple(name for name in (self.method, self.target, self.host, self.scheme) if name is not None)

    def read(self, subrequest: Facts) -> Facts:
        """The request that a subrequest asks about. UnclearSubrequest, MethodNotImplemented."""
        names = self.names()
        found: dict[bytes, list[bytes]] = {name: [] for name in names}
        others: list[HeaderLine] = []
        for name, value in subrequest.headers:
            if name.lower() in found:
                found[name.lower()].append(value)
            elif name.lower() not in self.ignored:
                others.append((name, value))
        for name, values in found.items():
            if len(values) != 1 or not values[0]:
                says = "is missing" if not any(values) else f"stands there {len(values)} times"
                raise UnclearSubrequest(f"{name.decode()} {says}")
        method = found[self.method][0]
        if _METHOD.fullmatch(method) is None:
            raise MethodNotImplemented(f"{self.method.decode()} is not a method in capital letters")
        target = found[self.target][0]
        host = None if self.host is None else found[self.host][0]
        named = b"http" if self.scheme is None else found[self.scheme][0]
        if self.is_url:
            url = _URL.fullmatch(target)
            if url is None:
                raise UnclearSubrequest(f"{self.target.decode()} is not the whole URL of a request")
            named, host, target = url["scheme"], url["host"], url["target"]
        if host is not None and not is_authority(host):
            raise UnclearSubrequest("the host is not a host with an optional port")
        scheme = _SCHEMES.get(named)
        if scheme is None:
            raise UnclearSubrequest("the scheme is neither http nor https")
        if self.repeated is not None:
            others = [line for line in others if (line[0].lower(), line[1]) != (self.repeated, target)]
        return Told(method.decode(), target, host, scheme, tuple(others)).asked_by(subrequest)
