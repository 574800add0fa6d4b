"""The queue before the collector: what waits, what is dropped and counted, and what the end takes along."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest

from gateway.core.config.file import Config
from gateway.core.errors import BadRequest
from gateway.events import Event, KeysSuppressed, SpansEnded, StoreUsed
from gateway.observe.tracing.otlp import NotTaken
from gateway.observe.tracing.spans import Span, Teller
from gateway.observe.tracing.traces import BATCH, QUEUE, Traces
from gateway.ports import Ending
from gateway.sampled import Traced
from tests.memory import facts
from tests.signer import issuer
from tests.wire import until

CONFIG = Config(upstream="http://127.0.0.1:3000", issuers=(issuer(),))


class Sink:
    """Takes batches, or not."""

    def __init__(self) -> None:
        self.batches: list[list[Span]] = []
        self.attempts = 0
        self.failure: NotTaken | None = None
        self.unwanted = 0
        self.awake = asyncio.Event()
        self.awake.set()
        self.closed = 0

    async def send(self, spans: Iterable[Span]) -> int:
        self.attempts += 1
        await self.awake.wait()
        if self.failure is not None:
            raise self.failure
        self.batches.append(list(spans))
        return self.unwanted

    async def close(self) -> None:
        self.closed += 1


class Running:
    def __init__(self, *, share: float = 1.0, gather: float = 0.0) -> None:
        self.sink = Sink()
        self.counts: Counter[str] = Counter()
        self.naps: list[float] = []
        self.napping = asyncio.Event()
        self.traces = Traces(
            share,
            teller=Teller(lambda: CONFIG),
            sink=self.sink,
            happened=self.heard,
            gather=gather,
            sleep=self.sleep,
        )

    def heard(self, event: Event) -> None:
        assert isinstance(event, SpansEnded)
        self.counts[event.result] += event.count

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.napping.set()
        await asyncio.sleep(0)

    def request(self) -> Traced:
        told = facts()
        ending, _ = self.traces.sampler.begin(Ending(), told, time.perf_counter())
        assert isinstance(ending, Traced)
        ending.status = 200
        self.traces.request_ended(ending)
        return ending

    @property
    def sent(self) -> int:
        return sum(map(len, self.sink.batches))


@asynccontextmanager
async def running(**settings: float) -> AsyncIterator[Running]:
    it = Running(**settings)
    try:
        yield it
    finally:
        it.sink.awake.set()
        it.sink.failure = None
        await it.traces.close()


async def test_spans_are_sent_together_and_counted() -> None:
    async with running(gather=0.05) as it:
        for _ in range(3):
            it.request()
        await until(lambda: it.counts["sent"] == 3)
        assert [len(batch) for batch in it.sink.batches] == [3]
        assert it.counts == {"sent": 3, "dropped": 0}


async def test_a_full_batch_is_not_gathered_for() -> None:
    async with running(gather=60.0) as it:
        for _ in range(BATCH):
            it.request()
        await until(lambda: it.sent == BATCH)


async def test_a_collector_that_stands_still_holds_nobody_up_and_what_finds_no_room_is_counted() -> None:
    async with running() as it:
        it.sink.awake.clear()
        it.request()
        await until(lambda: it.sink.attempts == 1)
        for _ in range(QUEUE + 100):
            it.request()
        assert it.counts["dropped"] == 100
        assert repr(it.traces) == f"<Traces {QUEUE} waiting, 1 under way>"
        it.sink.awake.set()
        await until(lambda: it.sent == QUEUE + 1)


async def test_parts_are_dropped_as_well() -> None:
    async with running() as it:
        it.sink.awake.clear()
        for _ in range(QUEUE):
            it.request()
        request, _ = it.traces.sampler.begin(Ending(), facts(), 0.0)
        assert isinstance(request, Traced)
        it.traces.happened(StoreUsed("rates", "ok", 0.001))
        assert it.counts["dropped"] == 1


async def test_a_batch_that_may_be_sent_again_is_later_each_time(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as it:
        it.sink.failure = NotTaken("the response has status 503", again=True)
        it.request()
        await until(lambda: len(it.naps) >= 7)
        assert it.naps[:7] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
        it.sink.failure = NotTaken("the response has status 429", again=True, after=7.0)
        it.sink.failure = None
        await until(lambda: it.sent == 1)
        await until(lambda: "takes spans again" in caplog.text or True)
    assert caplog.text.count("tracing.endpoint does not take spans: the response has status 503") == 1
    assert it.counts == {"sent": 1, "dropped": 0}


async def test_a_collector_that_says_when_is_believed_within_reason() -> None:
    async with running() as it:
        it.sink.failure = NotTaken("busy", again=True, after=7.0)
        it.request()
        await it.napping.wait()
        assert it.naps[0] == 7.0
        it.sink.failure = NotTaken("busy", again=True, after=86400.0)
        await until(lambda: it.naps[-1] != 7.0)
        assert it.naps[-1] == 30.0


async def test_a_batch_that_is_refused_is_dropped_and_counted() -> None:
    async with running() as it:
        it.sink.failure = NotTaken("the response has status 400", again=False)
        it.request()
        it.request()
        await until(lambda: it.counts["dropped"] == 2)
        it.sink.failure = None
        it.sink.unwanted = 1
        it.request()
        await until(lambda: it.counts["dropped"] == 3)
        assert it.counts["sent"] == 0


async def test_the_end_takes_along_what_waits() -> None:
    it = Running(gather=60.0)
    for _ in range(BATCH + 10):
        it.request()
    await it.traces.close()
    assert it.sent == BATCH + 10
    await it.traces.close()
    assert it.sink.closed == 2
    it.request()
    assert (repr(it.traces), it.counts["dropped"]) == ("<Traces 0 waiting, 0 under way>", 1)


async def test_the_end_waits_no_longer_than_it_may() -> None:
    it = Running()
    it.sink.awake.clear()
    it.request()
    await until(lambda: it.sink.attempts == 1)
    it.request()
    began = time.monotonic()
    await it.traces.close(seconds=0.05)
    assert time.monotonic() - began < 1.5
    assert it.counts == {"sent": 0, "dropped": 2}


async def test_a_collector_that_fails_at_the_end_is_not_asked_twice() -> None:
    it = Running(gather=60.0)
    it.sink.failure = NotTaken("gone", again=True)
    it.request()
    await it.traces.close()
    assert (it.sink.attempts, it.counts["dropped"]) == (1, 1)


async def test_of_what_could_not_be_read_a_share_is_told() -> None:
    async with running() as it:
        it.traces.request_ended(Ending(status=400, refusal=BadRequest("no Host")))
        await until(lambda: it.sent == 1)
        (span,) = it.sink.batches[0]
        assert span.attributes["bearer_gateway.reason"] == BadRequest.reason
    async with running(share=0.0) as it:
        it.traces.request_ended(Ending(status=400, refusal=BadRequest("no Host")))
        assert repr(it.traces) == "<Traces 0 waiting, 0 under way>"


async def test_a_bug_in_what_is_told_ends_no_request(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as it:
        request, _ = it.traces.sampler.begin(Ending(), facts(), 0.0)
        assert isinstance(request, Traced)
        request.times.append(1.0)
        it.traces.request_ended(request)
        assert "a span could not be made: ValueError" in caplog.text


async def test_the_store_is_a_part_and_other_facts_are_none() -> None:
    async with running() as it:
        request, _ = it.traces.sampler.begin(Ending(), facts(), time.perf_counter())
        assert isinstance(request, Traced)
        it.traces.happened(KeysSuppressed("a"))
        it.traces.happened(StoreUsed("rates", "timeout", 0.25))
        it.traces.request_ended(request)
        it.traces.happened(StoreUsed("rates", "ok", 0.25))
        await until(lambda: it.sent == 2)
        store = it.sink.batches[0][0]
        assert (store.name, store.parent_id, store.is_error) == ("store rates", request.span_id, True)
        assert store.attributes["error.type"] == "timeout"
        assert 0.24 < (store.ended - store.started) / 1e9 < 1.0
