"""One request, top to bottom, with the world in memory."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest

from gateway.core.config import Config, IdentityHeader
from gateway.core.errors import (
    BadRequest,
    BadSignature,
    BindingUnsupported,
    ClientDisconnected,
    IdentityClaimMissing,
    IdToken,
    InternalError,
    IssuerUnavailable,
    MalformedCredential,
    MissingCredential,
    Refusal,
    Suspect,
    TokenExpired,
    TokenMalformed,
    TokenNotYetValid,
    UnknownIssuer,
    UnknownKey,
    UpstreamProtocolError,
    UpstreamUnreachable,
)
from gateway.core.keys import KeySet, parse_key_set
from gateway.core.model import Credential, Facts, HeaderLine
from gateway.gate import Gate
from gateway.ports import Answer, Body, Ending
from tests.signer import NOW, compact, issuer, public_jwk, sign, some_claims, some_header


def key_set(*names: str, **members: Any) -> KeySet:
    return parse_key_set({"keys": [public_jwk(name, **members) for name in names]}) if names else KeySet()


@dataclass
class MemoryIssuers:
    """What is known now, and what a fetch would find or fail with."""

    known: KeySet = field(default_factory=lambda: key_set("rsa-2048-a", "p-256"))
    published: KeySet | Refusal | None = None
    fetches: list[tuple[str, str, str | None]] = field(default_factory=list)

    def find_keys(self, issuer: str, *, alg: str, kid: str | None) -> Any:
        assert issuer == "local"
        return self.known.find(alg=alg, kid=kid)

    def has_key(self, issuer: str, thumbprint: str) -> bool:
        return issuer == "local" and thumbprint in self.known.thumbprints

    async def fetch_keys(self, issuer: str, *, alg: str, kid: str | None) -> Any:
        self.fetches.append((issuer, alg, kid))
        await asyncio.sleep(0)
        if isinstance(self.published, Refusal):
            raise self.published
        self.known = self.published or self.known
        if not (keys := self.known.find(alg=alg, kid=kid)):
            raise UnknownKey("not published")
        return keys


@dataclass
class Recorder:
    """An Observer that remembers."""

    hits: list[bool] = field(default_factory=list)
    verified: list[tuple[str | None, str | None]] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)

    def token_looked_up(self, *, hit: bool) -> None:
        self.hits.append(hit)

    def token_verified(self, issuer: str | None, refusal: Refusal | None) -> None:
        self.verified.append((issuer, refusal.reason if refusal else None))

    def keys_fetched(self, issuer: str, *, ok: bool, at: float) -> None:
        raise AssertionError

    def keys_suppressed(self, issuer: str) -> None:
        raise AssertionError

    def keys_known(self, issuer: str, *, count: int, stale: bool) -> None:
        raise AssertionError

    def connections_open(self, count: int) -> None:
        raise AssertionError

    def requests_in_flight(self, count: int) -> None:
        raise AssertionError

    def request_ended(self, ending: Ending) -> None:
        self.endings.append(ending)


@dataclass
class MemoryAnswer:
    """An answer of the API, whose body may break off."""

    status: int = 200
    reason: bytes = b"OK"
    headers: tuple[HeaderLine, ...] = ()
    content_length: int | None = None
    body: Sequence[bytes | Exception] = (b"hello ", b"world")
    closed: int = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        for chunk in self.body:
            await asyncio.sleep(0)
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    def close(self) -> None:
        self.closed += 1


@dataclass
class MemoryUpstream:
    """Answers, or fails, and remembers what it was sent; `gate` holds it back until it is set."""

    answer: MemoryAnswer | Exception = field(default_factory=MemoryAnswer)
    gate: asyncio.Event | None = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    sent: list[tuple[HeaderLine, ...]] = field(default_factory=list)

    async def send(self, facts: Facts, headers: tuple[HeaderLine, ...], body: Body | None) -> Answer:
        self.sent.append(headers)
        self.reached.set()
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class MemoryExchange:
    """A client that takes what comes, or is gone."""

    facts: Facts | Exception
    body: Body | None = None
    has_begun: bool = False
    bytes_in: int = 7
    bytes_out: int = 0
    #: what writing an answer fails with
    gone: Exception | None = None
    answered: bytes = b""
    refused: list[Refusal] = field(default_factory=list)
    aborted: int = 0

    def read_facts(self) -> Facts:
        if isinstance(self.facts, Exception):
            raise self.facts
        return self.facts

    async def relay(self, answer: Answer) -> None:
        self.has_begun = True
        async for chunk in answer.chunks():
            if self.gone is not None:
                raise self.gone
            self.answered += chunk
            self.bytes_out += len(chunk)

    async def refuse(self, refusal: Refusal) -> None:
        if self.gone is not None:
            raise self.gone
        self.refused.append(refusal)

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
        self.gate = Gate(
            configured,
            issuers=self.issuers,
            upstream=self.upstream,
            observer=self.recorder,
            clock=lambda: self.now,
        )

    async def refusal(self, token: bytes) -> Refusal:
        """What `identify` refuses a token with."""
        with pytest.raises(Refusal) as caught:
            await self.gate.identify(Credential(token))
        return caught.value

    async def handled(self, exchange: MemoryExchange) -> Ending:
        """How a request ended."""
        await self.gate.handle(exchange)
        return self.recorder.endings[-1]


def facts(token: bytes | None = None, *headers: HeaderLine, **settings: Any) -> Facts:
    authorization = () if token is None else (b"Bearer " + token,)
    defaults: dict[str, Any] = {
        "method": "GET",
        "target": b"/orders",
        "version": (1, 1),
        "headers": (*headers, *((b"Authorization", value) for value in authorization)),
        "authorization": authorization,
        "host": b"api.example.com",
        "content_length": None,
        "chunked": False,
        "scheme": "https",
        "peer": "192.0.2.1",
        "trusted": False,
        "request_id": "r1",
    }
    return Facts(**(defaults | settings))


def exchange(token: bytes | None = None, *headers: HeaderLine, **settings: Any) -> MemoryExchange:
    return MemoryExchange(facts(sign() if token is None else token, *headers), **settings)


@pytest.fixture
def world() -> World:
    return World()


# identify


async def test_a_token_is_verified_once_and_then_remembered(world: World) -> None:
    token = sign()
    first = await world.gate.identify(Credential(token))
    assert (first.issuer, first.subject, first.client) == ("local", "alice", "app")
    assert first.scopes == ("read:orders", "write:orders")
    assert first.token_id == sha256(token).hexdigest()[:12]
    assert first.headers == (
        (b"X-User-Id", b"alice"),
        (b"X-Client-Id", b"app"),
        (b"X-Token-Scopes", b"read:orders write:orders"),
    )
    assert await world.gate.identify(Credential(token)) is first
    assert world.recorder.hits == [False, True]
    assert world.recorder.verified == [("local", None)]
    assert world.issuers.fetches == []


async def test_a_remembered_token_expires_with_its_leeway(world: World) -> None:
    token = sign()
    await world.gate.identify(Credential(token))
    world.now = NOW + 329.999
    await world.gate.identify(Credential(token))
    world.now = NOW + 330
    assert type(await world.refusal(token)) is TokenExpired
    assert world.recorder.hits == [False, True, False]
    world.now = NOW
    await world.gate.identify(Credential(token))
    assert world.recorder.hits[-1] is False


async def test_a_remembered_token_is_not_valid_before_its_time_when_the_clock_goes_back(world: World) -> None:
    token = sign(some_claims(nbf=NOW, iat=NOW - 900))
    await world.gate.identify(Credential(token))
    world.now = NOW - 30
    await world.gate.identify(Credential(token))
    world.now = NOW - 30.5
    assert type(await world.refusal(token)) is TokenNotYetValid
    assert world.recorder.hits == [False, True, False]


async def test_a_remembered_token_ends_when_its_key_is_withdrawn(world: World) -> None:
    token = sign()
    await world.gate.identify(Credential(token))
    world.issuers.known = key_set("rsa-2048-b", kid="rsa-a")
    assert type(await world.refusal(token)) is BadSignature
    world.issuers.known = key_set("p-256")
    assert type(await world.refusal(token)) is UnknownKey
    world.issuers.known = key_set("rsa-2048-a")
    await world.gate.identify(Credential(token))
    assert world.recorder.hits == [False, False, False, False]


async def test_a_refusal_is_not_remembered(world: World) -> None:
    world.issuers.known = KeySet()
    token = sign()
    assert type(await world.refusal(token)) is UnknownKey
    world.issuers.known = key_set("rsa-2048-a")
    await world.gate.identify(Credential(token))
    world.now += 1_000
    for _ in range(2):
        assert type(await world.refusal(token)) is TokenExpired
    assert world.recorder.hits == [False] * 4


async def test_a_known_kid_that_did_not_sign_is_a_bad_signature_and_fetches_nothing(world: World) -> None:
    world.issuers.published = key_set("rsa-2048-b", kid="rsa-a")
    forged = sign(name="rsa-2048-b", header={"kid": "rsa-a"})
    assert type(await world.refusal(forged)) is BadSignature
    assert type(await world.refusal(compact(some_header(), some_claims()))) is BadSignature
    assert world.issuers.fetches == []


async def test_an_unknown_kid_is_fetched(world: World) -> None:
    world.issuers.published = key_set("rsa-2048-b")
    identity = await world.gate.identify(Credential(sign(name="rsa-2048-b")))
    assert identity.subject == "alice"
    assert world.issuers.fetches == [("local", "RS256", "rsa-b")]


async def test_a_fetched_key_that_did_not_sign_is_a_bad_signature(world: World) -> None:
    world.issuers.published = key_set("rsa-2048-b", kid="new")
    assert type(await world.refusal(sign(header={"kid": "new"}))) is BadSignature
    assert len(world.issuers.fetches) == 1


async def test_a_kid_that_nobody_publishes_is_an_unknown_key(world: World) -> None:
    refusal = await world.refusal(sign(header={"kid": "../../etc/passwd"}))
    assert type(refusal) is UnknownKey
    assert world.issuers.fetches == [("local", "RS256", "../../etc/passwd")]


async def test_a_token_without_kid_is_tried_with_the_keys_that_fit(world: World) -> None:
    await world.gate.identify(Credential(sign(header={"kid": ...})))
    await world.gate.identify(Credential(sign(name="p-256", header={"kid": ...})))
    assert world.issuers.fetches == []


async def test_a_token_without_kid_is_tried_again_after_a_fetch(world: World) -> None:
    world.issuers.published = key_set("rsa-2048-a", "rsa-2048-b")
    await world.gate.identify(Credential(sign(name="rsa-2048-b", header={"kid": ...})))
    assert world.issuers.fetches == [("local", "RS256", None)]


async def test_a_token_without_kid_that_no_published_key_signed_is_a_bad_signature(world: World) -> None:
    refusal = await world.refusal(sign(name="rsa-2048-b", header={"kid": ...}))
    assert type(refusal) is BadSignature
    assert len(world.issuers.fetches) == 1
    world.issuers.published = UnknownKey("asked a moment ago")
    assert type(await world.refusal(sign(name="rsa-2048-b", header={"kid": ...}))) is BadSignature


async def test_a_token_without_kid_and_without_keys_is_an_unknown_key(world: World) -> None:
    world.issuers.known = KeySet()
    assert type(await world.refusal(sign(header={"kid": ...}))) is UnknownKey


@pytest.mark.parametrize("kid", ["new", ...])
async def test_while_nobody_can_tell_the_answer_is_503_and_never_401(world: World, kid: Any) -> None:
    world.issuers.published = IssuerUnavailable("asked too often: the key may be new", retry_after=7)
    refusal = await world.refusal(sign(name="rsa-2048-b", header={"kid": kid}))
    assert type(refusal) is IssuerUnavailable
    assert (refusal.status, refusal.retry_after) == (503, 7)
    assert world.recorder.verified == [("local", "issuer_unavailable")]


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (sign(some_claims(iss="https://evil.example"), header={"kid": "new"}), UnknownIssuer),
        (sign(some_claims(exp=NOW - 900), header={"kid": "new"}), TokenExpired),
        (sign(some_claims(at_hash="abc"), header={"kid": "new"}), IdToken),
        (sign(some_claims(cnf={"kid": "1"}), header={"kid": "new"}), BindingUnsupported),
        (b"opaque", TokenMalformed),
    ],
)
async def test_nothing_is_fetched_for_a_token_that_is_refused_anyway(
    world: World, token: bytes, reason: type[Refusal]
) -> None:
    assert type(await world.refusal(token)) is reason
    assert world.issuers.fetches == []


@pytest.mark.parametrize(
    ("token", "suspect"),
    [
        (b"opaque", Suspect(sha256(b"opaque").hexdigest()[:12])),
        (compact(some_header(kid="a\nb"), some_claims(iss=["x"])), Suspect("", "a\\nb", None)),
        (compact(some_header(kid=...), some_claims(iss="https://evil.example")), Suspect("", None, None)),
        (compact(some_header(kid="k"), some_claims(exp=0)), Suspect("", "k", "local")),
    ],
)
async def test_a_refusal_names_its_token_by_hash_kid_and_configured_issuer(
    world: World, token: bytes, suspect: Suspect
) -> None:
    refusal = await world.refusal(token)
    assert refusal.suspect == Suspect(sha256(token).hexdigest()[:12], suspect.kid, suspect.issuer)
    assert world.recorder.verified == [(suspect.issuer, refusal.reason)]


async def test_a_token_without_a_required_claim_is_refused_after_its_signature() -> None:
    world = World(identity_headers={"X-Email": IdentityHeader(claim="email", required=True)})
    assert type(await world.refusal(sign(name="rsa-2048-b", header={"kid": "rsa-a"}))) is BadSignature
    refusal = await world.refusal(sign())
    assert type(refusal) is IdentityClaimMissing
    assert world.recorder.verified[-1] == ("local", "identity_claim_missing")
    identity = await world.gate.identify(Credential(sign(some_claims(email="a@example.com"))))
    assert identity.headers == ((b"X-Email", b"a@example.com"),)


# admit


async def test_an_admission_has_the_identity_and_the_lines_for_the_upstream(world: World) -> None:
    admission = await world.gate.admit(facts(sign(), (b"Accept", b"*/*"), (b"x_user_id", b"root")))
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
        await world.gate.admit(facts(authorization=authorization))
    assert world.recorder.hits == []


async def test_dropped_forwarding_headers_are_logged_once_with_what_would_believe_them(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "gateway"):
        await world.gate.admit(facts(sign()))
        await world.gate.admit(facts(sign(), (b"X-Forwarded-For", b"10.0.0.1"), trusted=True))
        assert caplog.records == []
        for _ in range(3):
            await world.gate.admit(facts(sign(), (b"X-Forwarded-For", b"10.0.0.1")))
    assert [record.getMessage() for record in caplog.records] == [
        "forwarding headers of 192.0.2.1 were dropped; to believe them, configure trusted_proxies: [192.0.2.1]"
    ]


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
    assert not any(name == b"Authorization" for name, _ in world.upstream.sent[0])
    assert isinstance(world.upstream.answer, MemoryAnswer)
    assert world.upstream.answer.closed == 1
    assert (client.refused, client.aborted) == ([], 0)
    assert len(world.recorder.endings) == 1


async def test_a_refusal_is_answered_and_nothing_goes_upstream(world: World) -> None:
    client = exchange(sign(some_claims(exp=0)))
    ending = await world.handled(client)
    assert [type(refusal) for refusal in client.refused] == [TokenExpired]
    assert ending.refusal is client.refused[0]
    assert (ending.status, ending.identity, ending.upstream_duration) == (401, None, None)
    assert world.upstream.sent == []


async def test_a_request_that_cannot_be_read_is_answered_too(world: World) -> None:
    client = MemoryExchange(BadRequest("two Host headers"))
    ending = await world.handled(client)
    assert (ending.facts, ending.status, ending.refusal) == (None, 400, client.refused[0])


async def test_an_upstream_that_cannot_be_reached_is_answered(world: World) -> None:
    world.upstream.answer = UpstreamUnreachable("connection refused")
    client = exchange()
    ending = await world.handled(client)
    assert (ending.status, ending.refusal, ending.upstream_duration) == (502, world.upstream.answer, None)
    assert client.refused == [world.upstream.answer]
    assert ending.identity is not None


async def test_an_upstream_that_fails_after_the_answer_began_cuts_the_connection(world: World) -> None:
    failure = UpstreamProtocolError("the length lied")
    answer = world.upstream.answer = MemoryAnswer(body=(b"hel", failure))
    client = exchange()
    ending = await world.handled(client)
    assert (client.answered, client.aborted, client.refused) == (b"hel", 1, [])
    assert (ending.status, ending.refusal, ending.bytes_out) == (200, failure, 3)
    assert answer.closed == 1


@pytest.mark.parametrize("failing", ["facts", "upstream"])
async def test_a_bug_is_an_internal_error_and_is_logged_once_with_its_traceback(
    world: World, caplog: pytest.LogCaptureFixture, failing: str
) -> None:
    client = exchange()
    if failing == "facts":
        client.facts = ZeroDivisionError("a bug")
    else:
        world.upstream.answer = ZeroDivisionError("a bug")
    ending = await world.handled(client)
    assert [type(refusal) for refusal in client.refused] == [InternalError]
    assert (ending.status, ending.refusal) == (500, client.refused[0])
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def test_a_bug_after_the_answer_began_cuts_the_connection(world: World, caplog: pytest.LogCaptureFixture) -> None:
    answer = world.upstream.answer = MemoryAnswer(body=(b"hel", ZeroDivisionError("a bug")))
    client = exchange()
    ending = await world.handled(client)
    assert (client.aborted, client.refused, answer.closed) == (1, [], 1)
    assert isinstance(ending.refusal, InternalError)
    assert len(caplog.records) == 1


async def test_a_client_that_goes_away_ends_the_request_without_an_answer(world: World) -> None:
    client = exchange(gone=ClientDisconnected("reset by peer"))
    ending = await world.handled(client)
    assert isinstance(ending.refusal, ClientDisconnected)
    assert (ending.status, client.refused, client.aborted) == (499, [], 0)
    assert isinstance(world.upstream.answer, MemoryAnswer)
    assert world.upstream.answer.closed == 1


async def test_a_client_that_goes_away_while_its_body_is_sent_on_is_no_failure_of_the_upstream(world: World) -> None:
    world.upstream.answer = ClientDisconnected("while its body was read")
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
        world.upstream.answer = ZeroDivisionError("a bug")
        ending = await world.handled(exchange(token, (b"Forwarded", b"for=10.0.0.1")))
        await world.handled(exchange(token[:-5]))
    signature = token.rsplit(b".", 1)[1].decode()
    assert signature[:20] not in caplog.text
    assert signature[:20] not in repr(ending)
