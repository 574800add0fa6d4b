"""One request, top to bottom, with the world in memory."""

import asyncio
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from gateway.compose import conditions_of
from gateway.core.config.cors import Cors
from gateway.core.config.file import Config
from gateway.core.config.limits import Limits
from gateway.core.config.rates import Rate
from gateway.core.config.revocation import Revocation
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds, Size
from gateway.core.errors import (
    AmbiguousPath,
    BadRequest,
    BodyTooLarge,
    ClientDisconnected,
    Draining,
    IdToken,
    InsufficientScope,
    InternalError,
    IssuerUnavailable,
    MalformedCredential,
    MethodNotAllowed,
    MissingCredential,
    MultipleCredentials,
    NoRoute,
    ProofRequired,
    RateLimited,
    Refusal,
    TokenExpired,
    TokenMalformed,
    TokenRevoked,
    TokenTooLarge,
    UnknownIssuer,
    UpstreamProtocolError,
    UpstreamUnreachable,
)
from gateway.core.http.facts import Facts, HeaderLine
from gateway.core.revocation.entry import Entry
from gateway.core.routing.admission import Admission
from gateway.core.token.identity import Identity
from gateway.core.trail import Step
from gateway.gate import Gate
from gateway.messages import Body, Opened, OwnResponse, Response, Stream
from gateway.observe.observers import Unheard
from gateway.ports import Ending, Exchange, Rest
from gateway.store.rates import RateLimits
from gateway.store.revocations import Revocations
from tests.memory import MemoryIssuers, Recorder, facts
from tests.signer import ISSUER, NOW, issuer, sign, some_claims


@dataclass
class MemoryResponse:
    """A response of the API, whose body may break off."""

    status: int = 200
    reason: bytes = b"OK"
    headers: tuple[HeaderLine, ...] = ()
    raw: bytes | None = None
    content_length: int | None = None
    whole: bytes | None = None
    is_endless: bool = False
    stream: Stream | None = None
    body: Sequence[bytes | Exception] = (b"hello ", b"world")
    closed: int = 0

    def __post_init__(self) -> None:
        self._reading: dict[object, Iterator[bytes | Exception]] = {}

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        # One response stands for those to many requests: each reads from the start.
        chunk = next(self._reading.setdefault(asyncio.current_task(), iter(self.body)), b"")
        if isinstance(chunk, Exception):
            raise chunk
        return chunk

    def close(self) -> None:
        self.closed += 1


@dataclass
class MemoryUpstream:
    """Responses, or fails, and remembers what it was sent; `gate` holds it back until it is set."""

    response: MemoryResponse | Exception = field(default_factory=MemoryResponse)
    gate: asyncio.Event | None = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    sent: list[Admission] = field(default_factory=list)

    async def send(self, facts: Facts, admission: Admission, client: Exchange) -> Response:
        self.sent.append(admission)
        self.reached.set()
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.response, Exception):
            raise self.response
        return self.response


@dataclass
class MemoryExchange:
    """A client that takes what comes, or is gone."""

    facts: Facts | Exception
    body: Body | None = None
    has_begun: bool = False
    began_at: float = 0.0
    cut_by: Refusal | None = None
    bytes_in: int = 7
    bytes_out: int = 0
    #: what writing a response fails with
    gone: Exception | None = None
    answered: bytes = b""
    refused: list[Refusal] = field(default_factory=list)
    aborted: int = 0
    seconds_left: float | None = None
    identity: Identity | None = None
    lines: tuple[HeaderLine, ...] = ()
    rest: Rest | None = None

    def read_facts(self) -> Facts:
        if isinstance(self.facts, Exception):
            raise self.facts
        return self.facts

    def inform(self, status: int, reason: bytes, headers: Sequence[HeaderLine]) -> None:
        raise AssertionError

    async def relay(
        self,
        response: Response,
        *,
        lines: tuple[HeaderLine, ...] = (),
        by: Opened | None = None,
    ) -> None:
        self.has_begun = True
        self.began_at = time.perf_counter()
        self.seconds_left = None if by is None else by.seconds_left
        self.identity = None if by is None else by.identity
        self.lines = lines
        while chunk := await response.read():
            if self.gone is not None:
                raise self.gone
            self.answered += chunk
            self.bytes_out += len(chunk)

    def go_on(self, rest: Rest) -> None:
        self.rest = rest

    async def respond(self, response: OwnResponse, *, lines: tuple[HeaderLine, ...] = ()) -> None:
        self.has_begun = True
        self.began_at = time.perf_counter()
        self.lines = lines
        self.answered += response.body

    async def refuse(self, refusal: Refusal, *, lines: tuple[HeaderLine, ...] = ()) -> None:
        if self.gone is not None:
            raise self.gone
        self.refused.append(refusal)
        self.began_at = time.perf_counter()
        self.lines = lines

    def abort(self) -> None:
        self.aborted += 1


class World:
    """A gate, everything around it, and a clock."""

    def __init__(self, *, issuer_settings: dict[str, Any] | None = None, **settings: Any) -> None:
        self.now = NOW
        self.issuers = MemoryIssuers()
        self.upstream = MemoryUpstream()
        self.recorder = Recorder()
        configured = Config(upstream="http://127.0.0.1:3000", issuers=(issuer(**(issuer_settings or {})),), **settings)
        self.revocations = Revocations(observer=Unheard(), clock=lambda: self.now)
        self.gate = Gate(
            configured,
            revocations=None if configured.revocation is None else self.revocations,
            issuers=self.issuers,
            upstream=self.upstream,
            observer=self.recorder,
            conditions=conditions_of(configured),
            clock=lambda: self.now,
        )

    async def handled(self, exchange: MemoryExchange) -> Ending:
        """How a request ended."""
        await self.gate.handle(exchange)
        return self.recorder.endings[-1]


def exchange(token: bytes | None = None, *headers: HeaderLine, **settings: Any) -> MemoryExchange:
    return MemoryExchange(facts(sign() if token is None else token, *headers), **settings)


@pytest.fixture
def world() -> World:
    return World()


# admit


async def test_an_admission_has_the_identity_and_the_lines_for_the_upstream(world: World) -> None:
    request = facts(sign(), (b"Accept", b"*/*"), (b"x_user_id", b"root"))
    ending = Ending()
    admission = await world.gate.admit(request, ending)
    assert admission.identity is not None
    assert (admission.identity, admission.route) == (ending.identity, ending.route)
    assert (admission.route.name, admission.target) == ("default", b"/orders")
    assert admission.headers == (
        (b"Host", b"api.example.com"),
        (b"Accept", b"*/*"),
        (b"X-Forwarded-For", b"192.0.2.1"),
        (b"X-Forwarded-Proto", b"https"),
        (b"X-Forwarded-Host", b"api.example.com"),
        (b"X-Request-Id", b"r1"),
        *admission.identity.headers,
    )


@pytest.mark.parametrize(
    ("authorization", "refusal"),
    [((), MissingCredential), ((b"Basic abc",), MissingCredential), ((b"Bearer",), MalformedCredential)],
)
async def test_without_a_credential_no_token_is_looked_up(
    world: World, authorization: tuple[bytes, ...], refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        await world.gate.admit(facts(authorization=authorization), Ending())
    assert world.recorder.hits == []


async def test_a_token_that_was_revoked_is_refused_also_where_it_is_remembered() -> None:
    world = World(revocation=Revocation())
    ending = Ending()
    admission = await world.gate.admit(facts(sign()), ending)
    assert admission.identity is not None
    assert Step.REVOCATION not in ending.steps
    everybody = Entry("issuer", ISSUER, "", until=NOW + 100, before=NOW)
    await world.revocations.add(everybody, source="command")
    ending = Ending()
    with pytest.raises(TokenRevoked, match="its issuer was revoked"):
        await world.gate.admit(facts(sign()), ending)
    assert (ending.steps[-2:], ending.identity) == ([Step.REMEMBERED, Step.REVOCATION], None)
    assert (await world.gate.admit(facts(sign(some_claims(iat=NOW + 1))), Ending())).identity is not None
    await world.revocations.lift(everybody)
    assert (await world.gate.admit(facts(sign()), Ending())).identity is admission.identity


async def test_a_route_that_only_reports_says_whom_it_would_refuse() -> None:
    world = World(revocation=Revocation(), routes=(RouteSection(path="/*", mode="report"),))
    await world.revocations.add(Entry("subject", ISSUER, "alice", until=NOW + 100), source="command")
    ending = Ending()
    admission = await world.gate.admit(facts(sign()), ending)
    assert (type(ending.reported), ending.reported_at, admission.identity) == (TokenRevoked, Step.REVOCATION, None)


async def test_dropped_forwarding_headers_are_logged_once_with_what_would_believe_them(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "gateway"):
        await world.gate.admit(facts(sign()), Ending())
        await world.gate.admit(facts(sign(), (b"X-Forwarded-For", b"10.0.0.1"), trusted=True), Ending())
        assert caplog.records == []
        for _ in range(3):
            await world.gate.admit(facts(sign(), (b"X-Forwarded-For", b"10.0.0.1")), Ending())
    assert [record.getMessage() for record in caplog.records] == [
        "forwarding headers of 192.0.2.1 were dropped; if that is your proxy, configure trusted_proxies: [192.0.2.1]"
    ]


async def test_on_a_public_route_no_token_is_looked_at() -> None:
    world = World(routes=(RouteSection(path="/orders", access="public"),))
    for request in (facts(), facts(sign()), facts(b"opaque"), facts(sign(some_claims(exp=0)))):
        ending = Ending()
        admission = await world.gate.admit(request, ending)
        assert (admission.identity, ending.identity, ending.reported) == (None, None, None)
        assert not any(name in (b"Authorization", b"X-User-Id") for name, _ in admission.headers)
    assert world.recorder.hits == []


OPTIONAL = RouteSection(path="/orders", access="optional", scopes=("read:orders",))


async def test_where_a_token_is_optional_a_request_without_any_credential_passes_as_nobody() -> None:
    world = World(routes=(OPTIONAL,))
    forged = ((b"X-User-Id", b"root"), (b"x_user_id", b"root"), (b"Cookie", b"token=abc"))
    ending = Ending()
    admission = await world.gate.admit(facts(None, *forged), ending)
    assert (admission.identity, ending.identity, ending.reported) == (None, None, None)
    assert ending.steps == [Step.REQUEST, Step.ROUTE]
    assert [name for name, value in admission.headers if value == b"root"] == []
    assert world.recorder.hits == []


@pytest.mark.parametrize("mode", ["enforce", "report"])
@pytest.mark.parametrize(
    ("shown", "refusal"),
    [
        ((b"Bearer opaque",), TokenMalformed),
        ((b"Bearer",), MalformedCredential),
        ((b"Basic YWxpY2U6c2VjcmV0",), MissingCredential),
        ((b"",), MissingCredential),
        ((b"Bearer a", b"Bearer a"), MultipleCredentials),
        ({"exp": 0}, TokenExpired),
        ({"iss": "https://stranger.example"}, UnknownIssuer),
        ({"scope": "other"}, InsufficientScope),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
async def test_where_a_token_is_optional_one_that_is_shown_is_judged_as_anywhere(
    mode: Any, shown: tuple[bytes, ...] | dict[str, Any], refusal: type[Refusal]
) -> None:
    route = RouteSection(path="/orders", access="optional", scopes=("read:orders",), mode=mode)
    lines = (b"Bearer " + sign(some_claims(**shown)),) if isinstance(shown, dict) else shown
    request = facts(None, *((b"Authorization", line) for line in lines), authorization=lines)
    ending = Ending()
    world = World(routes=(route,))
    if mode == "enforce":
        with pytest.raises(refusal):
            await world.gate.admit(request, ending)
        return
    admission = await world.gate.admit(request, ending)
    assert type(ending.reported) is refusal
    assert (admission.identity is not None) is (refusal is InsufficientScope)
    assert not any(name == b"Authorization" for name, _ in admission.headers)


async def test_where_a_token_is_optional_a_good_one_says_who_is_calling() -> None:
    world = World(routes=(OPTIONAL,))
    for _ in range(2):
        ending = Ending()
        admission = await world.gate.admit(facts(sign()), ending)
        assert ending.identity is not None
        assert (b"X-User-Id", b"alice") in admission.headers
        assert not any(name == b"Authorization" for name, _ in admission.headers)
    assert Step.REMEMBERED in ending.steps


async def test_a_path_that_no_route_may_have_is_refused_before_the_token_is_looked_at() -> None:
    world = World(routes=(RouteSection(path="/orders", methods=("GET",)),), unmatched="refuse")
    for request, refusal in (
        (facts(sign(), target=b"/x//y"), AmbiguousPath),
        (facts(sign(), target=b"/x"), NoRoute),
        (facts(sign(), method="POST"), MethodNotAllowed),
    ):
        ending = Ending()
        with pytest.raises(refusal):
            await world.gate.admit(request, ending)
        assert ending.route is None
    assert world.recorder.hits == []


@pytest.mark.parametrize(
    ("token", "reason", "user"),
    [
        (None, "missing_credential", None),
        (sign(some_claims(exp=0)), "token_expired", None),
        (sign(some_claims(scope="other")), "insufficient_scope", b"alice"),
        (sign(), None, b"alice"),
    ],
)
async def test_a_route_that_only_reports_lets_pass_and_says_what_it_would_have_said(
    token: bytes | None, reason: str | None, user: bytes | None
) -> None:
    world = World(routes=(RouteSection(path="/orders", scopes=("write:orders",), mode="report"),))
    client = MemoryExchange(facts(token, (b"X-User-Id", b"root")))
    ending = await world.handled(client)
    assert (client.answered, ending.status, ending.refusal) == (b"hello world", 200, None)
    assert (ending.reported.reason if ending.reported else None) == reason
    (admission,) = world.upstream.sent
    assert dict(admission.headers).get(b"X-User-Id") == user


async def test_a_limit_is_no_matter_of_reporting() -> None:
    world = World(routes=(RouteSection(path="/orders", mode="report"),))
    with pytest.raises(TokenTooLarge):
        await world.gate.admit(facts(b"a" * 20_000), Ending())


async def test_a_dependency_that_fails_on_a_route_that_only_reports_is_reported() -> None:
    world = World(routes=(RouteSection(path="/orders", mode="report"),))
    world.issuers.published = IssuerUnavailable("nobody responds")
    ending = Ending()
    admission = await world.gate.admit(facts(sign(header={"kid": "new"})), ending)
    assert isinstance(ending.reported, IssuerUnavailable)
    assert admission.identity is None


async def test_policy_is_judged_anew_for_a_token_that_is_remembered() -> None:
    world = World(routes=(RouteSection(path="/orders", scopes=("delete:orders",)), RouteSection(path="/*")))
    token = sign()
    await world.gate.admit(facts(token, target=b"/other"), Ending())
    with pytest.raises(InsufficientScope):
        await world.gate.admit(facts(token), Ending())
    assert world.recorder.hits == [False, True]


# The account of the steps


@pytest.mark.parametrize("mode", ["enforce", "report"])
async def test_a_bound_token_is_refused_each_time_and_is_nobodys(mode: Literal["enforce", "report"]) -> None:
    world = World(routes=(RouteSection(path="/orders", mode=mode),))
    token = sign(some_claims(cnf={"jkt": "thumbprint"}))
    for entered in (Step.HEADERS, Step.REMEMBERED):
        ending = await world.handled(MemoryExchange(facts(token)))
        refusal = ending.refusal if mode == "enforce" else ending.reported
        assert isinstance(refusal, ProofRequired)
        assert (ending.step if mode == "enforce" else ending.reported_at) is Step.BINDING
        assert ending.steps[ending.steps.index(Step.BINDING) - 1] is entered
        assert ending.identity is None
        assert refusal.suspect is not None
        assert refusal.suspect.issuer == "local"
        assert ending.status == (401 if mode == "enforce" else 200)
    assert world.recorder.verified == [("local", None)]
    assert not any(name == b"X-User-Id" for sent in world.upstream.sent for name, _ in sent.headers)


async def test_a_token_of_another_kind_is_not_asked_what_it_is_bound_to(world: World) -> None:
    ending = await world.handled(exchange(sign(some_claims(cnf={"jkt": "thumbprint"}, at_hash="x"))))
    assert (type(ending.refusal), ending.step) == (IdToken, Step.CLASS)


async def test_a_request_stands_where_it_was_refused() -> None:
    world = World(limits=Limits(body_bytes=Size(10)))
    too_long = await world.handled(MemoryExchange(facts(sign(), content_length=11)))
    assert (type(too_long.refusal), too_long.step) == (BodyTooLarge, Step.BODY)
    unread = await world.handled(MemoryExchange(BadRequest("two Host headers")))
    assert unread.step is Step.REQUEST
    world.upstream.response = UpstreamUnreachable("connection refused")
    failed = await world.handled(exchange())
    assert failed.step is Step.UPSTREAM


async def test_what_is_seen_of_a_request_is_never_its_credential(world: World) -> None:
    token = sign(some_claims(email="alice@example.com"))
    ending = await world.handled(exchange(token))
    assert ending.values(Step.CREDENTIAL) == {"scheme": "Bearer", "place": "Authorization"}
    seen = repr([ending.values(step) for step in Step])
    assert not any(piece.decode() in seen for piece in token.split(b"."))
    assert "alice@example.com" not in seen


# handle


async def test_a_request_is_relayed_to_its_end(world: World) -> None:
    client = exchange(None, (b"Accept", b"*/*"))
    ending = await world.handled(client)
    assert client.answered == b"hello world"
    assert (ending.status, ending.refusal, ending.facts) == (200, None, client.facts)
    assert ending.identity is not None
    assert ending.identity.subject == "alice"
    assert (ending.bytes_in, ending.bytes_out) == (7, 11)
    assert ending.upstream_duration is not None
    assert 0 <= ending.upstream_duration <= ending.duration
    assert not any(name == b"Authorization" for name, _ in world.upstream.sent[0].headers)
    assert isinstance(world.upstream.response, MemoryResponse)
    assert world.upstream.response.closed == 1
    assert (client.refused, client.aborted) == ([], 0)
    assert len(world.recorder.endings) == 1


async def test_a_refusal_is_answered_and_nothing_goes_upstream(world: World) -> None:
    client = exchange(sign(some_claims(exp=0)))
    ending = await world.handled(client)
    assert [type(refusal) for refusal in client.refused] == [TokenExpired]
    assert ending.refusal is client.refused[0]
    assert (ending.status, ending.identity, ending.upstream_duration) == (401, None, None)
    assert world.upstream.sent == []


@pytest.mark.parametrize("fails", [False, True])
async def test_what_the_gateway_itself_takes_is_without_waiting_for_the_upstream(world: World, *, fails: bool) -> None:
    if fails:
        world.upstream.response = UpstreamUnreachable("after a while")
    world.upstream.gate = asyncio.Event()
    handling = asyncio.create_task(world.handled(exchange()))
    await world.upstream.reached.wait()
    await asyncio.sleep(0.3)
    world.upstream.gate.set()
    ending = await handling
    assert ending.own_duration is not None
    assert 0 < ending.own_duration < 0.25
    assert 0.29 < ending.waited <= ending.duration - ending.own_duration
    assert ending.upstream_duration == (None if fails else ending.waited)


async def test_who_got_no_response_was_not_kept_waiting_by_the_gateway(world: World) -> None:
    client = exchange(gone=ClientDisconnected("reset by peer"))
    client.facts = BadRequest("two Host headers")
    assert (await world.handled(client)).own_duration is None


async def test_a_request_that_cannot_be_read_is_answered_too(world: World) -> None:
    client = MemoryExchange(BadRequest("two Host headers"))
    ending = await world.handled(client)
    assert (ending.facts, ending.status, ending.refusal) == (None, 400, client.refused[0])


async def test_an_upstream_that_cannot_be_reached_is_answered(world: World) -> None:
    world.upstream.response = UpstreamUnreachable("connection refused")
    client = exchange()
    ending = await world.handled(client)
    assert (ending.status, ending.refusal, ending.upstream_duration) == (502, world.upstream.response, None)
    assert client.refused == [world.upstream.response]
    assert ending.identity is not None


async def test_an_upstream_that_fails_after_the_response_began_cuts_the_connection(world: World) -> None:
    failure = UpstreamProtocolError("the length lied")
    response = world.upstream.response = MemoryResponse(body=(b"hel", failure))
    client = exchange()
    ending = await world.handled(client)
    assert (client.answered, client.aborted, client.refused) == (b"hel", 1, [])
    assert (ending.status, ending.refusal, ending.bytes_out) == (200, failure, 3)
    assert response.closed == 1


@pytest.mark.parametrize("failing", ["facts", "upstream"])
async def test_a_bug_is_an_internal_error_and_is_logged_once_with_its_traceback(
    world: World, caplog: pytest.LogCaptureFixture, failing: str
) -> None:
    client = exchange()
    if failing == "facts":
        client.facts = ZeroDivisionError("a bug")
    else:
        world.upstream.response = ZeroDivisionError("a bug")
    ending = await world.handled(client)
    assert [type(refusal) for refusal in client.refused] == [InternalError]
    assert (ending.status, ending.refusal) == (500, client.refused[0])
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def test_a_bug_after_the_response_began_cuts_the_connection(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    response = world.upstream.response = MemoryResponse(body=(b"hel", ZeroDivisionError("a bug")))
    client = exchange()
    ending = await world.handled(client)
    assert (client.aborted, client.refused, response.closed) == (1, [], 1)
    assert isinstance(ending.refusal, InternalError)
    assert len(caplog.records) == 1


async def test_a_client_that_goes_away_ends_the_request_without_a_response(world: World) -> None:
    client = exchange(gone=ClientDisconnected("reset by peer"))
    ending = await world.handled(client)
    assert isinstance(ending.refusal, ClientDisconnected)
    assert (ending.status, client.refused, client.aborted) == (499, [], 0)
    assert isinstance(world.upstream.response, MemoryResponse)
    assert world.upstream.response.closed == 1


async def test_a_client_that_goes_away_while_its_body_is_sent_on_is_no_failure_of_the_upstream(world: World) -> None:
    world.upstream.response = ClientDisconnected("while its body was read")
    ending = await world.handled(exchange())
    assert isinstance(ending.refusal, ClientDisconnected)
    assert ending.status == 499


@pytest.mark.parametrize("bug", [False, True])
async def test_a_client_that_does_not_wait_for_its_refusal_has_gone_away(
    world: World, caplog: pytest.LogCaptureFixture, *, bug: bool
) -> None:
    client = exchange(gone=ClientDisconnected("reset by peer"))
    client.facts = ZeroDivisionError("a bug") if bug else BadRequest("two Host headers")
    ending = await world.handled(client)
    assert isinstance(ending.refusal, ClientDisconnected)
    assert (ending.status, client.refused) == (499, [])
    assert len(caplog.records) == bug


async def test_a_cancelled_request_is_recorded_and_the_cancellation_passes_through(world: World) -> None:
    world.upstream.gate = asyncio.Event()
    client = exchange()
    task = asyncio.create_task(world.gate.handle(client))
    await world.upstream.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (ending,) = world.recorder.endings
    assert isinstance(ending.refusal, ClientDisconnected)
    assert (ending.status, client.refused, client.aborted) == (499, [], 0)
    assert ending.identity is not None


async def test_many_requests_at_once_share_what_was_verified(world: World) -> None:
    token = sign()
    clients = [exchange(token) for _ in range(20)]
    await asyncio.gather(*(world.gate.handle(client) for client in clients))
    assert all(client.answered == b"hello world" for client in clients)
    assert world.recorder.hits.count(False) == 1


async def test_no_log_line_and_no_ending_shows_the_token(world: World, caplog: pytest.LogCaptureFixture) -> None:
    token = sign()
    with caplog.at_level(logging.DEBUG):
        world.upstream.response = ZeroDivisionError("a bug")
        ending = await world.handled(exchange(token, (b"Forwarded", b"for=10.0.0.1")))
        await world.handled(exchange(token[:-5]))
    signature = token.rsplit(b".", 1)[1].decode()
    assert signature[:20] not in caplog.text
    assert signature[:20] not in repr(ending)


async def test_a_request_that_the_gateway_cuts_to_stop_is_not_the_clients_fault(world: World) -> None:
    ending = await world.handled(exchange(gone=ClientDisconnected(), cut_by=Draining()))
    assert ending.refusal is not None
    assert (ending.refusal.reason, ending.status) == ("draining", 503)


async def test_a_refusal_that_waits_to_be_written_is_no_exception_of_anybody_else(world: World) -> None:
    # Compiled coroutines share the exception that they handle with all that run meanwhile.
    refusing = asyncio.Event()

    class Slow(MemoryExchange):
        async def refuse(self, refusal: Refusal, *, lines: tuple[HeaderLine, ...] = ()) -> None:
            await refusing.wait()
            await super().refuse(refusal, lines=lines)

    slow = Slow(facts(b"no token"))
    task = asyncio.create_task(world.gate.handle(slow))
    await asyncio.sleep(0)
    assert sys.exc_info() == (None, None, None)
    refusing.set()
    await task
    assert [refusal.reason for refusal in slow.refused] == ["malformed_credential"]


# Lines of the response


PAGE = (b"Origin", b"https://app.example.com")
CORS = Cors(origins=("https://app.example.com",))


@pytest.mark.parametrize(
    ("request_", "allowed"),
    [
        (facts(sign(), PAGE), True),
        (facts(b"opaque", PAGE), True),
        (facts(sign(), PAGE, target=b"/nowhere"), True),
        (facts(sign(), PAGE, target=b"/closed"), False),
        (facts(b"opaque", PAGE, target=b"/closed"), False),
    ],
)
async def test_what_a_step_adds_to_the_response_is_written_whoever_makes_it(request_: Facts, *, allowed: bool) -> None:
    routes = (RouteSection(path="/orders"), RouteSection(path="/closed", cors=None))
    world = World(cors=CORS, routes=routes, unmatched="refuse")
    client = MemoryExchange(request_)
    ending = await world.handled(client)
    assert client.lines == ending.response_lines
    assert ((b"Access-Control-Allow-Origin", PAGE[1]) in client.lines) is allowed
    assert bool(client.lines) is allowed


async def test_a_request_that_cannot_be_read_has_no_lines_of_ours() -> None:
    client = MemoryExchange(BadRequest("two Host headers"))
    await World(cors=CORS).handled(client)
    assert client.lines == ()


@pytest.mark.parametrize("mode", ["enforce", "report"])
async def test_a_preflight_that_reaches_the_api_is_counted_as_far_as_that_needs_no_token(mode: Any) -> None:
    rates = tuple(Rate(name=per, per=per, limit=2, window=Seconds(60)) for per in ("subject", "route"))
    world = World(cors="upstream", routes=(RouteSection(path="/*", mode=mode, rates=rates),))
    world.gate._rates = RateLimits(Config(upstream="http://127.0.0.1:3000", issuers=(issuer(),)), shared=None)
    preflight = facts(None, PAGE, (b"Access-Control-Request-Method", b"PUT"), method="OPTIONS")
    endings = [await world.handled(MemoryExchange(preflight)) for _ in range(3)]
    refusals = [ending.reported if mode == "report" else ending.refusal for ending in endings]
    assert [type(refusal) for refusal in refusals] == [type(None), type(None), RateLimited]
    assert len(world.upstream.sent) == (3 if mode == "report" else 2)
    # One that the gateway responds to costs the API nothing.
    world = World(cors=CORS, routes=(RouteSection(path="/*", rates=rates),))
    world.gate._rates = RateLimits(Config(upstream="http://127.0.0.1:3000", issuers=(issuer(),)), shared=None)
    assert [(await world.handled(MemoryExchange(preflight))).status for _ in range(3)] == [204] * 3


async def test_a_preflight_gets_its_lines_and_reaches_no_upstream() -> None:
    world = World(cors=CORS)
    client = MemoryExchange(facts(None, PAGE, (b"Access-Control-Request-Method", b"PUT"), method="OPTIONS"))
    ending = await world.handled(client)
    assert (ending.status, ending.step, world.upstream.sent) == (204, Step.ROUTE, [])
    assert (b"Access-Control-Allow-Methods", b"PUT") in client.lines
