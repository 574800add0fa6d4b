"""An issuer that goes away and comes back, while requests ask for its keys and while none do."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import pairwise

import pytest

from gateway.core.errors import IssuerUnavailable, UnknownKey
from gateway.core.token.keys import Key
from gateway.demo.issuer import DISCOVERY_PATH, JWKS_PATH
from tests.issuer import HostileIssuer, RecordingObserver, SimulatedClock
from tests.remote.asking import HASTY, MakeRemote, fetch, find, kid, started

HOUR = 3600.0
#: Seconds within which an issuer that responds again is found, while requests ask.
SOON = 3.0

Ask = Callable[[], Awaitable[tuple[Key, ...]]]


async def found_after(clock: SimulatedClock, ask: Ask, *, every: float = 0.25, patience: float = 120.0) -> float:
    """Seconds until a request that asks again and again has its keys."""
    begun = clock.monotonic()
    while clock.monotonic() - begun < patience:
        with suppress(IssuerUnavailable):
            if await ask():
                break
        await clock.advance(every)
    return clock.monotonic() - begun


async def fails_for(clock: SimulatedClock, seconds: float, ask: Ask | None = None, *, every: float = 0.25) -> None:
    """An outage of so long, with requests or without."""
    if ask is None:
        await clock.advance(seconds)
        return
    end = clock.monotonic() + seconds
    while clock.monotonic() < end:
        with pytest.raises(IssuerUnavailable) as caught:
            await ask()
        assert 1 <= (caught.value.retry_after or 0) <= SOON
        await clock.advance(every)


@pytest.mark.parametrize("outage", [5, 60, 300])
@pytest.mark.parametrize("asked", [True, False], ids=["requests all the time", "requests only afterwards"])
async def test_an_issuer_that_was_down_at_the_start_is_found_soon_after_it_is_back(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, outage: float, *, asked: bool
) -> None:
    port = issuer.port
    await issuer.stop()
    remote = await started(make_remote(), clock)

    async def ask() -> tuple[Key, ...]:
        return find(remote, kid(issuer)) or await fetch(remote, kid(issuer))

    await fails_for(clock, outage, ask if asked else None)
    await issuer.start(port)
    assert await found_after(clock, ask) <= SOON
    assert remote.status()[0].reason is None


@pytest.mark.parametrize("outage", [5, 60, 300])
async def test_a_new_key_is_found_soon_after_an_outage_while_old_ones_serve(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, outage: float
) -> None:
    port, remote = issuer.port, await started(make_remote(), clock)
    old = kid(issuer)
    await issuer.stop()
    issuer.rotate()
    await fails_for(clock, outage, lambda: fetch(remote, kid(issuer)))
    assert find(remote, old)
    await issuer.start(port)
    assert await found_after(clock, lambda: fetch(remote, kid(issuer))) <= SOON


async def test_keys_that_were_too_old_are_found_soon_after_an_outage(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    port, remote = issuer.port, await started(make_remote(jwks_max_stale=0), clock)
    await issuer.stop()
    await clock.advance(HOUR)
    assert not find(remote, kid(issuer))
    await issuer.start(port)
    assert await found_after(clock, lambda: fetch(remote, kid(issuer))) <= SOON


@pytest.mark.parametrize("requests", [1, 50])
async def test_an_issuer_that_fails_is_asked_once_a_second_however_many_requests_ask(
    make_remote: MakeRemote,
    issuer: HostileIssuer,
    clock: SimulatedClock,
    observer: RecordingObserver,
    requests: int,
) -> None:
    remote = await started(make_remote(), clock)
    issuer.response(JWKS_PATH, "", status=503)
    for _ in range(600):
        for n in range(requests):
            with pytest.raises(IssuerUnavailable):
                await fetch(remote, f"random-{n}")
        await clock.advance(0.1)
    failures = [at for _, ok, at in observer.fetched if not ok]
    assert min(later - earlier for earlier, later in pairwise(failures)) >= 1
    assert len(failures) <= 61
    assert observer.suppressed
    # The bucket is for issuers that response: whoever asked meanwhile took nothing from it.
    issuer.behave()
    issuer.rotate()
    await clock.advance(1)
    for n in range(3):
        with pytest.raises(UnknownKey):
            await fetch(remote, f"random-{n}")


async def test_without_requests_an_issuer_that_fails_is_asked_ever_more_rarely(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, observer: RecordingObserver
) -> None:
    remote = await started(make_remote(), clock)
    issuer.response(JWKS_PATH, "", status=503)
    with pytest.raises(IssuerUnavailable):
        await fetch(remote)
    await clock.advance(HOUR)
    failures = [at for _, ok, at in observer.fetched if not ok]
    gaps = [later - earlier for earlier, later in pairwise(failures)]
    assert gaps == sorted(gaps)
    assert gaps[-1] > 30
    # And again after requests that came and went.
    with pytest.raises(IssuerUnavailable):
        await fetch(remote)
    count = len(observer.fetched)
    await clock.advance(HOUR)
    assert HOUR / 60 <= len(observer.fetched) - count <= HOUR / 30


async def test_a_request_in_the_pause_has_the_issuer_asked_when_it_ends(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    port = issuer.port
    await issuer.stop()
    remote = await started(make_remote(), clock)
    await clock.advance(10 * 60)
    for _ in range(2):
        with pytest.raises(IssuerUnavailable):
            await fetch(remote, kid(issuer))
    await issuer.start(port)
    await clock.advance(1)
    assert find(remote, kid(issuer))


async def test_an_issuer_that_says_it_is_asked_too_often_is_not_asked_before_the_backoff_ends(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, observer: RecordingObserver
) -> None:
    remote = await started(make_remote(), clock)
    issuer.response(JWKS_PATH, "", status=429)
    for _ in range(360):
        with pytest.raises(IssuerUnavailable):
            await fetch(remote, "new")
        await clock.advance(10)
    assert sum(not ok for _, ok, _ in observer.fetched) <= HOUR / 30


@pytest.mark.parametrize("status", [503, None])
async def test_forged_tokens_wait_for_no_issuer_that_fails(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, status: int | None
) -> None:
    """Of the one that asks first in a second it is known after that attempt; of all others at once."""
    remote = await started(make_remote(fetch_timeout=HASTY), clock)
    known = find(remote, kid(issuer))
    if status is None:
        issuer.hold(JWKS_PATH)
    else:
        issuer.response(JWKS_PATH, "", status=status)
    for _ in range(100):
        with pytest.raises(IssuerUnavailable):
            await fetch(remote, kid(issuer), tried=known)
    assert issuer.hits[JWKS_PATH] == 2


@pytest.mark.parametrize("path", [DISCOVERY_PATH, JWKS_PATH])
async def test_an_issuer_that_hung_is_found_although_the_connections_of_then_hang_on(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock, path: str
) -> None:
    """As behind a balancer that forgot them: nobody ends them, and nobody responds on them."""
    issuer.hold(path)
    remote = await started(make_remote(fetch_timeout=HASTY), clock)
    assert issuer.hits[path] == 1
    await clock.advance(0.9)
    issuer.hold(path)
    clock.skip(0.1)
    asking = asyncio.create_task(fetch(remote, kid(issuer)))
    await issuer.asked(path)
    issuer.behave()
    assert await asking


async def test_discovery_that_is_asked_because_keys_hang_relies_on_no_connection_either(
    make_remote: MakeRemote, issuer: HostileIssuer, clock: SimulatedClock
) -> None:
    issuer.response(DISCOVERY_PATH, headers={"Cache-Control": "max-age=3600"})
    remote = await started(make_remote(fetch_timeout=HASTY), clock)
    issuer.hold(JWKS_PATH)
    issuer.hold(DISCOVERY_PATH)
    issuer.rotate()
    asking = asyncio.create_task(fetch(remote, kid(issuer)))
    await issuer.asked(DISCOVERY_PATH)
    issuer.response(DISCOVERY_PATH, json.dumps(issuer.discovery() | {"jwks_uri": issuer.url + "/moved"}))
    issuer.response("/moved", json.dumps(issuer.jwks()))
    assert await asking
    assert issuer.hits[JWKS_PATH] == 2  # at the start, and the one that hangs
