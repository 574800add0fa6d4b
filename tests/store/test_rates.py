"""Requests are counted where all replicas count them, and here while that cannot be had; never later than it may be."""

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.config.file import Config
from gateway.core.config.rates import BadTokensSection, Rate
from gateway.core.config.routes import RouteSection
from gateway.core.config.section import Seconds
from gateway.core.config.store import StoreFailure, StoreSection
from gateway.core.errors import RateLimited, StoreUnavailable
from gateway.core.http.facts import Facts
from gateway.core.rates.gcra import SECOND, Pace, take
from gateway.core.rates.rules import RateRule, compile_rates
from gateway.core.routing.route import compile_route
from gateway.core.trail import RATES
from gateway.ports import Ending
from gateway.store.rates import SCRIPT, RateLimits, rate_limits
from gateway.store.redis import Redis
from gateway.store.store import Store
from tests.memory import facts, identity
from tests.redis_server import RedisServer, redis_server
from tests.signer import issuer
from tests.store.heard import Heard, a_store, shared
from tests.wire import until

TIMEOUT = 0.1
#: by how much a machine on which other tests run may be late
LATE = 0.4


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def config(**settings: Any) -> Config:
    return Config(upstream="http://127.0.0.1:1", issuers=(issuer(),), **settings)


def limits(*, clock: Any = time.monotonic, redis: Redis | None = None, **settings: Any) -> RateLimits:
    return RateLimits(config(**settings), shared=redis, clock=clock)


def rules(per: Any = "subject", limit: int = 2, window: float = 60.0, **more: Any) -> tuple[RateRule, ...]:
    rate = Rate(name=f"by-{per}", per=per, limit=limit, window=Seconds(window), **more)
    return compile_rates((rate,), (), public=False)


async def passes(
    counting: RateLimits, which: tuple[RateRule, ...], *, request: Facts | None = None, **caller: Any
) -> bool:
    return await asked(counting, which, request=request, **caller) is None


async def asked(
    counting: RateLimits, which: tuple[RateRule, ...], *, request: Facts | None = None, **caller: Any
) -> RateLimited | None:
    ending = Ending()
    ending.identity = identity(**caller)
    ending.route = compile_route(RouteSection(path="/orders"))
    ending.enter(RATES)
    try:
        await counting.check(which, request or facts(), ending)
    except RateLimited as refusal:
        return refusal
    return None


# In memory


async def test_each_caller_has_its_own_and_whoever_is_over_is_told_which_and_how_long() -> None:
    clock = Clock()
    counting = limits(clock=clock)
    assert [await passes(counting, rules()) for _ in range(3)] == [True, True, False]
    assert await passes(counting, rules(), subject="bob")
    refusal = await asked(counting, rules())
    assert refusal is not None
    assert (refusal.rate, refusal.retry_after) == ("by-subject", 30)
    assert refusal.evidence == "rate by-subject: 2 in 60s per subject"
    clock.now += 30
    assert [await passes(counting, rules()) for _ in range(2)] == [True, False]
    assert repr(counting) == "<RateLimits: <Buckets: 2 of 100000>>"


async def test_what_the_client_is_told_stands_beside_what_others_add_whether_it_passes_or_not() -> None:
    counting = limits(clock=Clock())
    both = (*rules(limit=1), *rules("client", limit=3))
    told: list[Any] = []
    for _ in range(2):
        ending = Ending()
        ending.identity = identity()
        ending.response_lines = ((b"Vary", b"Origin"),)
        ending.enter(RATES)
        try:
            await counting.check(both, facts(), ending)
        except RateLimited as refusal:
            told.append(refusal.rate)
        told.append(ending.response_lines)
    policy = (b"RateLimit-Policy", b'"by-subject";q=1;w=60, "by-client";q=3;w=60')
    assert told == [
        ((b"Vary", b"Origin"), policy, (b"RateLimit", b'"by-subject";r=0;t=60, "by-client";r=2;t=40')),
        "by-subject",
        ((b"Vary", b"Origin"), policy, (b"RateLimit", b'"by-subject";r=0;t=60, "by-client";r=2;t=40')),
    ]


async def test_an_address_is_the_clients_and_nobodys_where_nobody_says_whose(caplog: pytest.LogCaptureFixture) -> None:
    counting = limits(trusted_proxies=("10.0.0.0/8",))

    def via_proxy(*addresses: bytes) -> Facts:
        lines = [(b"X-Forwarded-For", address) for address in addresses]
        return facts(None, *lines, peer="10.0.0.1", trusted=True)

    which = rules("address", limit=1)
    assert await passes(counting, which, request=via_proxy(b"192.0.2.1"))
    assert not await passes(counting, which, request=via_proxy(b"203.0.113.9, 192.0.2.1"))
    assert await passes(counting, which, request=via_proxy(b"192.0.2.2"))
    assert caplog.records == []
    with caplog.at_level(logging.WARNING, "gateway"):
        for _ in range(3):
            assert await passes(counting, which, request=via_proxy())
            assert await passes(counting, (*which, *rules("route", limit=100)), request=via_proxy(b"unknown"))
    assert [record.getMessage() for record in caplog.records] == [
        "a rate per address does not count everybody: of 10.0.0.1, a trusted proxy, X-Forwarded-For names no address"
    ]


@pytest.mark.parametrize(
    ("keys", "counts"),
    [
        ({}, False),
        ({"rates": (Rate(name="a", per="subject", limit=1),)}, True),
        ({"routes": (RouteSection(path="/a", rates=(Rate(name="a", per="route", limit=1),)),)}, True),
        ({"routes": (RouteSection(path="/a", rates=None),)}, False),
        ({"bad_tokens": BadTokensSection(direct=True)}, True),
        ({"bad_tokens": "off"}, False),
    ],
)
def test_there_is_nobody_to_ask_where_nothing_is_counted(keys: dict[str, Any], *, counts: bool) -> None:
    made = rate_limits(config(**keys), Store(StoreSection(), read=lambda _: "", observer=Heard()))
    assert (made is not None) == counts
    assert (made is not None and made.bad_tokens is not None) == isinstance(keys.get("bad_tokens"), BadTokensSection)


# In Redis


PACES = st.tuples(st.integers(1, 50_000) | st.integers(1, 86_400 * SECOND) | st.integers(1, 300), st.integers(1, 5))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    paces=st.lists(PACES, min_size=1, max_size=3),
    start=st.lists(st.none() | st.integers(-SECOND, 3 * SECOND) | st.just("nonsense"), min_size=3, max_size=3),
    asks=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=10),
)
def test_redis_comes_to_the_same_as_python(
    redis: RedisServer, paces: list[tuple[int, int]], start: list[Any], asks: list[list[bool]]
) -> None:
    redis.ask("FLUSHALL")
    seconds, microseconds = (int(part) for part in redis.ask("TIME"))
    now = seconds * SECOND + microseconds
    known: list[int] = []
    for index, (offset, _) in enumerate(zip(start, paces, strict=False)):
        known.append(now + offset if isinstance(offset, int) else 0)
        if offset is not None:
            redis.ask("SET", f"b{index}", "x" if offset == "nonsense" else str(now + offset))
    for ask in asks:
        chosen = [index for index in range(len(paces)) if ask[index]]
        numbers = [str(number) for index in chosen for number in paces[index]]
        told = redis.ask("EVAL", SCRIPT.text, str(len(chosen)), *(f"b{index}" for index in chosen), *numbers)
        was_taken, now, *full_at = told
        expected = take(
            [known[index] for index in chosen],
            [Pace(*paces[index]) for index in chosen],
            now=now,
        )
        assert (bool(was_taken), tuple(full_at)) == (not expected.empty, expected.full_at)
        if was_taken:
            for index, time_ in zip(chosen, full_at, strict=True):
                known[index] = time_
                assert redis.ask("PTTL", f"b{index}") <= -(-(time_ - now) // 1000)


async def test_two_processes_and_one_redis_share_a_bucket_and_one_call_is_for_all_of_a_requests_rates(
    redis: RedisServer,
) -> None:
    heard = Heard()
    async with a_store(redis.section(), heard=heard) as one, a_store(redis.section()) as other:
        here, there = limits(redis=shared(one)), limits(redis=shared(other))
        both = (*rules(limit=3), *rules("client", limit=100))
        assert [await passes(counting, both) for counting in (here, there, here, there, here)] == [
            True, True, True, False, False
        ]  # fmt: skip
        assert await passes(there, both, subject="bob")
        # The fifth was known to be refused.
        assert heard.used == {("rates", "ok"): 2}
    keys = redis.dump()
    assert len([key for key in keys if b":rates:" in key]) == 3
    assert not any(name in repr(keys) for name in ("alice", "bob", "app", "by-subject"))


async def test_who_is_known_to_be_over_costs_redis_nothing_until_one_may_pass(redis: RedisServer) -> None:
    heard, clock = Heard(), Clock()
    async with a_store(redis.section(), heard=heard) as store:
        counting = limits(redis=shared(store), clock=clock)
        for _ in range(100):
            await passes(counting, rules(limit=1, window=60))
        assert heard.used == {("rates", "ok"): 1}
        clock.now += 60
        # The clock of Redis counts, and it has not gone on.
        assert not await passes(counting, rules(limit=1, window=60))
        assert heard.used == {("rates", "ok"): 2}


async def test_a_flood_at_two_processes_admits_what_one_would(redis: RedisServer) -> None:
    # Here nobody is to be let through for want of time.
    section = redis.section(timeout=Seconds(5))
    async with a_store(section) as one, a_store(section) as other:
        both = limits(redis=shared(one)), limits(redis=shared(other))
        which = rules(limit=20, window=3600)
        passed = await asyncio.gather(*(passes(both[number % 2], which) for number in range(200)))
        assert sum(passed) == 20


async def test_without_redis_this_process_goes_on_from_what_it_knew_within_the_time_it_has(redis: RedisServer) -> None:
    async with a_store(redis.section(timeout=Seconds(TIMEOUT))) as store:
        counting = limits(redis=shared(store))
        which = rules(limit=4, window=3600)
        assert [await passes(counting, which) for _ in range(2)] == [True, True]
        redis.pause()
        took = []
        passed = []
        for _ in range(4):
            started = time.perf_counter()
            passed.append(await passes(counting, which))
            took.append(time.perf_counter() - started)
        assert passed == [True, True, False, False]
        assert took[0] < TIMEOUT + LATE
        # From then on nobody waits at all.
        assert max(took[1:]) < TIMEOUT
        redis.go_on()
        await until(lambda: store.is_up)
        assert await passes(counting, which, subject="bob")
        redis.kill()
        assert [await passes(counting, which, subject="bob") for _ in range(4)] == [True, True, True, False]
        redis.start()
        await until(lambda: store.is_up)
        assert await passes(counting, which, subject="carol")


async def test_a_redis_that_takes_no_writes_is_none(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--maxmemory", "1mb", "--maxmemory-policy", "noeviction") as full:
        async with a_store(full.section()) as store:
            counting = limits(redis=shared(store))
            full.ask("CONFIG", "SET", "maxmemory", "1")
            assert [await passes(counting, rules()) for _ in range(3)] == [True, True, False]


async def test_closed_refuses_while_nobody_can_tell(redis: RedisServer) -> None:
    section = redis.section(timeout=Seconds(TIMEOUT), on_failure=StoreFailure(rates="closed"))
    async with a_store(section) as store:
        counting = limits(redis=shared(store), store=section)
        assert await passes(counting, rules())
        redis.kill()
        with pytest.raises(StoreUnavailable) as refused:
            await passes(counting, rules())
        assert refused.value.evidence == "rates cannot be counted: it cannot be reached"
        assert refused.value.retry_after == 5
        assert counting.refuses_what_it_counts() == refused.value.evidence


@pytest.mark.parametrize(
    ("keys", "refuses"),
    [
        ({}, True),
        ({"routes": (RouteSection(path="/a"), RouteSection(path="/b", access="public"))}, False),
        ({"routes": (RouteSection(path="/a"), RouteSection(path="/b", access="optional"))}, False),
        ({"routes": (RouteSection(path="/a"), RouteSection(path="/b", rates=None))}, False),
        ({"routes": (RouteSection(path="/a"),)}, True),
    ],
)
async def test_whoever_would_refuse_everything_is_not_ready(
    redis: RedisServer, keys: dict[str, Any], *, refuses: bool
) -> None:
    all_of_it = {"rates": (Rate(name="a", per="subject", limit=1),), **keys}
    section = redis.section(timeout=Seconds(TIMEOUT), on_failure=StoreFailure(rates="closed"))
    async with a_store(section) as store:
        assert rate_limits(config(**all_of_it, store=section), store) is not None
        assert store.refuses_everything() is None
        redis.kill()
        await until(lambda: not store.is_up)
        assert (store.refuses_everything() is not None) == refuses
    async with a_store(redis.section(timeout=Seconds(TIMEOUT))) as store:
        rate_limits(config(**all_of_it, store=redis.section()), store)
        assert store.refuses_everything() is None


async def test_a_redis_that_was_never_reached_is_none(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    redis.kill()
    caplog.set_level(logging.ERROR)
    async with a_store(redis.section(timeout=Seconds(TIMEOUT))) as store:
        counting = limits(redis=shared(store))
        assert [await passes(counting, rules()) for _ in range(3)] == [True, True, False]
    assert repr(counting) == "<RateLimits: <Buckets: 1 of 100000>, shared>"
    assert caplog.records == []
