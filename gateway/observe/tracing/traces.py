"""Traces of a running gateway: what was noted of requests becomes spans, which wait in a queue for the collector.

Theory of operation: whoever has a span puts it into the queue, or drops it when that is full, and never waits. One task
takes batches from it. A batch that the collector could not take is tried again, later each time; meanwhile the queue
fills up, and what finds no room is dropped and counted. So a collector that stands still costs requests nothing.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextvars import Context
from typing import Final, Protocol

from gateway.events import Event, SpansEnded, StoreUsed
from gateway.observe.tracing.otlp import NotTaken
from gateway.observe.tracing.spans import Span, Teller
from gateway.ports import Ending
from gateway.sampled import Errand, Part, Sampler, Traced, current

#: spans that wait
QUEUE: Final = 2048
#: spans that are sent together
BATCH: Final = 256
#: seconds that spans are gathered for a batch that is not full
GATHER: Final = 1.0
#: seconds between two attempts to send a batch: at first, and at most
_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
#: seconds for what is left at the end
LAST_CALL: Final = 2.0

log = logging.getLogger("gateway")


class Sink(Protocol):
    """Who takes spans."""

    async def send(self, spans: Iterable[Span]) -> int:
        """A batch; how many of them were not wanted. NotTaken."""

    async def close(self) -> None:
        """Ends it."""


class Traces:
    """What is traced, and where it goes. After making one you must call `close`."""

    def __init__(
        self,
        share: float,
        *,
        teller: Teller,
        sink: Sink,
        happened: Callable[[Event], None],
        queue: int = QUEUE,
        gather: float = GATHER,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`share` of requests, from 0 to 1. `happened`: hears how many spans were sent and dropped."""
        self.sampler: Final = Sampler(share, ended=self.part_ended, errand_ended=self.errand_ended)
        self._teller = teller
        self._sink = sink
        self._happened = happened
        self._most = queue
        self._gather = gather
        self._sleep = sleep
        self._waiting: deque[Span] = deque()
        #: being sent
        self._batch: list[Span] = []
        #: there is something to send; there is enough for a batch
        self._some, self._enough = asyncio.Event(), asyncio.Event()
        self._is_failing = self._is_closed = False
        self._sending: asyncio.Task[None] | None = None
        # An increase from nothing is none: the first that is dropped is to be seen.
        for result in ("sent", "dropped"):
            happened(SpansEnded(result, 0))

    def __repr__(self) -> str:
        return f"<Traces {len(self._waiting)} waiting, {len(self._batch)} under way>"

    def request_ended(self, ending: Ending) -> None:
        """A request is over that is traced, or that could not be read."""
        if isinstance(ending, Traced):
            ending.end()
        elif not self.sampler.takes_unread():
            return
        if self._has_room():
            try:
                spans = self._teller.of_request(ending)
            except Exception as error:  # noqa: BLE001 -- a bug, of which a request must not hear; it may quote what came
                log.error("a span could not be made: %s", type(error).__name__)  # noqa: TRY400
                return
            for span in spans:
                self._add(span)

    def part_ended(self, part: Part) -> None:
        """Somebody was asked on behalf of a traced request."""
        self._add(self._teller.of_part(part))

    def errand_ended(self, errand: Errand) -> None:
        """What no request waited for is over."""
        self._add(self._teller.of_errand(errand))

    def happened(self, event: Event) -> None:
        """One of the rare facts: the store was used on behalf of a request."""
        if isinstance(event, StoreUsed):
            request = current()
            if request is not None:
                part = Part(request, event.use)
                part.started -= event.seconds
                part.end(error=None if event.result == "ok" else event.result)

    def _has_room(self) -> bool:
        if self._is_closed or len(self._waiting) >= self._most:
            self._happened(SpansEnded("dropped", 1))
            return False
        return True

    def _add(self, span: Span) -> None:
        if not self._has_room():
            return
        self._waiting.append(span)
        self._some.set()
        if self._sending is None:
            # In no request's context, in which it would go on for good.
            self._sending = asyncio.create_task(self._keep_sending(), name="spans", context=Context())
        if len(self._waiting) >= BATCH:
            self._enough.set()

    async def close(self, *, seconds: float = LAST_CALL) -> None:
        """Sends what is left, within so many seconds and never more than two, and ends. May be called twice."""
        self._is_closed = True
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
            self._sending = None
            with contextlib.suppress(TimeoutError, NotTaken):
                async with asyncio.timeout(max(0.0, min(LAST_CALL, seconds))):
                    while self._take():
                        await self._send()
        if left := len(self._batch) + len(self._waiting):
            self._happened(SpansEnded("dropped", left))
            log.warning("%d spans were dropped: the collector did not take them in time", left)
        self._batch = []
        self._waiting.clear()
        await self._sink.close()

    def _take(self) -> bool:
        """Takes a batch, unless one is under way; False: there is nothing to send."""
        while self._waiting and len(self._batch) < BATCH:
            self._batch.append(self._waiting.popleft())
        self._enough.clear()
        if not self._waiting:
            self._some.clear()
        return bool(self._batch)

    async def _keep_sending(self) -> None:
        while True:
            await self._some.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._gather):
                    await self._enough.wait()
            if self._take():
                await self._send_until_taken()

    async def _send_until_taken(self) -> None:
        pause = _PAUSE
        while self._batch:
            failure = await self._attempt()
            if failure is None:
                return
            if not failure.again:
                self._happened(SpansEnded("dropped", len(self._batch)))
                self._batch = []
                return
            await self._sleep(min(_LONGEST_PAUSE, max(pause, failure.after or 0.0)))
            pause *= 2

    async def _attempt(self) -> NotTaken | None:
        """Sends the batch; why it was not taken, which is said in the log once."""
        try:
            await self._send()
        except NotTaken as failure:
            if not self._is_failing:
                log.warning("tracing.endpoint does not take spans: %s", failure)
            self._is_failing = True
            return failure
        if self._is_failing:
            log.info("tracing.endpoint takes spans again")
        self._is_failing = False
        return None

    async def _send(self) -> None:
        unwanted = min(len(self._batch), await self._sink.send(self._batch))
        self._happened(SpansEnded("sent", len(self._batch) - unwanted))
        if unwanted:
            self._happened(SpansEnded("dropped", unwanted))
        self._batch = []
