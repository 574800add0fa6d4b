"""Tokens in exchange: one call for all who wait, kept until they end, refusals remembered, and shared by replicas."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from gateway.core.config.section import Seconds
from gateway.core.errors import ExchangeRefused, ExchangeUnavailable
from gateway.remote.exchange import FAILED, REFUSED, UNWELCOME, ExchangedTokens
from tests.issuer import RecordingObserver, SimulatedClock
from tests.memory import identity
from tests.remote.asking_tokens import clock_of, exchanging, remote
from tests.signer import NOW
from tests.token_endpoint import TokenEndpoint

TOKEN = b"x.y.z"
ALICE = identity()


class Shared:
    """What replicas share, in memory; or a store that is away."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.seconds: list[float] = []
        self.is_away = False

    async def get(self, key: bytes) -> bytes | None:
        await asyncio.sleep(0)
        return None if self.is_away else self.values.get(key)

    async def put(self, key: bytes, value: bytes, *, seconds: float) -> None:
        await asyncio.sleep(0)
        if not self.is_away:
            self.values[key] = value
            self.seconds.append(seconds)

    async def drop(self, key: bytes) -> None:
        self.values.pop(key, None)


@asynccontextmanager
async def exchanged(
    endpoint: TokenEndpoint,
    clock: SimulatedClock,
    *,
    shared: Shared | None = None,
    observer: RecordingObserver | None = None,
    **settings: Any,
) -> AsyncIterator[ExchangedTokens]:
    section = exchanging(endpoint, **settings)
    observer = observer or RecordingObserver()
    asking = remote(section, clock, observer)
    tokens = ExchangedTokens("shop", section, endpoint=asking, shared=shared, observer=observer, clock=clock_of(clock))
    try:
        yield tokens
    finally:
        await tokens.stop()
        await asking.close()


async def test_a_thousand_requests_with_one_token_make_one_call(endpoint: TokenEndpoint, clock: SimulatedClock) -> None:
    async with exchanged(endpoint, clock, audience="orders") as tokens:
        found = await asyncio.gather(*(tokens.authorization(TOKEN, ALICE) for _ in range(1_000)))
        assert set(found) == {b"Bearer token-1"}
        assert await tokens.authorization(TOKEN, ALICE) == b"Bearer token-1"
        assert endpoint.forms == [
            {
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "subject_token": "x.y.z",
                "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "audience": "orders",
            }
        ]
        assert repr(tokens) == "ExchangedTokens(for shop, 1 kept)"


async def test_each_caller_and_each_issuer_has_its_own(endpoint: TokenEndpoint, clock: SimulatedClock) -> None:
    async with exchanged(endpoint, clock) as tokens:
        assert await tokens.authorization(TOKEN, ALICE) == b"Bearer token-1"
        assert await tokens.authorization(b"x.y.w", ALICE) == b"Bearer token-2"
        assert await tokens.authorization(TOKEN, identity(issuer="other")) == b"Bearer token-3"


@pytest.mark.parametrize(
    ("granted", "cache", "ends_in", "kept_for"),
    [
        # The token's own end less ten seconds, the cache, the end of the caller's token.
        ({}, 3_600, 10_000, 290),
        ({}, 60, 10_000, 60),
        ({"expires_in": 30}, 60, 10_000, 27),
        ({"token_type": "N_A"}, 60, 10_000, 60),
        ({}, 3_600, 100, 100),
    ],
)
async def test_it_is_kept_until_the_first_of_three_ends(
    endpoint: TokenEndpoint, clock: SimulatedClock, granted: dict[str, Any], cache: int, ends_in: int, kept_for: int
) -> None:
    endpoint.granted |= granted
    caller = identity(expires_at=NOW + ends_in, leeway=0.0)
    async with exchanged(endpoint, clock, cache=Seconds(cache)) as tokens:
        await tokens.authorization(TOKEN, caller)
        clock.skip(kept_for - 0.1)
        assert await tokens.authorization(TOKEN, caller) == b"Bearer token-1"
        clock.skip(0.1)
        assert await tokens.authorization(TOKEN, caller) == b"Bearer token-2"


@pytest.mark.parametrize(
    ("granted", "settings"),
    [({"expires_in": 0}, {}), ({"token_type": "DPoP"}, {}), ({"expires_in": None}, {}), ({}, {"cache": Seconds(0)})],
)
async def test_it_is_used_once_where_nobody_says_how_long_it_lives(
    endpoint: TokenEndpoint, clock: SimulatedClock, granted: dict[str, Any], settings: dict[str, Any]
) -> None:
    endpoint.granted |= granted
    shared = Shared()
    async with exchanged(endpoint, clock, shared=shared, **settings) as tokens:
        assert await tokens.authorization(TOKEN, ALICE) == b"Bearer token-1"
        assert await tokens.authorization(TOKEN, ALICE) == b"Bearer token-2"
    assert shared.values == {}


async def test_a_caller_whose_token_is_about_to_end_gets_one_that_is_not_kept(
    endpoint: TokenEndpoint, clock: SimulatedClock
) -> None:
    async with exchanged(endpoint, clock) as tokens:
        await tokens.authorization(TOKEN, identity(expires_at=NOW - 31))
        assert repr(tokens) == "ExchangedTokens(for shop, 0 kept)"


@pytest.mark.parametrize(
    ("status", "error", "kind", "seconds"),
    [
        (400, "invalid_grant", ExchangeRefused, REFUSED),
        (401, "invalid_client", ExchangeUnavailable, FAILED),
        (500, "server_error", ExchangeUnavailable, FAILED),
    ],
)
async def test_a_refusal_is_remembered_and_a_failure_for_a_moment(
    endpoint: TokenEndpoint, clock: SimulatedClock, status: int, error: str, kind: type[Exception], seconds: float
) -> None:
    endpoint.say(status, {"error": error})
    async with exchanged(endpoint, clock) as tokens:
        waiting = [asyncio.create_task(tokens.authorization(TOKEN, ALICE)) for _ in range(20)]
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(one) for one in found} == {kind}
        # Each request has one of its own, to which it may add.
        assert len({id(one) for one in found}) == 20
        clock.skip(seconds - 0.1)
        with pytest.raises(kind, match=error):
            await tokens.authorization(TOKEN, ALICE)
        assert len(endpoint.asked) == 1
        # What is remembered holds no request and no response.
        for kept, *_ in tokens._refusals._entries.values():
            assert (kept.__traceback__, kept.__context__, kept.__cause__) == (None, None, None)
        # It is that caller's alone.
        endpoint.says = None
        assert await tokens.authorization(b"x.y.w", ALICE) == b"Bearer token-2"
        clock.skip(0.1)
        assert await tokens.authorization(TOKEN, ALICE) == b"Bearer token-3"


async def test_nobody_waits_longer_for_a_turn_than_two_responses_may_take(
    endpoint: TokenEndpoint, clock: SimulatedClock
) -> None:
    endpoint.free.clear()
    async with exchanged(endpoint, clock, timeout=Seconds(0.2)) as tokens:
        waiting = [tokens.authorization(b"t%d" % number, ALICE) for number in range(400)]
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert "others are asked for first" in {str(getattr(one, "evidence", one)) for one in found}
        endpoint.free.set()


async def test_too_many_who_wait_are_refused_at_once(endpoint: TokenEndpoint, clock: SimulatedClock) -> None:
    endpoint.free.clear()
    async with exchanged(endpoint, clock) as tokens:
        waiting = [asyncio.create_task(tokens.authorization(b"t%d" % number, ALICE)) for number in range(1_024)]
        await endpoint.was_asked(60)
        with pytest.raises(ExchangeUnavailable, match="requests wait for this issuer already"):
            await tokens.authorization(b"another", ALICE)
        assert len(endpoint.asked) <= 64
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        endpoint.free.set()


async def test_one_address_leaves_room_for_others(endpoint: TokenEndpoint, clock: SimulatedClock) -> None:
    endpoint.free.clear()
    asked: list[str] = []

    def sender(name: str) -> str:
        asked.append(name)
        return name

    async with exchanged(endpoint, clock) as tokens:
        flood = [
            asyncio.create_task(tokens.authorization(b"t%d" % number, ALICE, sender=partial(sender, "flood")))
            for number in range(200)
        ]
        await endpoint.was_asked(60)
        good = asyncio.create_task(tokens.authorization(TOKEN, ALICE, sender=partial(sender, "good")))
        await endpoint.was_asked(64)
        assert endpoint.forms[-1]["subject_token"] == TOKEN.decode()
        endpoint.free.set()
        assert await good == b"Bearer token-64"
        await asyncio.gather(*flood)
        asked.clear()
        # What is kept is nobody's call.
        assert await tokens.authorization(TOKEN, ALICE, sender=partial(sender, "good")) == b"Bearer token-64"
        assert asked == []


async def test_replicas_share_what_they_got(endpoint: TokenEndpoint, clock: SimulatedClock) -> None:
    shared, observer = Shared(), RecordingObserver()
    async with exchanged(endpoint, clock, shared=shared) as one:
        await one.authorization(TOKEN, ALICE)
    assert shared.seconds == [290.0]
    async with exchanged(endpoint, clock, shared=shared, observer=observer) as other:
        assert await other.authorization(TOKEN, ALICE) == b"Bearer token-1"
        assert observer.requested == [("shop", "shared")]
        clock.skip(290)
        # What a store keeps for too long is not believed.
        assert await other.authorization(TOKEN, ALICE) == b"Bearer token-2"
        shared.values = dict.fromkeys(shared.values, b"garbage")
    async with exchanged(endpoint, clock, shared=shared, audience="another") as third:
        assert await third.authorization(TOKEN, ALICE) == b"Bearer token-3"
    async with exchanged(endpoint, clock, shared=shared) as fourth:
        assert await fourth.authorization(TOKEN, ALICE) == b"Bearer token-4"
        shared.is_away = True
        clock.skip(290)
        assert await fourth.authorization(TOKEN, ALICE) == b"Bearer token-5"


async def test_one_that_the_api_refuses_is_dropped_everywhere_and_another_got_once(
    endpoint: TokenEndpoint, clock: SimulatedClock
) -> None:
    shared = Shared()
    async with exchanged(endpoint, clock, shared=shared) as tokens, exchanged(endpoint, clock, shared=shared) as other:
        await tokens.authorization(TOKEN, ALICE)
        assert await other.authorization(TOKEN, ALICE) == b"Bearer token-1"
        tokens.unwelcome(TOKEN, ALICE, b"Bearer another")
        tokens.unwelcome(TOKEN, identity(issuer="other"), b"Bearer token-1")
        assert await tokens.authorization(TOKEN, ALICE) == b"Bearer token-1"
        tokens.unwelcome(TOKEN, ALICE, b"Bearer token-1")
        assert await tokens.authorization(TOKEN, ALICE) == b"Bearer token-2"
        # The other replica learns it by itself, and need not ask.
        other.unwelcome(TOKEN, ALICE, b"Bearer token-1")
        assert await other.authorization(TOKEN, ALICE) == b"Bearer token-2"
        # Whoever can make the API say 401 cannot have one made for each request.
        for _ in range(5):
            tokens.unwelcome(TOKEN, ALICE, b"Bearer token-2")
            assert await tokens.authorization(TOKEN, ALICE) == b"Bearer token-2"
        clock.skip(UNWELCOME)
        tokens.unwelcome(TOKEN, ALICE, b"Bearer token-2")
        assert await tokens.authorization(TOKEN, ALICE) == b"Bearer token-3"


async def test_a_request_that_goes_away_leaves_the_call_to_the_others(
    endpoint: TokenEndpoint, clock: SimulatedClock
) -> None:
    endpoint.free.clear()
    async with exchanged(endpoint, clock) as tokens:
        gone, stays = (asyncio.create_task(tokens.authorization(TOKEN, ALICE)) for _ in range(2))
        await endpoint.was_asked(1)
        gone.cancel()
        endpoint.free.set()
        assert await stays == b"Bearer token-1"


async def test_who_waits_at_the_end_is_told(endpoint: TokenEndpoint, clock: SimulatedClock) -> None:
    endpoint.free.clear()
    async with exchanged(endpoint, clock) as tokens:
        waiting = asyncio.create_task(tokens.authorization(TOKEN, ALICE))
        await endpoint.was_asked(1)
        await tokens.stop()
        with pytest.raises(ExchangeUnavailable, match="the gateway is stopping"):
            await waiting
        endpoint.free.set()
