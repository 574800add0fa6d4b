"""Whatever is remembered of lines, nothing but time depends on it: not on what came before, on which connection, from
whom, or under which configuration."""

from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.config.file import Config
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.limits import Limits
from gateway.core.config.routes import RouteSection
from gateway.core.config.upstreams import UpstreamSection
from gateway.core.errors import Refusal
from gateway.core.routing.route import compile_route
from gateway.core.upstream.headers import ForwardingNotice, UpstreamHeaders
from gateway.relay.client.facts import read_facts
from gateway.relay.client.peer import Peer
from gateway.relay.http1.plain_request import LineMemory
from gateway.relay.http1.request_head import RequestHead
from gateway.relay.http1.request_parser import RequestParser
from tests.signer import issuer

PEERS = (Peer("192.0.2.1", trusted=False), Peer("192.0.2.2", trusted=True, scheme="https"), Peer("unix", trusted=True))
ACCESS: tuple[Literal["public", "token"], ...] = ("public", "token")
ROUTES = tuple(compile_route(RouteSection(path="/*", access=access)) for access in ACCESS)
LIMITS = (Limits(), Limits(header_count=4))


def config(**settings: Any) -> Config:
    return Config(issuers=(issuer(),), **settings)


CONFIGS = (
    config(upstream="http://127.0.0.1:3000"),
    config(
        upstreams={"default": UpstreamSection(url="http://127.0.0.1:3000", authorization="keep", headers={"Accept": "x"})},
        identity_headers={"User-Agent": IdentityHeader(claim="sub")},
        via=True,
    ),
    config(upstream="http://127.0.0.1:3000", routes=(RouteSection(path="/*"),)),
)  # fmt: skip
RULES = tuple(UpstreamHeaders.of(one) for one in CONFIGS)

LONG = b"x" * 300
_line = st.one_of(
    st.sampled_from(
        (
            b"Accept: */*",
            b"accept: */*",
            b"ACCEPT: text/html",
            b"User-Agent: curl/8",
            b"User_Agent: curl/8",
            b"Connection: keep-alive",
            b"Connection: close, Accept",
            b"Content-Type: a/b",
            b"Content-Length: 0",
            b"Authorization: Bearer " + LONG,
            b"authorization: Bearer " + LONG,
            b"Authorization: Bearer " + LONG[1:] + b"y",
            b"Authorization: Bearer a, Bearer b",
            b"X-Forwarded-Proto: https",
            b"X_Forwarded-Proto: https",
            b"X-Forwarded-Port: 1",
            b"X-User-Id: root",
            b"X-HTTP-Method-Override: PUT",
            b"Host: other.test",
            b"Expect: 100-continue",
            b"X-Request-Id: id",
            b"DPoP: proof",
            b"TE: trailers",
        )
    ),
    st.sampled_from([b"Authorization: Bearer " + LONG + end for end in (b"", b"a", b"b")]),
    st.tuples(st.sampled_from((b"Accept: ", b"X-A:", b"Host: ", b"Cookie: ")), st.binary(max_size=2)).map(b"".join),
)
_asked = st.tuples(
    st.sampled_from((b"GET / HTTP/1.1", b"OPTIONS / HTTP/1.1", b"GET http://b.test/ HTTP/1.1", b"GET / HTTP/1.0")),
    st.lists(_line, max_size=5),
).map(lambda asked: b"\r\n".join((asked[0], b"Host: a.test", *asked[1], b"", b"")))
#: connection, rules, preflight or not
_step = st.tuples(_asked, st.integers(0, 3), st.integers(0, 2), st.booleans(), st.booleans())


class Client:
    """One connection, and what comes of what is sent on it."""

    def __init__(self, memory: LineMemory, number: int) -> None:
        self.peer = PEERS[number % len(PEERS)]
        self.limits = LIMITS[number % len(LIMITS)]
        self.parser = RequestParser(self.limits, memory)

    def ask(self, raw: bytes, rules: int, *, preflight: bool, cut: bool) -> list[Any]:
        came: list[Any] = []
        for piece in (raw[:7], raw[7:]) if cut else (raw,):
            self.parser.receive(piece)
            while (event := self.parser.next_event()) is not None:
                came += (
                    self.judged(event, rules, preflight=preflight) if isinstance(event, RequestHead) else [repr(event)]
                )
        return came

    def judged(self, head: RequestHead, rules: int, *, preflight: bool) -> list[Any]:
        told: list[str] = []
        try:
            facts = read_facts(
                method=head.method,
                target=head.target,
                version=head.version,
                lines=head.lines,
                peer=self.peer,
                limits=self.limits,
                upgrade=head.upgrades,
            )
        except Refusal as refusal:
            return [repr(refusal), refusal.evidence]
        ForwardingNotice(told.append).look(facts)
        came: list[Any] = [head.closes, head.length, facts.host, facts.authorization, facts.headers, told]
        for route in ROUTES:
            composed = RULES[rules].compose(facts, ((b"X-User-Id", b"alice"),), route=route, preflight=preflight)
            lines = [line for line in composed.headers if line != (b"X-Request-Id", facts.request_id.encode())]
            came += [lines, b"".join(line.wire for line in composed.kept)]
        return came


@given(st.lists(_step, min_size=1, max_size=12), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_nothing_but_time_depends_on_what_is_remembered(steps: list[Any], times: int) -> None:
    memory, off = LineMemory(), LineMemory(is_on=False)
    warm, cold = ([Client(one, number) for number in range(4)] for one in (memory, off))
    for raw, number, rules, preflight, cut in steps * times:
        expected = cold[number].ask(raw, rules, preflight=preflight, cut=cut)
        assert warm[number].ask(raw, rules, preflight=preflight, cut=False) == expected
    assert not off.lines
    assert not any(b"uthorization" in line or b"Cookie" in line for line in memory.lines)
