"""A proof is used once: in one process, at every replica that shares a Redis, and whatever becomes of that."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest

from gateway.core.config.dpop import DPoPSection
from gateway.core.config.file import Config
from gateway.core.config.store import StoreFailure, StoreSection
from gateway.core.errors import ProofReplayed, Refusal, ReplayMemoryFull, StoreUnavailable
from gateway.core.proof.dpop import Proof
from gateway.events import ProofsKnown
from gateway.store.replays import ProcessReplays, SharedReplays, replays_of
from tests.redis_server import RedisServer
from tests.signer import NOW, issuer
from tests.store.heard import Heard, a_store
from tests.wire import until

THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
_SERIAL = count()


def a_proof(*, now: float = NOW, age: float = 0.0, jti: str = "", thumbprint: str = THUMBPRINT) -> Proof:
    made = now - age
    return Proof(jti=jti or f"jti-{next(_SERIAL)}", thumbprint=thumbprint, issued_at=made, until=made + 100)


def fresh(**changes: Any) -> Proof:
    """One of now, by the clock that Redis has as well."""
    return a_proof(now=time.time(), **changes)


def config(store: StoreSection | None = None, *, binding: Any = "any", **settings: Any) -> Config:
    return Config(
        upstream="http://127.0.0.1:1",
        issuers=(issuer(binding=binding),),
        dpop=DPoPSection(),
        external_url="https://api.example.com",
        store=store or StoreSection(),
        **settings,
    )


async def uses(replays: ProcessReplays | SharedReplays, proof: Proof) -> str:
    try:
        await replays.use(proof)
    except Refusal as refusal:
        return refusal.reason
    return "new"


# In memory


async def test_one_process_remembers_a_proof_until_it_would_be_refused_for_its_age() -> None:
    now = [NOW]
    heard = Heard()
    replays = ProcessReplays(observer=heard, clock=lambda: now[0])
    once = a_proof(jti="a")
    assert [await uses(replays, once) for _ in range(3)] == ["new", "proof_replayed", "proof_replayed"]
    assert await uses(replays, a_proof(jti="a", thumbprint="x" * 43)) == "new"
    assert await uses(replays, a_proof(jti="b")) == "new"
    replays.look()
    replays.look()
    now[0] += 99
    replays.look()
    assert await uses(replays, once) == "proof_replayed"
    now[0] += 20
    replays.look()
    assert [event for event in heard.events if isinstance(event, ProofsKnown)] == [ProofsKnown(3), ProofsKnown(0)]
    assert repr(replays) == "ProcessReplays(UsedProofs(0 in 0 spans))"


async def test_parts_are_not_mistaken_for_each_other() -> None:
    replays = ProcessReplays(observer=Heard(), clock=lambda: NOW)
    assert await uses(replays, a_proof(jti="b.c", thumbprint="a" * 43)) == "new"
    assert await uses(replays, a_proof(jti="c", thumbprint="a" * 43)) == "new"
    assert await uses(replays, a_proof(jti="ü\x00", thumbprint="a" * 43)) == "new"


async def test_a_full_memory_refuses_and_forgets_nothing(caplog: pytest.LogCaptureFixture) -> None:
    replays = ProcessReplays(observer=Heard(), clock=lambda: NOW, most=2)
    first = a_proof()
    assert await uses(replays, first) == "new"
    assert await uses(replays, a_proof()) == "new"
    for _ in range(3):
        with pytest.raises(ReplayMemoryFull) as caught:
            await replays.use(a_proof())
    assert (caught.value.status, caught.value.retry_after) == (503, 5)
    assert await uses(replays, first) == "proof_replayed"
    assert [record.getMessage() for record in caplog.records] == [
        "the memory of used DPoP proofs is full: requests with one are refused with 503"
    ]


# In Redis


@asynccontextmanager
async def two(
    redis: RedisServer, *, replay: Any = "closed", heard: Heard | None = None, **settings: Any
) -> AsyncIterator[list[SharedReplays]]:
    """Two replicas that share it."""
    section = redis.section(on_failure=StoreFailure(replay=replay), timeout=0.25)
    whole = config(section, **settings)
    async with a_store(section, heard=heard) as one, a_store(section) as other:
        found = [replays_of(whole, store, observer=heard or Heard(), clock=time.time) for store in (one, other)]
        assert all(isinstance(replays, SharedReplays) for replays in found)
        yield [replays for replays in found if isinstance(replays, SharedReplays)]


async def test_of_fifty_at_one_moment_at_two_replicas_one_is_the_first(redis: RedisServer) -> None:
    heard = Heard()
    async with two(redis, heard=heard) as replicas:
        for _ in range(4):
            once = fresh()
            # More than have a connection at a time wait within their budget.
            results = await asyncio.gather(*(uses(replicas[number % 2], once) for number in range(50)))
            assert sorted(results) == ["new"] + ["proof_replayed"] * 49
        assert [await uses(replicas[1], fresh()) for _ in range(2)] == ["new", "new"]
        assert heard.used["replay", "ok"] == 100
        assert repr(replicas[0]).startswith("SharedReplays(Redis(")


async def test_it_is_kept_there_for_its_time_and_nothing_is_told_of_it(redis: RedisServer) -> None:
    async with two(redis) as replicas:
        once = fresh(jti="a very telling jti of alice")
        assert await uses(replicas[0], once) == "new"
        kept = {key: redis.ask("PTTL", key) for key in redis.dump() if b"replay:" in key}
    assert len(kept) == 2
    lasting = [left for left in kept.values() if left > 0]
    assert len(lasting) == 1
    assert 90_000 < lasting[0] <= 100_000
    whole = repr(redis.dump()).encode()
    assert b"alice" not in whole
    assert THUMBPRINT.encode() not in whole


async def test_what_is_nearly_over_is_kept_for_a_moment(redis: RedisServer) -> None:
    async with two(redis) as replicas:
        assert await uses(replicas[0], fresh(age=100)) == "new"


@pytest.mark.parametrize(("replay", "again"), [("closed", "store_unavailable"), ("local", "proof_replayed")])
async def test_while_it_cannot_be_had_nobody_passes_or_each_goes_by_what_it_knows(
    redis: RedisServer, replay: str, again: str
) -> None:
    async with two(redis, replay=replay) as replicas:
        before = fresh()
        assert await uses(replicas[0], before) == "new"
        redis.kill()
        assert await uses(replicas[0], before) == again
        once = fresh()
        results = [await uses(replicas[0], once), await uses(replicas[0], once), await uses(replicas[1], once)]
        if replay == "closed":
            assert results == ["store_unavailable"] * 3
        else:
            # UNSAFE, as configured: the other replica does not hear of it.
            assert results == ["new", "proof_replayed", "new"]


async def test_of_a_redis_that_forgot_no_proof_is_believed_that_may_have_been_used(redis: RedisServer) -> None:
    async with two(redis) as replicas:
        before, not_used = fresh(), fresh()
        assert await uses(replicas[0], before) == "new"
        assert await uses(replicas[1], fresh()) == "new"
        redis.ask("FLUSHALL")
        # Its names are known here, and the first to come finds out: also what was never used may have been.
        for replica in replicas:
            assert await uses(replica, before) in {"store_unavailable", "proof_replayed"}
            assert await uses(replica, not_used) in {"store_unavailable", "proof_replayed"}
        # A proof of after that is believed, whose clock is not ahead.
        later = a_proof(now=time.time() + 6)
        assert await uses(replicas[1], later) == "new"
        assert await uses(replicas[0], later) == "proof_replayed"


async def test_who_begins_after_a_loss_hears_of_it_from_the_others(redis: RedisServer) -> None:
    async with two(redis) as replicas:
        before = fresh()
        assert await uses(replicas[0], before) == "new"
        redis.ask("FLUSHALL")
        assert await uses(replicas[0], before) == "store_unavailable"
        # The names are put back by whoever knew them.
        await until(lambda: any(b"names:" in key for key in redis.dump()))
        async with two(redis) as later:
            assert await uses(later[0], fresh(age=1)) == "store_unavailable"


async def test_a_redis_that_is_started_anew_is_one_that_forgot(redis: RedisServer) -> None:
    async with two(redis) as replicas:
        before = fresh()
        assert await uses(replicas[0], before) == "new"
        redis.kill()
        assert await uses(replicas[0], before) == "store_unavailable"
        redis.start()

        async def is_back() -> bool:
            return await uses(replicas[0], a_proof(now=time.time() + 7)) == "new"

        async with asyncio.timeout(10):
            while not await is_back():  # noqa: ASYNC110 -- of another program
                await asyncio.sleep(0.02)
        assert await uses(replicas[0], before) == "store_unavailable"
        assert await uses(replicas[1], before) in {"store_unavailable", "proof_replayed"}


# As configured


async def test_there_is_none_without_dpop_and_one_of_its_own_without_a_store_or_for_what_is_only_explained(
    redis: RedisServer,
) -> None:
    heard: Any = Heard()
    async with a_store(StoreSection()) as store:
        without = Config(upstream="http://127.0.0.1:1", issuers=(issuer(),))
        assert replays_of(without, store, observer=heard, clock=time.time) is None
        assert isinstance(replays_of(config(), store, observer=heard, clock=time.time), ProcessReplays)
    section = redis.section()
    async with a_store(section) as store:
        explained = replays_of(config(section), store, observer=heard, clock=time.time, counts=False)
        assert isinstance(explained, ProcessReplays)


@pytest.mark.parametrize(
    ("binding", "replay", "refuses"), [("dpop", "closed", True), ("any", "closed", False), ("dpop", "local", False)]
)
async def test_where_every_token_needs_a_proof_no_store_means_not_ready(
    redis: RedisServer, binding: str, replay: Any, *, refuses: bool
) -> None:
    section = redis.section(on_failure=StoreFailure(replay=replay))
    async with a_store(section) as store:
        replays = replays_of(config(section, binding=binding), store, observer=Heard(), clock=time.time)
        assert replays is not None
        assert store.refuses_everything() is None
        replays.look()
        redis.kill()
        assert await uses(replays, fresh()) == ("new" if replay == "local" else "store_unavailable")
        assert (store.refuses_everything() is not None) is refuses
        if refuses:
            assert str(store.refuses_everything()).startswith("used proofs cannot be known: ")


def test_the_refusals_are_those_that_say_so() -> None:
    assert issubclass(ReplayMemoryFull, StoreUnavailable)
    assert ReplayMemoryFull.reason == StoreUnavailable.reason
    assert ProofReplayed.code == "invalid_dpop_proof"
