"""Tokens that their issuer is asked about, at the gate: remembered, renewed, refused; in memory, with a clock that tests move."""

import asyncio
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

import pytest

from gateway.core.config.file import Config
from gateway.core.config.introspection import Introspection
from gateway.core.config.rates import BadTokensSection
from gateway.core.config.revocation import Revocation
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from gateway.core.errors import (
    IntrospectionUnavailable,
    MissingAudience,
    MissingClaim,
    ProofRequired,
    RateLimited,
    Refusal,
    TokenEncrypted,
    TokenInactive,
    TokenMalformed,
    WrongAudience,
)
from gateway.core.token.handles import fixed_part, index_value
from gateway.core.token.identity import Identity
from gateway.core.token.introspected import IntrospectionResponse, end_of
from gateway.core.token.verified import VerifiedTokens
from gateway.core.trail import Step
from gateway.gate import Gate
from gateway.ports import Ending
from gateway.store.rates import RateLimits
from gateway.verifier import RENEWAL_PAUSE
from tests.gate.test_gate import MemoryExchange, MemoryUpstream
from tests.memory import MemoryIssuers, Nowhere, Recorder, facts
from tests.signer import AUDIENCE, ISSUER, NOW, issuer, sign, some_claims

OTHER = "https://other.example"


class Provider:
    """The Introspections port: what issuers say of each token, by name."""

    def __init__(self, world: "World") -> None:
        self.world = world
        #: token to its members; an exception is raised; what is not here is not active
        self.says: dict[str, dict[bytes, Mapping[str, Any] | Refusal]] = {"local": {}, "other": {}}
        self.cache = 60.0
        #: (issuer, token, sender, after)
        self.asked: list[tuple[str, bytes, str | None, float | None]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def introspect(
        self,
        issuer: str,
        token: bytes,
        digest: bytes,
        *,
        sender: str | None = None,
        after: float | None = None,
        check_again: Callable[[], None] | None = None,
    ) -> IntrospectionResponse:
        assert digest == sha256(token).digest()
        self.asked.append((issuer, token, sender, after))
        await self.open.wait()
        if check_again is not None:
            check_again()
        said = self.says[issuer].get(token)
        if said is None:
            raise TokenInactive(f"{issuer} says so")
        if isinstance(said, Refusal):
            raise said
        asked_at = self.world.now
        until = min(asked_at + self.cache, end_of(said))
        return IntrospectionResponse(said, asked_at=asked_at, until=until, size=len(str(said)))


class World:
    """A gate whose issuer is asked, and a clock."""

    def __init__(
        self,
        *,
        second: bool = False,
        route: Mapping[str, Any] | None = None,
        revocation: Revocation | None = None,
        **section: Any,
    ) -> None:
        self.now = NOW
        self.recorder = Recorder()
        self.provider = Provider(self)
        self.keys = MemoryIssuers()
        issuers = [issuer(introspection=Introspection(**section))]
        if second:
            issuers.append(issuer(issuer=OTHER, name="other", introspection=Introspection(prefix=("x_",))))
        self.gate = Gate(
            Config(
                upstream="http://127.0.0.1:3000",
                issuers=tuple(issuers),
                routes=(RouteSection(path="/orders", **(route or {})),),
                trusted_proxies=("10.0.0.0/8",),
                revocation=revocation,
            ),
            issuers=self.keys,
            introspections=self.provider,
            upstream=Nowhere(),
            observer=self.recorder,
            clock=lambda: self.now,
        )
        self.ending = Ending()

    def say(self, token: bytes, *, issuer: str = "local", **changes: Any) -> None:
        members = {
            "active": True,
            "iss": ISSUER if issuer == "local" else OTHER,
            "aud": AUDIENCE,
            "sub": "alice",
            "client_id": "app",
            "scope": "read:orders",
            "token_type": "Bearer",
            "exp": NOW + 3600,
        }
        self.provider.says[issuer][token] = {k: v for k, v in {**members, **changes}.items() if v is not ...}

    async def admit(self, token: bytes) -> Identity:
        self.ending = Ending()
        admission = await self.gate.admit(facts(token), self.ending)
        assert admission.identity is not None
        return admission.identity

    async def refusal(self, token: bytes) -> Refusal:
        with pytest.raises(Refusal) as refusal:
            await self.admit(token)
        return refusal.value

    async def settle(self) -> None:
        """Until what was begun in the background has ended."""
        while renewing := tuple(self.gate.verifier._renewing):
            await asyncio.wait(renewing)


async def test_an_opaque_token_is_asked_about_once_and_then_remembered() -> None:
    world = World()
    world.say(b"opaque")
    first = await world.admit(b"opaque")
    assert (first.issuer, first.subject, first.client, first.scopes) == ("local", "alice", "app", ("read:orders",))
    assert first.key is None
    assert first.headers[0] == (b"X-User-Id", b"alice")
    assert world.ending.steps == [
        Step.REQUEST,
        Step.ROUTE,
        Step.CREDENTIAL,
        Step.FORM,
        Step.INTROSPECTION,
        Step.ISSUER,
        Step.CLASS,
        Step.TIME,
        Step.AUDIENCE,
        Step.SUBJECT,
        Step.HEADERS,
        Step.BINDING,
        Step.POLICY,
    ]
    assert world.ending.values(Step.FORM) == {"form": "opaque"}
    world.now += 47
    assert await world.admit(b"opaque") is first
    assert world.ending.steps[3] == Step.REMEMBERED
    # The address of the request counts; nobody is in front of it.
    assert world.provider.asked == [("local", b"opaque", "192.0.2.1", None)]
    assert world.recorder.hits == [False, True]
    assert world.recorder.verified == [("local", None)]


async def test_it_is_renewed_in_the_background_when_it_is_used_late() -> None:
    world = World()
    world.say(b"opaque")
    first = await world.admit(b"opaque")
    world.now += 48
    world.provider.open.clear()
    world.say(b"opaque", scope="write:orders")
    for _ in range(5):
        assert await world.admit(b"opaque") is first
    world.provider.open.set()
    await world.settle()
    assert world.provider.asked[1:] == [("local", b"opaque", None, NOW)]
    renewed = await world.admit(b"opaque")
    assert renewed.scopes == ("write:orders",)
    world.now += 59
    assert (await world.admit(b"opaque")).scopes == ("write:orders",)
    await world.settle()
    assert False not in world.recorder.hits[1:]


async def test_what_is_said_of_tokens_counts_where_they_are_remembered() -> None:
    # A token of few bytes may have 256 KiB of groups, and ten thousand are remembered.
    world = World(route={"claims": {"groups": ("staff",)}})
    world.gate.verifier._verified = VerifiedTokens(max_token_bytes=100_000)
    for number in range(6):
        world.say(b"opaque-%d" % number, groups=["staff", "x" * 24_000])
        await world.admit(b"opaque-%d" % number)
        assert len(world.gate.verifier._verified) <= 4
    assert world.recorder.hits == [False] * 6
    await world.admit(b"opaque-5")
    world.now += 50
    await world.admit(b"opaque-5")
    await world.settle()
    assert world.gate.verifier._verified._token_bytes < 100_000
    assert len(world.gate.verifier._verified) == 4


async def test_one_that_is_not_kept_among_many_is_judged_by_what_its_issuer_says_each_time() -> None:
    world = World()
    world.gate.verifier._verified = VerifiedTokens(max_entries=8)
    names = [b"opaque-%d" % number for number in range(10)]
    for name in names:
        world.say(name, sub=name.decode())
    for name in names * 6:
        assert (await world.admit(name)).subject == name.decode()
    # Most are found, and whoever is not is asked about.
    assert world.recorder.hits[30:].count(True) > 15
    assert len(world.provider.asked) == world.recorder.hits.count(False)
    kept = world.gate.verifier._verified
    left_out = next(name for name in names if kept.find(sha256(name).digest()) is None)
    del world.provider.says["local"][left_out]
    assert isinstance(await world.refusal(left_out), TokenInactive)
    assert len(kept) == 8


async def test_one_that_is_not_used_is_not_renewed_and_asked_about_when_it_is() -> None:
    world = World()
    world.say(b"opaque")
    await world.admit(b"opaque")
    world.now += 60
    assert await world.admit(b"opaque")
    assert len(world.provider.asked) == 2
    assert world.recorder.hits == [False, False]


async def test_a_stream_ends_with_its_token_and_not_with_a_response_that_says_no_end() -> None:
    world = World()
    world.gate._upstream = MemoryUpstream()
    left: list[float | None] = []
    for token, end in ((b"ends", NOW + 3600), (b"endless", ...)):
        world.say(token, exp=end)
        # The second time it is remembered.
        for _ in range(2):
            exchange = MemoryExchange(facts(token))
            await world.gate.handle(exchange)
            assert exchange.refused == []
            left.append(world.recorder.endings[-1].seconds_left)
    # The leeway included. The other is asked about for as long as the stream is open.
    assert left == [3630, 3630, None, None]


async def test_however_an_opaque_token_is_padded_it_is_the_same_to_whoever_revokes_it() -> None:
    # Issuers that decode it may forgive padding that is missing, or too much.
    world = World(revocation=Revocation())
    index = set()
    for token in (b"b3BhcXVl.x.y", b"b3BhcXVl.x.y=", b"b3BhcXVl.x.y=="):
        world.say(token, iat=NOW)
        handles = (await world.admit(token)).handles
        assert handles is not None
        index.add(handles.index[0])
    assert index == {index_value("token", sha256(fixed_part(b"b3BhcXVl.x.y")).hexdigest())}


async def test_one_that_was_withdrawn_is_refused_from_its_renewal_on() -> None:
    world = World()
    world.say(b"opaque")
    await world.admit(b"opaque")
    world.now += 50
    del world.provider.says["local"][b"opaque"]
    await world.admit(b"opaque")
    await world.settle()
    assert type(await world.refusal(b"opaque")) is TokenInactive
    assert world.ending.step == Step.INTROSPECTION


async def test_while_nobody_can_say_it_serves_until_its_end() -> None:
    world = World()
    world.say(b"opaque")
    await world.admit(b"opaque")
    world.provider.says["local"][b"opaque"] = IntrospectionUnavailable("down", retry_after=7)
    world.now += 50
    await world.admit(b"opaque")
    await world.settle()
    await world.admit(b"opaque")
    assert len(world.provider.asked) == 2
    world.now += RENEWAL_PAUSE
    await world.admit(b"opaque")
    await world.settle()
    assert len(world.provider.asked) == 3
    world.now = NOW + 60
    refusal = await world.refusal(b"opaque")
    assert (type(refusal), refusal.retry_after) == (IntrospectionUnavailable, 7)


async def test_with_a_cache_of_nothing_nothing_is_remembered() -> None:
    world = World(cache=Seconds(0))
    world.provider.cache = 0.0
    world.say(b"opaque")
    await world.admit(b"opaque")
    await world.admit(b"opaque")
    assert len(world.provider.asked) == 2
    assert len(world.gate.verifier._verified) == 0


async def test_the_end_of_the_token_counts_before_that_of_the_response() -> None:
    world = World()
    world.say(b"opaque", exp=NOW + 5)
    await world.admit(b"opaque")
    world.now += 4.9
    await world.admit(b"opaque")
    await world.settle()
    world.now += 0.1
    await world.admit(b"opaque")  # its leeway
    assert len(world.provider.asked) >= 2


async def test_refusals_are_those_of_a_payload_and_tell_whose_token_it_was() -> None:
    world = World()
    world.say(b"opaque", aud="https://another.example")
    refusal = await world.refusal(b"opaque")
    assert type(refusal) is WrongAudience
    assert refusal.suspect is not None
    assert (refusal.suspect.issuer, refusal.suspect.token_id) == ("local", sha256(b"opaque").hexdigest()[:12])
    assert world.recorder.verified == [("local", "wrong_audience")]
    world.say(b"bound", token_type="DPoP", cnf={"jkt": "k"})
    assert type(await world.refusal(b"bound")) is ProofRequired
    world.say(b"nobody", sub=..., client_id=...)
    assert type(await world.refusal(b"nobody")) is MissingClaim


async def test_what_a_response_says_decides_about_routes() -> None:
    world = World(route={"scopes": ("write:orders",)})
    world.say(b"opaque")
    assert (await world.refusal(b"opaque")).reason == "insufficient_scope"
    world.say(b"other", scope="write:orders")
    assert (await world.admit(b"other")).scopes == ("write:orders",)


async def test_issuers_without_prefix_are_asked_in_order_and_the_next_only_where_it_is_not_active() -> None:
    world = World(second=True)
    world.say(b"x_opaque", issuer="other")
    assert (await world.admit(b"x_opaque")).issuer == "other"
    assert [asked[0] for asked in world.provider.asked] == ["other"]
    refusal = await world.refusal(b"opaque")
    assert type(refusal) is TokenInactive
    assert [asked[0] for asked in world.provider.asked] == ["other", "local"]


async def test_each_of_several_is_asked_until_one_says_active_or_cannot_say() -> None:
    world = World()
    second = issuer(issuer=OTHER, name="other", introspection=Introspection())
    world.gate = Gate(
        Config(upstream="http://127.0.0.1:3000", issuers=(issuer(introspection=Introspection()), second)),
        issuers=world.keys,
        introspections=world.provider,
        upstream=Nowhere(),
        observer=world.recorder,
        clock=lambda: world.now,
    )
    world.say(b"a", issuer="other")
    assert (await world.admit(b"a")).issuer == "other"
    assert [asked[0] for asked in world.provider.asked] == ["local", "other"]
    world.provider.says["local"][b"b"] = IntrospectionUnavailable("down")
    world.say(b"b", issuer="other")
    assert type(await world.refusal(b"b")) is IntrospectionUnavailable
    refusal = await world.refusal(b"c")
    assert (type(refusal), refusal.evidence) == (TokenInactive, "other says so")
    assert refusal.suspect is not None
    assert refusal.suspect.issuer is None


async def test_who_was_counted_out_meanwhile_has_nothing_asked_for_it() -> None:
    world = World()
    config = Config(
        upstream="http://127.0.0.1:3000",
        issuers=(issuer(introspection=Introspection()),),
        bad_tokens=BadTokensSection(limit=3, direct=True),
    )
    world.gate = Gate(
        config,
        issuers=world.keys,
        introspections=world.provider,
        rates=RateLimits(config, shared=None),
        upstream=Nowhere(),
        observer=world.recorder,
        clock=lambda: world.now,
    )
    world.provider.open.clear()
    endings = [Ending() for _ in range(9)]
    waiting = [asyncio.create_task(world.gate.admit(facts(b"%d" % at), one)) for at, one in enumerate(endings)]
    await asyncio.sleep(0)
    world.provider.open.set()
    refusals = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in refusals] == [TokenInactive] * 3 + [RateLimited] * 6
    assert endings[0].account[-1] is Step.INTROSPECTION
    assert endings[-1].account[-1] is Step.BAD_TOKENS


async def test_what_looks_like_no_token_of_anybody_is_refused_without_a_question() -> None:
    world = World(pattern="[a-z]+")
    assert type(await world.refusal(b"0123")) is TokenMalformed
    assert not world.provider.asked


async def test_jwts_are_judged_here_and_not_asked_about() -> None:
    world = World()
    assert (await world.admit(sign())).key is not None
    for token in (sign() + b"=", sign().partition(b".")[0] + b".x"):
        assert type(await world.refusal(token)) is TokenMalformed
    assert type(await world.refusal(b"eyJhbGciOiJSUzI1NiJ9.a.b.c.d")) is TokenEncrypted
    assert not world.provider.asked


async def test_encrypted_tokens_are_asked_about_where_they_are_named() -> None:
    world = World(tokens=("encrypted",))
    token = b"eyJhbGciOiJSUzI1NiJ9.a.b.c.d"
    world.say(token)
    assert (await world.admit(token)).subject == "alice"
    assert type(await world.refusal(b"opaque")) is TokenMalformed


async def test_a_jwt_is_asked_about_behind_its_own_checks_where_that_is_configured() -> None:
    world = World(tokens="all")
    token = sign()
    assert type(await world.refusal(token)) is TokenInactive
    assert world.ending.step == Step.INTROSPECTION
    world.say(token, scope="read:orders")
    identity = await world.admit(token)
    assert identity.scopes == ("read:orders",)
    assert identity.key is not None
    assert identity.believed is not None
    # Both grounds count.
    world.keys.known = type(world.keys.known)()
    await world.refusal(token)
    expired = sign(some_claims(exp=NOW - 100))
    world.say(expired)
    await world.refusal(expired)
    assert expired not in {asked[1] for asked in world.provider.asked}


async def test_a_lightweight_jwt_is_what_its_issuer_says() -> None:
    world = World(tokens="all")
    token = sign(some_claims(aud=..., sub=..., client_id=...))
    world.say(token)
    assert (await world.admit(token)).subject == "alice"
    assert world.ending.values(Step.AUDIENCE) == {}


async def test_without_introspection_the_same_token_is_refused() -> None:
    world = World(tokens="opaque")
    token = sign(some_claims(aud=...))
    assert type(await world.refusal(token)) is MissingAudience


async def test_what_outlives_a_request_is_asked_about_and_ends_when_it_was_withdrawn() -> None:
    world = World()
    world.say(b"opaque")
    identity = await world.admit(b"opaque")
    believed = identity.believed
    assert believed is not None
    assert not world.gate.verifier.is_due(identity)
    world.now += 60
    assert world.gate.verifier.is_due(identity)
    assert await world.gate.verifier.reask(identity) is None
    assert not world.gate.verifier.is_due(identity)
    assert (believed.asked_at, believed.until) == (NOW + 60, NOW + 120)
    assert len(world.provider.asked) == 2
    # Somebody else has asked meanwhile.
    world.now += 60
    await world.admit(b"opaque")
    assert await world.gate.verifier.reask(identity) is None
    assert believed.until == NOW + 180
    assert len(world.provider.asked) == 3
    world.provider.says["local"][b"opaque"] = IntrospectionUnavailable("down")
    world.now += 60
    assert await world.gate.verifier.reask(identity) is None
    del world.provider.says["local"][b"opaque"]
    assert type(await world.gate.verifier.reask(identity)) is TokenInactive
    assert type(await world.refusal(b"opaque")) is TokenInactive
    jwt = await world.admit(sign())
    assert not world.gate.verifier.is_due(jwt)
    assert await world.gate.verifier.reask(jwt) is None


async def test_stopping_ends_what_is_renewed() -> None:
    world = World()
    world.say(b"opaque")
    await world.admit(b"opaque")
    world.now += 50
    world.provider.open.clear()
    await world.admit(b"opaque")
    await world.gate.verifier.stop()
    await world.gate.verifier.stop()
    assert not world.gate.verifier._renewing
