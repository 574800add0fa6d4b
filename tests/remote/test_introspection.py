"""When an issuer is asked, what its failures mean, what is kept: on real sockets, with a clock that tests move."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from gateway.core.config.section import Seconds
from gateway.core.errors import IntrospectionUnavailable, RateLimited, TokenInactive
from gateway.core.token.introspected import IntrospectionResponse
from gateway.remote.introspection import TOLD_AGAIN, IssuerIntrospection
from gateway.remote.introspection_call import IntrospectionCall
from gateway.store.cache import Cache
from tests.issuer import HostileIssuer, SimulatedClock
from tests.memory import MemoryIssuers
from tests.remote.introspecting import Endpoint, Heard, memory

Make = Callable[..., "Asking"]


class Asking:
    """One process that asks."""

    def __init__(self, endpoint: Endpoint, clock: SimulatedClock, cache: Cache, /, **section: Any) -> None:
        configured = endpoint.section(**section)
        issuer = endpoint.configured(configured)
        self.heard = Heard()
        self.introspection = IssuerIntrospection(
            issuer,
            configured,
            call=IntrospectionCall(
                issuer, configured, issuers=MemoryIssuers(), read=lambda _: "sesame", clock=clock.wall
            ),
            cache=cache,
            observer=self.heard,
            clock=clock.wall,
            monotonic=clock.monotonic,
        )

    async def ask(
        self, token: bytes = b"opaque", *, sender: str | None = "192.0.2.1", after: float | None = None
    ) -> IntrospectionResponse:
        return await self.introspection.introspect(token, sha256(token).digest(), sender=sender, after=after)

    async def refusal(self, token: bytes = b"opaque", **settings: Any) -> str:
        """What it is refused with: the reason, the evidence, and when to try again."""
        try:
            await self.ask(token, **settings)
        except (TokenInactive, IntrospectionUnavailable) as refusal:
            return f"{refusal.reason} {refusal.retry_after}: {refusal.evidence}"
        raise AssertionError


@pytest_asyncio.fixture
async def endpoint(issuer: HostileIssuer) -> Endpoint:
    return Endpoint(issuer)


@pytest.fixture
def cache(clock: SimulatedClock) -> Cache:
    return memory(clock)


@pytest_asyncio.fixture
async def make(endpoint: Endpoint, clock: SimulatedClock, cache: Cache) -> AsyncIterator[Make]:
    made: list[Asking] = []

    def make(**section: Any) -> Asking:
        made.append(Asking(endpoint, clock, section.pop("cache_of", cache), **section))
        return made[-1]

    yield make
    for one in made:
        await one.introspection.stop()


def inactive(_: str) -> dict[str, Any]:
    return {"active": False}


def failing(status: int, **headers: str) -> Callable[[str], web.Response]:
    return lambda _: web.Response(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})


async def test_a_response_is_believed_for_a_while_and_never_beyond_the_token(
    endpoint: Endpoint, clock: SimulatedClock, make: Make
) -> None:
    response = await make().ask()
    assert (response.asked_at, response.until) == (clock.wall(), clock.wall() + 60)
    assert response.members["sub"] == "alice"
    endpoint.say = lambda _: {"active": True, "exp": clock.wall() + 7}
    assert (await make().ask(b"short")).until == clock.wall() + 7
    assert (await make(cache=Seconds(0)).ask(b"other")).until == clock.wall()


async def test_a_thousand_requests_with_one_new_token_make_one_call(endpoint: Endpoint, make: Make) -> None:
    asking = make()
    endpoint.open.clear()
    waiting = [asyncio.create_task(asking.ask(sender=f"192.0.2.{number % 9}")) for number in range(1000)]
    await endpoint.count(1)
    endpoint.open.set()
    assert {response.members["sub"] for response in await asyncio.gather(*waiting)} == {"alice"}
    assert len(endpoint.asked) == 1


async def test_a_flood_of_random_tokens_leaves_others_their_turn(endpoint: Endpoint, make: Make) -> None:
    asking = make()
    endpoint.open.clear()
    endpoint.say = lambda token: {"active": token == "good"}
    flood = [asyncio.create_task(asking.refusal(b"bad%d" % number)) for number in range(400)]
    await endpoint.count(63)
    good = asyncio.create_task(asking.ask(b"good", sender="192.0.2.2"))
    await endpoint.count(64)
    assert endpoint.asked[-1]["token"] == "good"
    endpoint.open.set()
    assert (await good).members["active"] is True
    outcomes = await asyncio.gather(*flood)
    assert endpoint.most == 64
    assert all(outcome.startswith("token_inactive") for outcome in outcomes)
    assert len(endpoint.asked) == 401


async def test_who_was_counted_out_while_it_waited_for_its_turn_is_not_asked_about(
    endpoint: Endpoint, make: Make
) -> None:
    asking, endpoint.say = make(), inactive

    def check() -> None:
        if len(endpoint.asked) >= 70:
            raise RateLimited("too many")

    async def ask(token: bytes) -> str:
        try:
            await asking.introspection.introspect(token, sha256(token).digest(), sender="192.0.2.1", check_again=check)
        except (TokenInactive, RateLimited) as refusal:
            return refusal.reason
        raise AssertionError

    reasons = await asyncio.gather(*(ask(b"bad%d" % number) for number in range(400)))
    assert set(reasons) == {"token_inactive", "rate_limited"}
    assert len(endpoint.asked) < 140


async def test_who_was_counted_out_speaks_for_nobody_else_with_the_same_token(endpoint: Endpoint, make: Make) -> None:
    asking = make()
    endpoint.open.clear()
    bad = asking.introspection

    def check() -> None:
        if endpoint.open.is_set():
            raise RateLimited("too many")

    async def ask(token: bytes, sender: str, again: Callable[[], None] | None) -> str:
        try:
            await bad.introspect(token, sha256(token).digest(), sender=sender, check_again=again)
        except RateLimited as refusal:
            return refusal.reason
        return "active"

    # The last of them waits for its turn when others come with the same token.
    flood = [asyncio.create_task(ask(b"token%d" % number, "192.0.2.1", check)) for number in range(70)]
    await endpoint.count(60)
    others = [asyncio.create_task(ask(b"token69", sender, lambda: None)) for sender in ("192.0.2.2", "192.0.2.3")]
    others.append(asyncio.create_task(ask(b"token69", "192.0.2.4", None)))
    await asyncio.sleep(0)
    endpoint.open.set()
    assert (await asyncio.gather(*flood))[-1] == "rate_limited"
    assert set(await asyncio.gather(*others)) == {"active"}


async def test_more_than_may_wait_are_told_so_at_once(endpoint: Endpoint, make: Make) -> None:
    asking = make()
    endpoint.open.clear()
    waiting = [asyncio.create_task(asking.refusal(b"%d" % number)) for number in range(1024)]
    await endpoint.count(63)
    refusal = await asking.refusal(b"more")
    assert refusal == "introspection_unavailable 5: local: 1024 requests wait for this issuer already"
    assert asking.heard.results == ["crowded"]
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    endpoint.open.set()


async def test_what_is_not_active_is_remembered_in_this_process(
    endpoint: Endpoint, clock: SimulatedClock, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "gateway.remote")
    endpoint.say = inactive
    asking, other = make(), make()
    for _ in range(3):
        refusal = await asking.refusal()
        assert refusal.startswith("token_inactive None: local says that it is not active; it said so of every token")
    assert asking.heard.results == ["inactive", "remembered", "remembered"]
    await other.refusal()
    assert len(endpoint.asked) == 2
    clock.skip(60)
    await asking.refusal()
    assert len(endpoint.asked) == 3
    told = [record.message for record in caplog.records if "allow.token.introspection" in record.message]
    assert len(told) == 2  # once each
    # Once a token was active, it is no more a question of who asks.
    endpoint.say = lambda token: {"active": token == "good"}
    await asking.ask(b"good")
    assert await asking.refusal(b"bad") == "token_inactive None: local says that it is not active"
    assert repr(asking.introspection) == (
        "IssuerIntrospection(local: Flights(0 under way, 0 queued, 0 waiting), 2 inactive)"
    )


async def test_with_a_cache_of_nothing_it_is_asked_each_time(endpoint: Endpoint, make: Make) -> None:
    asking = make(cache=Seconds(0))
    await asking.ask()
    await asking.ask()
    endpoint.say = inactive
    await asking.refusal()
    await asking.refusal()
    assert asking.heard.results == ["active", "active", "inactive", "inactive"]


async def test_the_oldest_inactive_ones_are_forgotten(
    endpoint: Endpoint, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.remote.introspection.MAX_INACTIVE", 2)
    endpoint.say = inactive
    asking = make()
    for token in (b"a", b"b", b"c", b"a"):
        await asking.refusal(token)
    assert asking.heard.results == ["inactive"] * 4


async def test_processes_share_what_was_said_and_ask_anew_for_what_is_newer(
    endpoint: Endpoint, clock: SimulatedClock, make: Make
) -> None:
    one, other = make(), make()
    first = await one.ask()
    clock.skip(30)
    shared = await other.ask()
    assert (shared.members, shared.asked_at, shared.until) == (first.members, first.asked_at, first.until)
    assert other.heard.results == ["shared"]
    clock.skip(18)
    renewed = await one.ask(after=first.asked_at)
    assert renewed.asked_at == clock.wall()
    # And the other takes that instead of asking.
    assert (await other.ask(after=first.asked_at)).asked_at == renewed.asked_at
    assert len(endpoint.asked) == 2
    endpoint.say = inactive
    assert (await one.refusal(after=renewed.asked_at)).startswith("token_inactive")
    assert (await make().refusal()).startswith("token_inactive")


async def test_what_another_token_client_or_endpoint_is_told_is_not_shared(endpoint: Endpoint, make: Make) -> None:
    await make().ask(b"a")
    await make().ask(b"b")
    await make(client_id="other").ask(b"a")
    await make(endpoint=f"{endpoint.issuer.url}/introspect?x=1").ask(b"a")
    assert len(endpoint.asked) == 4


async def test_a_clock_that_was_ahead_makes_nothing_live_longer(
    endpoint: Endpoint, clock: SimulatedClock, make: Make, cache: Cache
) -> None:
    asking = make()
    clock.skip(3600)
    await asking.ask()
    clock._now -= 3600
    shared = await make().ask()
    assert (shared.asked_at, shared.until) == (clock.wall(), clock.wall() + 60)


class Broken(Cache):
    async def get(self, key: bytes) -> bytes | None:
        raise KeyError(key)


class Spoilt(Cache):
    async def get(self, key: bytes) -> bytes | None:
        return b"spoilt"


async def test_what_was_kept_and_cannot_be_read_is_asked_for_again(endpoint: Endpoint, make: Make) -> None:
    # A response may be nested as deeply as JSON is read; what it is kept in must not make it deeper.
    nested: Any = "deep"
    for _ in range(31):
        nested = [nested]
    endpoint.say = lambda _: {"active": True, "sub": "alice", "deep": nested}
    replicas = [make() for _ in range(2)]
    assert [(await replica.ask()).members["deep"] for replica in replicas] == [nested, nested]
    assert (len(endpoint.asked), replicas[1].heard.results) == (1, ["shared"])
    spoilt = Spoilt("introspection", None, shared=None, value_bytes=0)
    assert (await make(cache_of=spoilt).ask()).members["sub"] == "alice"


async def test_a_bug_is_a_503_and_is_logged(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    broken = Broken("introspection", None, shared=None, value_bytes=1)
    assert await make(cache_of=broken).refusal() == ("introspection_unavailable 5: local: internal error (KeyError)")
    assert "could not be asked about a token" in caplog.text


async def test_silence_is_kept_for_as_long_as_it_is_asked_for(
    endpoint: Endpoint, clock: SimulatedClock, make: Make
) -> None:
    asking = make()
    endpoint.say = failing(429, Retry_After="30")
    assert (await asking.refusal(b"a")).startswith("introspection_unavailable 30: local: status 429")
    for number in range(20):
        assert (await asking.refusal(b"b%d" % number)).startswith("introspection_unavailable 30")
    clock.skip(29.5)
    assert (await asking.refusal(b"a")).startswith("introspection_unavailable 1: ")
    assert len(endpoint.asked) == 1
    assert asking.heard.results == ["error"] + ["suppressed"] * 21
    assert asking.introspection.status().reason == "status 429: it is not asked for 30 s"
    endpoint.say = lambda _: {"active": True}
    clock.skip(0.5)
    await asking.ask(b"a")
    assert asking.introspection.status().reason is None


async def test_what_others_were_told_counts_in_a_silence(endpoint: Endpoint, make: Make) -> None:
    one, other = make(), make()
    await one.ask(b"a")
    endpoint.say = failing(429)
    await other.refusal(b"b")
    assert (await other.ask(b"a")).members["active"] is True


async def test_failures_are_loud_and_told_again_while_they_last(
    endpoint: Endpoint, clock: SimulatedClock, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.remote")
    asking = make()
    endpoint.say = failing(401)
    assert "refuses the gateway's own credentials (status 401)" in await asking.refusal()
    clock.skip(2)
    await asking.refusal()
    assert asking.introspection.status().reason == "it refuses the gateway's own credentials (status 401)"
    clock.skip(TOLD_AGAIN)
    await asking.refusal()
    endpoint.say = failing(500)
    clock.skip(2)
    await asking.refusal()
    endpoint.say = lambda _: {"active": True}
    await asking.ask()
    says = "issuer local does not say whether tokens are active: "
    assert [record.message for record in caplog.records] == [
        f"{says}it refuses the gateway's own credentials (status 401)",
        f"{says}it refuses the gateway's own credentials (status 401)",
        f"{says}the response has status 500",
        "issuer local says again whether tokens are active",
    ]
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR", "ERROR", "INFO"]


async def test_one_that_hangs_is_given_up_in_time(endpoint: Endpoint, make: Make) -> None:
    endpoint.open.clear()
    asking = make(timeout=Seconds(0.2))
    assert "no response within 0.2 s" in await asking.refusal()
    endpoint.open.set()


async def test_whoever_waits_too_long_for_a_turn_is_told(endpoint: Endpoint, make: Make) -> None:
    endpoint.open.clear()
    asking = make(timeout=Seconds(0.2))
    flood = [asyncio.create_task(asking.refusal(b"bad%d" % number)) for number in range(400)]
    outcomes = await asyncio.gather(*flood)
    assert any("others are asked about first" in outcome for outcome in outcomes)
    endpoint.open.set()


async def test_stopping_ends_what_is_under_way(endpoint: Endpoint, make: Make) -> None:
    endpoint.open.clear()
    asking = make()
    waiting = asyncio.create_task(asking.refusal())
    await endpoint.count(1)
    await asking.introspection.stop()
    assert "introspection_unavailable" in await waiting
    await asking.introspection.stop()


async def test_nothing_of_a_token_is_told(
    endpoint: Endpoint, make: Make, caplog: pytest.LogCaptureFixture, cache: Cache
) -> None:
    caplog.set_level(logging.DEBUG)
    asking = make()
    await asking.ask(b"sesame-opaque")
    endpoint.say = failing(500)
    told = await asking.refusal(b"sesame-other")
    assert "sesame" not in told + caplog.text + repr(asking.introspection)
    assert all(b"sesame" not in key for key in cache._kept._entries)
    assert b'"sub":"alice"' in next(iter(cache._kept._entries.values()))[0]
