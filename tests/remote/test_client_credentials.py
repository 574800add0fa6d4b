"""The gateway's own token: fetched ahead, kept through an outage until it ends, and another when the API refuses it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.core.errors import ExchangeUnavailable
from gateway.remote import client_credentials
from gateway.remote.client_credentials import UNWELCOME, OwnToken
from tests.issuer import RecordingObserver, SimulatedClock
from tests.remote.asking_tokens import clock_of, own, remote
from tests.token_endpoint import TokenEndpoint
from tests.wire import PATIENCE

FAILS = (500, {"error": "server_error"}, dict[str, str]())


@asynccontextmanager
async def fetching(
    endpoint: TokenEndpoint, clock: SimulatedClock, *, start: bool = True, **settings: Any
) -> AsyncIterator[OwnToken]:
    section = own(endpoint, **settings)
    asking = remote(section, clock, RecordingObserver())
    token = OwnToken("shop", section, endpoint=asking, clock=clock_of(clock))
    try:
        if start:
            await token.start()
        yield token
    finally:
        await token.stop()
        await token.stop()
        await asking.close()


async def test_it_is_fetched_before_anybody_asks_and_anew_before_it_ends(
    endpoint: TokenEndpoint, clock: SimulatedClock
) -> None:
    async with fetching(endpoint, clock, scope="read") as token:
        await clock.idle()
        assert endpoint.forms == [{"grant_type": "client_credentials", "scope": "read"}]
        assert await token.authorization() == b"Bearer token-1"
        # It lasts for 290 s, and 80 % of that have not passed.
        await clock.advance(230)
        assert (len(endpoint.asked), token.find()) == (1, b"Bearer token-1")
        await clock.advance(3)
        assert (len(endpoint.asked), await token.authorization()) == (2, b"Bearer token-2")
        assert repr(token) == "OwnToken(for shop, has one, 0 failures)"
        assert token.status().has_token
    assert "token-2" not in repr(token)


async def test_a_request_that_comes_early_waits_for_the_first_fetch(
    endpoint: TokenEndpoint, clock: SimulatedClock
) -> None:
    endpoint.free.clear()
    async with fetching(endpoint, clock) as token:
        assert (token.status().has_token, token.status().first_fetch_ended) == (False, False)
        waiting = [asyncio.create_task(token.authorization()) for _ in range(3)]
        await endpoint.was_asked(1)
        waiting[0].cancel()
        endpoint.free.set()
        assert await asyncio.gather(*waiting[1:]) == [b"Bearer token-1"] * 2
    assert len(endpoint.asked) == 1


async def test_it_is_kept_while_the_endpoint_fails_until_it_ends(
    endpoint: TokenEndpoint, clock: SimulatedClock
) -> None:
    async with fetching(endpoint, clock) as token:
        await clock.idle()
        endpoint.says = FAILS
        await clock.advance(289)
        assert len(endpoint.asked) > 3
        assert await token.authorization() == b"Bearer token-1"
        reason = "the token endpoint says server_error, with status 500"
        assert (token.status().has_token, token.status().reason) == (True, reason)
        await clock.advance(1)
        with pytest.raises(ExchangeUnavailable, match=reason) as raised:
            await token.authorization()
        assert raised.value.retry_after == 1
        assert (token.status().has_token, token.status().reason) == (False, reason)
        endpoint.says = None
        # Somebody asked: it is not left at the backoff, which is half a minute by now.
        asked = len(endpoint.asked)
        await clock.advance(1)
        assert len(endpoint.asked) == asked + 1
        assert (await token.authorization()).startswith(b"Bearer token-")
        assert token.status().reason is None


async def test_failures_are_followed_by_ever_longer_pauses(endpoint: TokenEndpoint, clock: SimulatedClock) -> None:
    endpoint.says = FAILS
    async with fetching(endpoint, clock):
        counts = []
        for seconds in (1, 2, 4, 8, 60, 60):
            await clock.advance(seconds)
            counts.append(len(endpoint.asked))
    assert counts[0] <= 2
    assert counts[-1] <= counts[-2] + 2 < 10


async def test_silence_that_was_asked_for_is_kept_by_everybody(endpoint: TokenEndpoint, clock: SimulatedClock) -> None:
    endpoint.say(429, {}, Retry_After="100")
    async with fetching(endpoint, clock) as token:
        await clock.idle()
        for _ in range(3):
            with pytest.raises(ExchangeUnavailable) as raised:
                await token.authorization()
            assert raised.value.retry_after == 100
        endpoint.says = None
        await clock.advance(99)
        assert len(endpoint.asked) == 1
        assert token.status().reason == "the token endpoint says nothing that could be understood, with status 429"
        await clock.advance(1)
        assert await token.authorization() == b"Bearer token-2"


async def test_one_that_the_api_refuses_is_replaced_before_the_next_request(
    endpoint: TokenEndpoint, clock: SimulatedClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with fetching(endpoint, clock) as token:
        await clock.idle()
        token.unwelcome(b"Bearer another")
        await asyncio.sleep(0)
        assert len(endpoint.asked) == 1
        token.unwelcome(b"Bearer token-1")
        assert await token.authorization() == b"Bearer token-2"
        # Whoever can make the API say 401 cannot have one fetched for each request.
        for _ in range(5):
            token.unwelcome(b"Bearer token-2")
            assert await token.authorization() == b"Bearer token-2"
        assert len(endpoint.asked) == 2
        clock.skip(UNWELCOME)
        # Where there is no other, the old one may still do.
        endpoint.says = FAILS
        token.unwelcome(b"Bearer token-2")
        assert await token.authorization() == b"Bearer token-2"
        assert await token.authorization() == b"Bearer token-2"
        assert len(endpoint.asked) == 3
        endpoint.says = None
        clock.skip(UNWELCOME)
        token._paused_until = clock.monotonic() + 1
        token.unwelcome(b"Bearer token-2")
        assert await token.authorization() == b"Bearer token-2"
    assert "token-" not in caplog.text


async def test_another_is_waited_for_no_longer_than_a_moment_while_the_one_of_now_serves(
    endpoint: TokenEndpoint, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who causes a 401 of the API must not make everybody wait for an endpoint that hangs.
    monkeypatch.setattr(client_credentials, "DOUBT", 0.05)
    async with fetching(endpoint, clock) as token:
        await clock.idle()
        endpoint.free.clear()
        token.unwelcome(b"Bearer token-1")
        async with asyncio.timeout(1.0):
            assert await asyncio.gather(*(token.authorization() for _ in range(9))) == [b"Bearer token-1"] * 9
        monkeypatch.setattr(client_credentials, "DOUBT", 60.0)
        async with asyncio.timeout(1.0):
            assert await token.authorization() == b"Bearer token-1"
        endpoint.free.set()
        flight = token._flight
        assert flight is not None
        await asyncio.wait({flight}, timeout=PATIENCE)
        assert await token.authorization() == b"Bearer token-2"


async def test_one_of_unknown_length_is_kept_for_a_minute(endpoint: TokenEndpoint, clock: SimulatedClock) -> None:
    del endpoint.granted["expires_in"]
    async with fetching(endpoint, clock) as token:
        await clock.idle()
        await clock.advance(47)
        assert token.find() == b"Bearer token-1"
        await clock.advance(2)
        assert token.find() == b"Bearer token-2"


async def test_a_bug_does_not_end_the_fetching(
    endpoint: TokenEndpoint, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with fetching(endpoint, clock, start=False) as token:

        async def broken(form: object, judge: Callable[[int, bytes], object]) -> object:
            raise LookupError

        with monkeypatch.context() as patched:
            patched.setattr(token._endpoint, "ask", broken)
            await token.start()
            await clock.idle()
            assert token.status().reason == "internal error (LookupError)"
            assert caplog.messages == ["upstream shop: its token could not be fetched"]
        await clock.advance(2)
        assert token.find() == b"Bearer token-1"


async def test_what_is_stopped_leaves_nothing_behind(endpoint: TokenEndpoint, clock: SimulatedClock) -> None:
    endpoint.free.clear()
    async with fetching(endpoint, clock) as token:
        waiting = asyncio.create_task(token.authorization())
        await endpoint.was_asked(1)
        await token.stop()
        with pytest.raises(ExchangeUnavailable, match="no token was fetched yet"):
            await waiting
        # Nor does whoever comes late begin anything.
        with pytest.raises(ExchangeUnavailable, match="no token was fetched yet"):
            await token.authorization()
        endpoint.free.set()
    assert len(endpoint.asked) == 1
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("token for shop")]
