"""An identity that lacks claims to one that has them: asked once, remembered, and asked again when that is over."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.completer import Completer
from gateway.core.config.file import Config
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.routes import RouteSection
from gateway.core.config.userinfo import UserInfoSection
from gateway.core.errors import ClaimMismatch, IdentityClaimMissing, InsufficientScope, Refusal, UserInfoUnavailable
from gateway.core.routing.admission import Admission
from gateway.core.token.digests import digest_of
from gateway.core.token.identity import Identity
from gateway.core.token.userinfo import Obtained
from gateway.core.trail import Step
from gateway.gate import Gate
from gateway.ports import Ending
from gateway.verifier import Verifier
from tests.memory import MemoryIssuers, Nowhere, Recorder, facts, identity
from tests.signer import NOW, issuer, sign, some_claims

HEADERS: dict[str, Any] = {"X-User-Id": "sub", "X-Email": "email"}
SECTION = UserInfoSection(claims=("email", "groups"))


@dataclass
class MemoryUserInfo:
    """What an issuer would say, or what asking it would be refused with; and with which tokens it was asked."""

    says: dict[str, Any] | Refusal
    clock: list[float]
    lifetime: float = 60.0
    asked: list[bytes] = field(default_factory=list)
    senders: list[str | None] = field(default_factory=list)

    async def fetch_claims(self, identity: Identity, token: bytes, *, sender: str | None = None) -> Obtained:
        self.asked.append(token)
        self.senders.append(sender)
        await asyncio.sleep(0)
        if isinstance(self.says, Refusal):
            raise self.says
        return Obtained(self.says, self.clock[0] + self.lifetime)


class World:
    """A gate, an issuer that knows more than its tokens say, and a clock."""

    def __init__(self, says: dict[str, Any] | Refusal, *, headers: Any = HEADERS, **settings: Any) -> None:
        self.clock = [NOW]
        self.userinfo = MemoryUserInfo(says, self.clock)
        config = Config(upstream="http://h", issuers=(issuer(userinfo=SECTION),), identity_headers=headers, **settings)
        self.issuers = MemoryIssuers()
        self.gate = Gate(
            config,
            issuers=self.issuers,
            upstream=Nowhere(),
            observer=Recorder(),
            userinfo=self.userinfo,
            clock=lambda: self.clock[0],
        )
        self.ending = Ending()

    async def admit(self, token: bytes, target: bytes = b"/orders") -> Admission:
        self.ending = Ending()
        return await self.gate.admit(facts(token, target=target), self.ending)

    async def told(self, token: bytes, target: bytes = b"/orders") -> dict[str, str]:
        """The identity headers that the upstream gets."""
        admission = await self.admit(token, target)
        return {
            name.decode(): value.decode() for name, value in admission.headers if name in {b"X-User-Id", b"X-Email"}
        }

    async def refusal(self, token: bytes, target: bytes = b"/orders") -> Refusal:
        with pytest.raises(Refusal) as caught:
            await self.admit(token, target)
        return caught.value


async def test_a_claim_that_the_token_lacks_is_asked_for_once() -> None:
    world, token = World({"email": "a@b", "sub": "mallory"}), sign()
    assert await world.told(token) == {"X-User-Id": "alice", "X-Email": "a@b"}
    assert Step.USERINFO in world.ending.steps
    assert world.ending.values(Step.USERINFO) == {"lacked": {"email"}, "found": {"email"}, "failure": ""}
    assert await world.told(token) == {"X-User-Id": "alice", "X-Email": "a@b"}
    assert Step.USERINFO not in world.ending.steps
    assert world.userinfo.asked == [token]


async def test_a_token_that_has_all_of_them_asks_nobody() -> None:
    world = World(UserInfoUnavailable())
    assert await world.told(sign(some_claims(email="own@b"))) == {"X-User-Id": "alice", "X-Email": "own@b"}
    assert world.userinfo.asked == []


async def test_what_was_said_is_asked_again_when_it_is_over() -> None:
    world, token = World({"email": "a@b"}), sign()
    await world.admit(token)
    world.userinfo.says = {}
    world.clock[0] += 59
    assert (await world.told(token))["X-Email"] == "a@b"
    world.clock[0] += 1
    assert await world.told(token) == {"X-User-Id": "alice"}
    # The token itself was not verified again.
    assert world.ending.steps[:3] == [Step.REQUEST, Step.ROUTE, Step.CREDENTIAL]
    assert Step.REMEMBERED in world.ending.steps
    assert len(world.userinfo.asked) == 2


async def test_a_token_that_is_over_is_not_fallen_back_to() -> None:
    world, token = World({"email": "a@b"}), sign()
    world.userinfo.lifetime = 10_000.0
    await world.admit(token)
    world.clock[0] += 330
    assert (await world.refusal(token)).reason == "token_expired"
    world.clock[0] -= 330
    await world.admit(token)
    world.issuers.known = type(world.issuers.known)()
    assert (await world.refusal(token)).reason == "unknown_key"


async def test_a_claim_that_only_one_route_asks_for_is_asked_for_there() -> None:
    routes = (RouteSection(path="/staff/*", claims={"groups": "staff"}), RouteSection(path="/orders/*"))
    world, token = World({"groups": ["staff"]}, headers={}, routes=routes), sign()
    await world.admit(token)
    assert world.userinfo.asked == []
    await world.admit(token, b"/staff/1")
    assert world.userinfo.asked == [token]
    world.userinfo.says = {"groups": ["guests"]}
    other = sign(some_claims(jti="2"))
    assert isinstance(mismatch := await world.refusal(other, b"/staff/1"), ClaimMismatch)
    assert (world.ending.step, mismatch.evidence) == (
        Step.USERINFO,
        "route /staff/* asks for another value of groups",
    )
    # What was said is remembered, also where it refuses.
    await world.refusal(other, b"/staff/1")
    assert (world.ending.step, len(world.userinfo.asked)) == (Step.POLICY, 2)


async def test_a_token_that_is_refused_for_what_it_says_itself_costs_no_call() -> None:
    routes = (
        RouteSection(path="/orders/*", scopes=("delete:orders",)),
        RouteSection(path="/admin/*", claims={"role": "admin", "groups": "staff"}),
    )
    world = World({"groups": ["staff"]}, routes=routes)
    assert isinstance(await world.refusal(sign()), InsufficientScope)
    assert isinstance(await world.refusal(sign(some_claims(role="user")), b"/admin/1"), ClaimMismatch)
    assert world.userinfo.asked == []


async def test_a_header_that_is_required_is_asked_for_first() -> None:
    headers = {"X-Email": IdentityHeader(claim="email", required=True)}
    world, token = World({"email": "a@b"}, headers=headers), sign()
    assert await world.told(token) == {"X-Email": "a@b"}
    world.userinfo.says = {}
    assert isinstance(await world.refusal(sign(some_claims(jti="2"))), IdentityClaimMissing)
    assert world.ending.values(Step.USERINFO)
    # A token that has it, and empty, is judged by what it has.
    assert isinstance(await world.refusal(sign(some_claims(email=""))), IdentityClaimMissing)
    assert world.ending.steps[-1] is Step.HEADERS


async def test_a_failure_refuses_where_it_is_to_and_is_no_verdict_on_the_token() -> None:
    world, token = World(UserInfoUnavailable("it is down")), sign()
    assert isinstance(await world.refusal(token), UserInfoUnavailable)
    assert world.ending.step is Step.USERINFO
    world.userinfo.says = {"email": "a@b"}
    assert (await world.told(token))["X-Email"] == "a@b"


async def test_a_route_that_only_reports_passes_what_the_token_says() -> None:
    world = World(UserInfoUnavailable(), routes=(RouteSection(path="/*", mode="report"),))
    assert await world.told(sign()) == {"X-User-Id": "alice"}
    assert isinstance(world.ending.reported, UserInfoUnavailable)
    assert world.ending.reported_at is Step.USERINFO


async def test_blanks_behind_a_token_are_none_of_it() -> None:
    world, token = World({"email": "a@b"}), sign()
    await world.gate.admit(facts(token + b" \t"), Ending())
    assert world.userinfo.asked == [token]


async def test_the_client_address_that_counts_is_told_where_somebody_says_which() -> None:
    forwarded = {"headers": ((b"X-Forwarded-For", b"198.51.100.7"),), "trusted": True}
    for settings, sender in (({}, None), ({"trusted_proxies": ("192.0.2.0/24",)}, "198.51.100.7")):
        world = World({"email": "a@b"}, **settings)
        await world.gate.admit(facts(sign(), **forwarded), Ending())
        assert world.userinfo.senders == [sender]


async def test_an_identity_that_lacks_nothing_is_taken_as_it_is() -> None:
    config = Config(upstream="http://h", issuers=(issuer(userinfo=SECTION),), identity_headers=dict(HEADERS))
    verifier = Verifier(config, issuers=MemoryIssuers(), observer=Recorder(), clock=lambda: NOW)
    completer = Completer(config, userinfo=MemoryUserInfo({}, [NOW]), verifier=verifier)
    who, ending = identity(), Ending()
    ending.route = World({}).gate.routes.match(facts(None))
    assert await completer.complete(who, facts(), digest_of(b"t"), b"t", ending) is who
    assert ending.steps == [Step.REQUEST]
