"""A proxy's question, read as the request it is about, and the yes as header lines.

Each style has one source of facts and reads no other. Knows nothing of sockets and of how the gate decides.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.core.addresses import is_authority
from gateway.core.config.file import Config, assertion_header_of, identity_headers_of
from gateway.core.config.identity_headers import DEFAULT_IDENTITY_HEADERS
from gateway.core.config.limits import Limits
from gateway.core.errors import MethodNotImplemented, NoRoute, UnclearSubrequest, UndecidableHeader, UntrustedProxy
from gateway.core.http.cors import requested_method
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.header_names import OVERRIDES, fold
from gateway.core.http.request_line import check_request_line

#: Envoy puts its path_prefix in front of the path that it asks about.
ENVOY = b"/envoy"

#: as on the traffic port, whose parser takes capital letters only
_METHOD = re.compile(rb"[A-Z][A-Z-]*")
_TARGET = re.compile(rb"/[!-~]*")
#: $scheme://$http_host$request_uri. nginx takes hosts with ? and # in them: behind the host there is a slash, or nobody
#: can say where it ends.
_URL = re.compile(rb"(?P<scheme>https?)://(?P<host>[^/?#]+)(?P<target>/[!-~]*)")
#: Traefik names WebSockets by their own schemes.
_SCHEMES = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}


@dataclass(frozen=True, slots=True)
class _Source:
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


_NGINX = _Source(b"x-original-method", b"x-original-uri")
#: ingress-nginx, rootfs/etc/nginx/template/nginx.tmpl: it says X-Original-URI too when auth-method is set
_INGRESS = _Source(
    b"x-original-method",
    b"x-original-url",
    is_url=True,
    ignored=frozenset({b"x-auth-request-redirect", b"x-sent-from"}),
    repeated=b"x-original-uri",
)
_FORWARD = _Source(b"x-forwarded-method", b"x-forwarded-uri", b"x-forwarded-host", b"x-forwarded-proto")


@dataclass(frozen=True, slots=True)
class _Told:
    """What a proxy tells of a request; all else is as its subrequest has it."""

    method: str
    target: bytes
    host: bytes | None
    scheme: str
    headers: tuple[HeaderLine, ...]
    content_length: int | None = None
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class DecisionRules:
    """How questions are read and answered: the configuration, compiled."""

    #: path of the question to where its facts are
    sources: Mapping[bytes, _Source]
    #: identity headers as they are spelled in a response: configured ones, then the default ones and the assertion's,
    #: less those that a configured one folds to
    names: tuple[bytes, ...]
    #: of these, lower case: those whose several lines become one, with commas escaped
    repeated: frozenset[bytes]
    #: the names in lower case, and folded
    plain: frozenset[bytes]
    folds: frozenset[bytes]
    #: folded names that change method or path behind the proxy
    overrides: frozenset[bytes]
    limits: Limits

    @classmethod
    def of(cls, config: Config) -> "DecisionRules":
        """Compiled once at start."""
        headers = identity_headers_of(config)
        folds = {fold(name.encode()) for name in headers}
        others = [
            name
            for name in (*DEFAULT_IDENTITY_HEADERS, assertion_header_of(config))
            if fold(name.encode()) not in folds
        ]
        names = tuple(name.encode() for name in (*headers, *others))
        host = b"x-original-host" if any(route.hosts for route in config.routes) else None
        return cls(
            sources={b"/nginx": replace(_NGINX, host=host), b"/ingress-nginx": _INGRESS, b"/forward": _FORWARD},
            names=names,
            plain=frozenset(map(bytes.lower, names)),
            folds=frozenset(map(fold, names)),
            repeated=frozenset(name.lower().encode() for name, header in headers.items() if header.format == "repeat"),
            overrides=OVERRIDES if config.routes and not config.pass_override_headers else frozenset(),
            limits=config.limits,
        )

    def asked(self, subrequest: Facts) -> Facts:
        """The request that a subrequest asks about.

        NoRoute: no style has this address. UntrustedProxy, UnclearSubrequest, UndecidableHeader, and what
        `check_request_line` raises.
        """
        if not subrequest.trusted:
            raise UntrustedProxy(f"{subrequest.peer} is none of trusted_proxies")
        source = self.sources.get(subrequest.target.partition(b"?")[0])
        if source is not None:
            facts = self._from_headers(subrequest, source)
        elif subrequest.target.startswith((ENVOY + b"/", ENVOY + b"*")):
            if subrequest.host is None:
                raise UnclearSubrequest("host is missing")
            told = _Told(
                subrequest.method,
                subrequest.target.removeprefix(ENVOY),
                subrequest.host,
                subrequest.scheme,
                subrequest.headers,
                subrequest.content_length,
                subrequest.chunked,
            )
            facts = _asked_for(subrequest, told)
        else:
            raise NoRoute("the decision API has /nginx, /ingress-nginx, /forward and /envoy/...")
        if _TARGET.fullmatch(facts.target) is None and (facts.method, facts.target) != ("OPTIONS", b"*"):
            raise UnclearSubrequest("the target is not a path")
        check_request_line(facts.method, facts.target, self.limits)
        self._check_headers(facts)
        return facts

    def _from_headers(self, subrequest: Facts, source: _Source) -> Facts:
        names = source.names()
        found: dict[bytes, list[bytes]] = {name: [] for name in names}
        others: list[HeaderLine] = []
        for name, value in subrequest.headers:
            if name.lower() in found:
                found[name.lower()].append(value)
            elif name.lower() not in source.ignored:
                others.append((name, value))
        for name, values in found.items():
            if len(values) != 1 or not values[0]:
                says = "is missing" if not any(values) else f"stands there {len(values)} times"
                raise UnclearSubrequest(f"{name.decode()} {says}")
        method = found[source.method][0]
        if _METHOD.fullmatch(method) is None:
            raise MethodNotImplemented(f"{source.method.decode()} is not a method in capital letters")
        target = found[source.target][0]
        host = None if source.host is None else found[source.host][0]
        named = b"http" if source.scheme is None else found[source.scheme][0]
        if source.is_url:
            url = _URL.fullmatch(target)
            if url is None:
                raise UnclearSubrequest(f"{source.target.decode()} is not the whole URL of a request")
            named, host, target = url["scheme"], url["host"], url["target"]
        if host is not None and not is_authority(host):
            raise UnclearSubrequest("the host is not a host with an optional port")
        scheme = _SCHEMES.get(named)
        if scheme is None:
            raise UnclearSubrequest("the scheme is neither http nor https")
        if source.repeated is not None:
            others = [line for line in others if (line[0].lower(), line[1]) != (source.repeated, target)]
        return _asked_for(subrequest, _Told(method.decode(), target, host, scheme, tuple(others)))

    def _check_headers(self, facts: Facts) -> None:
        # As on the traffic port: nobody has judged the method of a preflight, so nothing may change it.
        overrides = OVERRIDES if requested_method(facts.method, facts.headers) is not None else self.overrides
        for name, _ in facts.headers:
            folded = fold(name)
            if folded in overrides:
                raise UndecidableHeader(f"{folded.decode()} changes the method or the path behind the proxy")
            if folded in self.folds and name.lower() not in self.plain:
                raise UndecidableHeader(f"another spelling of {folded.decode()}, which a decision cannot strip")

    def response_lines(self, admitted: tuple[HeaderLine, ...]) -> tuple[HeaderLine, ...]:
        """Every identity header once, out of the lines of an admission: empty when it has none.

        Proxies copy one line of a name: several become one, separated by commas.
        """
        found: dict[bytes, list[bytes]] = {}
        for name, value in admitted:
            found.setdefault(name.lower(), []).append(value)
        return tuple((name, self._joined(name.lower(), found.get(name.lower(), []))) for name in self.names)

    def _joined(self, name: bytes, values: list[bytes]) -> bytes:
        if name in self.repeated:
            # Lossless: `percent` escapes its own sign, base64url has no comma, and `none` is refused by `problems`.
            values = [value.replace(b",", b"%2C") for value in values]
        return b", ".join(values)


def _asked_for(subrequest: Facts, told: _Told) -> Facts:
    """The request that a subrequest asks about."""
    return Facts(
        method=told.method,
        target=told.target,
        version=subrequest.version,
        headers=told.headers,
        authorization=subrequest.authorization,
        host=told.host,
        content_length=told.content_length,
        chunked=told.chunked,
        scheme=told.scheme,
        peer=subrequest.peer,
        trusted=subrequest.trusted,
        request_id=subrequest.request_id,
        expects_continue=subrequest.expects_continue,
        is_websocket=subrequest.is_websocket,
    )
