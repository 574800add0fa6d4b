"""Which header lines go upstream, and which of an answer go to the client.

Strips everything the configuration could ever set, on every request, then inserts: never "set if known".
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.core.config import DEFAULT_IDENTITY_HEADERS, Config, assertion_header_of, identity_headers_of, upstreams_of
from gateway.core.credential import is_bearer
from gateway.core.model import Facts, HeaderLine
from gateway.core.route import Route

#: CGI, WSGI and PHP map X_User_Id, X.User.Id and x-user-id to one variable: compare names as they do.
_FOLD = bytes(
    ord(chr(byte).lower()) if chr(byte).isascii() and chr(byte).isalnum() else ord("-") for byte in range(256)
)

#: RFC 9110 section 7.6.1, and framing, which is written anew from the parsed message
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_FRAMING = frozenset({b"content-length"})
_OURS = frozenset({b"proxy", b"expect", b"x-request-id"})
#: what changes method or path behind a gateway that decided on them (Symfony, Rails, IIS, Envoy)
OVERRIDES = frozenset(
    {
        b"x-http-method-override",
        b"x-http-method",
        b"x-method-override",
        b"x-original-url",
        b"x-original-uri",
        b"x-original-method",
        b"x-rewrite-url",
        b"x-envoy-original-path",
    }
)
_FORWARDING = frozenset({b"forwarded", b"x-real-ip", b"x-forwarded"})
_FORWARDING_PREFIX = b"x-forwarded-"
_OURS_PREFIX = b"x-gateway-"
#: What a Connection header cannot name away (RFC 9110 section 7.6.1: only hop-by-hop fields are to be nominated).
_NEVER_NOMINATED = frozenset({b"host", b"cookie", b"authorization", b"x-request-id", b"origin"}) | _FORWARDING
_NEVER_NOMINATED_PREFIXES = (b"content-", b"access-control-", _FORWARDING_PREFIX, _OURS_PREFIX)

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


def fold(name: bytes) -> bytes:
    """A header name as the loosest of upstreams would read it: lower case, every other byte a hyphen."""
    return name.translate(_FOLD)


def nominated(headers: Iterable[HeaderLine]) -> frozenset[bytes]:
    """Lower-case names that Connection headers declare hop-by-hop, less those that are nobody's to nominate."""
    options = {option for name, value in headers if name.lower() == b"connection" for option in value.split(b",")}
    names = {option.strip(b" \t").lower() for option in options} - _NEVER_NOMINATED - {b""}
    return frozenset(name for name in names if not name.startswith(_NEVER_NOMINATED_PREFIXES))


def parse_request_id(values: Iterable[bytes]) -> str | None:
    """The one well-formed X-Request-Id, or None: then a new one is due."""
    found = list(values)
    return found[0].decode("ascii") if len(found) == 1 and _REQUEST_ID.fullmatch(found[0]) else None


@dataclass(frozen=True, slots=True)
class UpstreamHeaders:
    """What is stripped from requests and what is added: the configuration, compiled."""

    stripped: frozenset[bytes]
    via: bool
    #: names of upstreams that get the Authorization header as it is
    keeps_authorization: frozenset[str]

    @classmethod
    def of(cls, config: Config) -> "UpstreamHeaders":
        """Compiled once at start."""
        names = (*identity_headers_of(config), *DEFAULT_IDENTITY_HEADERS, assertion_header_of(config))
        identity = {fold(name.encode()) for name in names}
        overrides = OVERRIDES if config.routes and not config.pass_override_headers else frozenset()
        return cls(
            stripped=frozenset(identity | HOP_BY_HOP | _FRAMING | _OURS | overrides),
            via=config.via,
            keeps_authorization=frozenset(
                name for name, upstream in upstreams_of(config).items() if upstream.authorization == "keep"
            ),
        )

    def compose(
        self, facts: Facts, identity: tuple[HeaderLine, ...], *, route: Route, preflight: bool = False
    ) -> tuple[HeaderLine, ...]:
        """The lines for the upstream: the client's in their order, less what is stripped, then ours.

        `preflight`: nobody judged who sent it; it has no credential, and stays a preflight behind us.
        """
        gone = nominated(facts.headers)
        kept: list[HeaderLine] = []
        forwarded: dict[bytes, list[bytes]] = {}
        has_host = False
        for name, value in facts.headers:
            lower, folded = name.lower(), fold(name)
            if folded in _FORWARDING or folded.startswith(_FORWARDING_PREFIX):
                # From a trusted peer, and only as it is spelled: another spelling is somebody's trick.
                if facts.trusted and lower == folded:
                    forwarded.setdefault(folded, []).append(value)
                    if folded not in _WRITTEN_ANEW:
                        kept.append((name, value))
            elif folded == b"host":
                # Once, where the client had it, as the facts have it.
                if lower == folded and facts.host is not None and not has_host:
                    kept.append((name, facts.host))
                    has_host = True
            elif folded == b"authorization":
                if lower == folded and not preflight and self._passes(value, route):
                    kept.append((name, value))
            elif not (
                folded in self.stripped
                or folded.startswith(_OURS_PREFIX)
                or lower in gone
                or (preflight and folded in OVERRIDES)
            ):
                kept.append((name, value))
        if facts.host is not None and not has_host:
            kept.insert(0, (b"Host", facts.host))
        if self.via:
            kept.append((b"Via", b"%d.%d bearer-gateway" % facts.version))
        kept.extend(self._forwarding(facts, forwarded, prefix=route.prefix_of(facts.target)))
        kept.append((b"X-Request-Id", facts.request_id.encode("ascii")))
        kept.extend(identity)
        return tuple(kept)

    def _passes(self, value: bytes, route: Route) -> bool:
        """Whether a credential goes on: a public page may have a login; a bearer token is for us."""
        return route.upstream in self.keeps_authorization or (route.public and not is_bearer(value))

    @staticmethod
    def _forwarding(facts: Facts, received: dict[bytes, list[bytes]], *, prefix: bytes) -> Iterable[HeaderLine]:
        addresses = [value for value in received.get(b"x-forwarded-for", []) if value]
        if facts.peer != "unix":
            addresses = [*addresses, facts.peer.encode("ascii")]
        if addresses:
            yield b"X-Forwarded-For", b", ".join(addresses)
        yield b"X-Forwarded-Proto", b", ".join(received.get(b"x-forwarded-proto", [facts.scheme.encode("ascii")]))
        hosts = received.get(b"x-forwarded-host", [facts.host] if facts.host is not None else [])
        if hosts:
            yield b"X-Forwarded-Host", b", ".join(hosts)
        if prefixes := b"".join(received.get(b"x-forwarded-prefix", [])) + prefix:
            yield b"X-Forwarded-Prefix", prefixes


_WRITTEN_ANEW = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-prefix"})


def drops_forwarding(facts: Facts) -> bool:
    """Whether forwarding headers of an untrusted peer are dropped: worth one line in the log."""
    return not facts.trusted and any(
        folded in _FORWARDING or folded.startswith(_FORWARDING_PREFIX)
        for folded in (fold(name) for name, _ in facts.headers)
    )


def answer_headers(headers: Iterable[HeaderLine]) -> list[HeaderLine]:
    """An upstream's header lines for the client: everything but hop-by-hop ones; framing stays, to be judged later."""
    lines = list(headers)
    gone = nominated(lines) | HOP_BY_HOP
    return [(name, value) for name, value in lines if name.lower() not in gone]
