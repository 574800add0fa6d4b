"""Which header lines go upstream, and which of a response go to the client.

Strips everything the configuration could ever set, on every request, then inserts: never "set if known".
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Final

from gateway.core.config.file import Config, assertion_header_of, identity_headers_of, upstreams_of
from gateway.core.config.identity_headers import DEFAULT_IDENTITY_HEADERS
from gateway.core.config.secret import Secret
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.http.field_line import FieldLine
from gateway.core.http.header_names import (
    CONNECTION_OPTIONS,
    HOP_BY_HOP,
    OURS_PREFIX,
    OVERRIDES,
    fold,
    is_forwarding,
    nominated,
)
from gateway.core.http.outgoing import Outgoing, written
from gateway.core.memory import NameMemo
from gateway.core.routing.route import Route
from gateway.core.token.credential import is_ours
from gateway.core.upstream.own_lines import own_lines

#: framing, which is written anew from the parsed message
_FRAMING: Final = frozenset({b"content-length"})
_OURS: Final = frozenset({b"proxy", b"x-request-id"})
_WRITTEN_ANEW: Final = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-prefix"})

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")

#: What becomes of a line, by its name alone. Plain numbers: one is looked up for every line of every request.
_KEPT: Final = 0
_DROPPED: Final = 1
_CONNECTION: Final = 2
_HOST: Final = 3
_AUTHORIZATION: Final = 4
#: part of a forwarding header that is written anew
_FORWARDED: Final = 5
_EXPECT: Final = 6
#: a proof of possession (RFC 9449 section 4.1), which is for us as the token is
_PROOF: Final = 7

_SPECIAL: Final = {
    b"host": _HOST,
    b"authorization": _AUTHORIZATION,
    b"connection": _CONNECTION,
    b"expect": _EXPECT,
    b"dpop": _PROOF,
}

_PROTO: Final = {scheme: b"X-Forwarded-Proto: %b\r\n" % scheme.encode() for scheme in ("http", "https")}
_END: Final = b"\r\n"


def parse_request_id(values: Iterable[bytes]) -> str | None:
    """The one well-formed X-Request-Id, or None: then a new one is due."""
    found = list(values)
    return found[0].decode("ascii") if len(found) == 1 and _REQUEST_ID.fullmatch(found[0]) else None


@dataclass(frozen=True, slots=True)
class UpstreamHeaders:
    """What is stripped from requests and what is added: the configuration, compiled."""

    #: what becomes of a line, by its name as it was written: from a trusted peer or not, of a preflight or not
    meanings: dict[tuple[bool, bool], NameMemo[int]] = field(repr=False)
    via: bool
    #: names of upstreams that get the Authorization header as it is
    keeps_authorization: frozenset[str]
    #: names of upstreams that get another credential, or none, and never the client's
    has_credential: frozenset[str]
    #: name of an upstream to the lines that every request to it has
    own: dict[str, tuple[HeaderLine, ...]] = field(repr=False)

    @classmethod
    def of(cls, config: Config, *, secrets: Mapping[Secret, str] = MappingProxyType({})) -> "UpstreamHeaders":
        """Compiled once at start. `secrets`: what `settings` read; KeyError when one is missing."""
        upstreams = upstreams_of(config)
        names = (*identity_headers_of(config), *DEFAULT_IDENTITY_HEADERS, assertion_header_of(config))
        names += tuple(name for upstream in upstreams.values() for name in upstream.headers)
        if config.client_certificate_header is not None:
            names += (config.client_certificate_header.name,)
        if config.tracing is not None:
            names += ("traceparent",)  # ours, of a span of ours
        overrides = OVERRIDES if config.routes and not config.pass_override_headers else frozenset()
        stripped = frozenset({fold(name.encode()) for name in names} | HOP_BY_HOP | _FRAMING | _OURS | overrides)
        return cls(
            meanings={
                (trusted, preflight): NameMemo(
                    partial(_meaning, stripped=stripped | OVERRIDES if preflight else stripped, trusted=trusted)
                )
                for trusted in (True, False)
                for preflight in (True, False)
            },
            via=config.via,
            keeps_authorization=frozenset(
                name for name, upstream in upstreams.items() if upstream.authorization == "keep"
            ),
            has_credential=frozenset(
                name for name, upstream in upstreams.items() if upstream.authorization not in ("drop", "keep")
            ),
            own=own_lines(config, secrets),
        )

    def with_own(self, own: Mapping[str, tuple[HeaderLine, ...]]) -> "UpstreamHeaders":
        """The same with other lines of ours, as `own_lines` makes them of the same configuration."""
        return UpstreamHeaders(
            meanings=self.meanings,
            via=self.via,
            keeps_authorization=self.keeps_authorization,
            has_credential=self.has_credential,
            own=dict(own),
        )

    def compose(
        self,
        facts: Facts,
        lines: tuple[HeaderLine, ...],
        *,
        route: Route,
        identity: bytes = b"",
        preflight: bool = False,
    ) -> Outgoing:
        """The lines for the upstream: the client's in their order, less what is stripped, then ours.

        `identity`: what is told of the caller, as it is written. `lines`: what else this request is given.
        `preflight`: nobody judged who sent it; it has no credential of a client, and stays a preflight behind us.
        """
        credential = not preflight and route.upstream not in self.has_credential
        kept: list[FieldLine] = []
        received: dict[bytes, list[bytes]] = {}
        nominates = has_host = False
        meanings = self.meanings[facts.trusted, preflight]
        for line in facts.lines:
            meaning = line.meaning
            if line.judge is not meanings:
                meaning = line.meaning = meanings[line.name]
                line.judge = meanings
            if meaning == _KEPT:
                kept.append(line)
            elif meaning == _HOST:
                # Once, where the client had it, as the facts have it.
                if facts.host is not None and not has_host:
                    kept.append(line if line.value == facts.host else FieldLine(line.name, facts.host))
                    has_host = True
            elif meaning == _CONNECTION:
                nominates = nominates or line.value not in CONNECTION_OPTIONS
            elif (
                (meaning == _AUTHORIZATION and credential and self._passes(line.value, route))
                or (meaning == _PROOF and credential and route.upstream in self.keeps_authorization)
                # RFC 9110 section 10.1.1: 100-continue from a client that may wait for it; there is no other.
                or (meaning == _EXPECT and facts.expects_continue)
            ):
                kept.append(line)
            elif meaning == _FORWARDED:
                received.setdefault(line.name.lower(), []).append(line.value)
        if nominates and (gone := nominated(facts.headers)):
            kept = [line for line in kept if line.name.lower() not in gone]
        if facts.host is not None and not has_host:
            kept.insert(0, FieldLine(b"Host", facts.host))
        ours: list[bytes] = []
        if self.via:
            ours.append(b"Via: %d.%d bearer-gateway\r\n" % facts.version)
        _add_forwarding(ours, facts, received, prefix=route.prefix_of(facts.target))
        ours.append(b"X-Request-Id: ")
        ours.append(facts.request_id.encode("ascii"))
        ours.append(_END)
        ours.append(identity)
        ours.append(written(lines + self.own.get(route.upstream, ())))
        return Outgoing(kept, ours)

    def passing(self, facts: Facts) -> list[HeaderLine]:
        """The client's lines that go upstream as they are, or are a trusted proxy's word."""
        meanings = self.meanings[facts.trusted, False]
        kept = [line for line in facts.headers if meanings[line[0]] in (_KEPT, _FORWARDED)]
        gone = nominated(facts.headers)
        return [line for line in kept if line[0].lower() not in gone] if gone else kept

    def _passes(self, value: bytes, route: Route) -> bool:
        """Whether a credential goes on: a public page may have a login; an access token is for us."""
        return route.upstream in self.keeps_authorization or (route.public and not is_ours(value))


def _meaning(name: bytes, *, stripped: frozenset[bytes], trusted: bool) -> int:
    """What becomes of a line of this name. `stripped`: folded names that the configuration could ever set."""
    lower, folded = name.lower(), fold(name)
    if is_forwarding(name):
        # From a trusted peer, and only as it is spelled: another spelling is somebody's trick.
        if not trusted or lower != folded or folded in stripped:
            return _DROPPED
        return _FORWARDED if folded in _WRITTEN_ANEW else _KEPT
    if folded in _SPECIAL:
        return _SPECIAL[folded] if lower == folded else _DROPPED
    return _DROPPED if folded in stripped or folded.startswith(OURS_PREFIX) else _KEPT


def _add_forwarding(pieces: list[bytes], facts: Facts, received: dict[bytes, list[bytes]], *, prefix: bytes) -> None:
    """Adds what the gateway says of the client: its address, how it came, which host and prefix it asked for."""
    address = b"" if facts.peer == "unix" else facts.peer.encode("ascii")
    if received and (told := [value for value in received.get(b"x-forwarded-for", ()) if value]):
        address = b", ".join([*told, address] if address else told)
    if address:
        pieces.append(b"X-Forwarded-For: ")
        pieces.append(address)
        pieces.append(_END)
    protos = received.get(b"x-forwarded-proto") if received else None
    pieces.append(b"X-Forwarded-Proto: %b\r\n" % b", ".join(protos) if protos else _PROTO[facts.scheme])
    hosts = received.get(b"x-forwarded-host") if received else None
    host = b", ".join(hosts) if hosts else facts.host
    if host is not None:
        pieces.append(b"X-Forwarded-Host: ")
        pieces.append(host)
        pieces.append(_END)
    if received:
        prefix = b"".join(received.get(b"x-forwarded-prefix", ())) + prefix
    if prefix:
        pieces.append(b"X-Forwarded-Prefix: %b\r\n" % prefix)


_IS_FORWARDING: Final = NameMemo(is_forwarding)
_OF_RESPONSE: Final = NameMemo(
    lambda name: _CONNECTION if name.lower() == b"connection" else _DROPPED if name.lower() in HOP_BY_HOP else _KEPT
)


class ForwardingNotice:
    """Says once that forwarding headers of somebody untrusted are dropped: that is often a proxy nobody configured."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """`say`: takes a sentence for the log."""
        self._say = say
        self._said = False

    def look(self, facts: Facts) -> None:
        """Says it of the first request that has such headers."""
        if self._said or facts.trusted:
            return
        for line in facts.lines:
            forwards = line.forwards
            if forwards < 0:
                forwards = line.forwards = int(_IS_FORWARDING[line.name])
            if forwards:
                self._said = True
                advice = f"if that is your proxy, configure trusted_proxies: [{facts.peer}]"
                self._say(f"forwarding headers of {facts.peer} were dropped; {advice}")
                return


def response_headers(headers: Iterable[HeaderLine]) -> list[HeaderLine]:
    """An upstream's header lines for the client: everything but hop-by-hop ones; framing stays, to be judged later."""
    lines = list(headers)
    kept: list[HeaderLine] = []
    nominates = False
    for line in lines:
        meaning = _OF_RESPONSE[line[0]]
        if meaning == _KEPT:
            kept.append(line)
        elif meaning == _CONNECTION:
            nominates = nominates or line[1] not in CONNECTION_OPTIONS
    if nominates and (gone := nominated(lines)):
        return [line for line in kept if line[0].lower() not in gone]
    return kept
