"""Who may ask an issuer now, and who waits: one call at a time for one thing, so many in all, not all for one client.

Knows nothing of what is asked. Theory of operation: everybody who asks is a waiter of one flight. A flight is under way
or queued behind the others of the client address that began it; when one ends, the addresses take turns.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from contextvars import copy_context
from typing import Final, Generic, TypeVar

T = TypeVar("T")

#: calls under way
MAX_FLIGHTS: Final = 64
#: of them those that one client address began, while others want to as well
MAX_OF_ONE: Final = 8
#: requests that wait, for a call under way or for their turn
MAX_WAITERS: Final = 1024


class Crowded(Exception):
    """More requests wait than may. The sentence is for operators."""


class _Flight(Generic[T]):
    """One call, under way or queued, and who waits for what comes of it."""

    __slots__ = ("call", "context", "key", "sender", "task", "waiters")

    def __init__(self, key: Hashable, call: Callable[[], Awaitable[T]], sender: str | None) -> None:
        self.key = key
        self.call = call
        self.sender = sender
        #: of whoever wanted it first. Most begin when another call ends, in whose context they would go on counting.
        self.context = copy_context()
        self.task: asyncio.Task[None] | None = None
        self.waiters: set[asyncio.Future[T]] = set()


class Flights(Generic[T]):
    """The calls to one issuer."""

    def __init__(self, *, flights: int = MAX_FLIGHTS, of_one: int = MAX_OF_ONE, waiters: int = MAX_WAITERS) -> None:
        """`flights`: calls at a time. `of_one`: of one client address. `waiters`: requests that wait for them."""
        self._most = flights
        self._of_one = of_one
        self._most_waiters = waiters
        self._flights: dict[Hashable, _Flight[T]] = {}
        #: calls under way by client address
        self._under_way: dict[str | None, int] = {}
        #: those that wait for their turn by client address; the address whose turn it is next stands first
        self._queues: OrderedDict[str | None, OrderedDict[Hashable, _Flight[T]]] = OrderedDict()
        #: who waits by client address, the latest last, each with its flight
        self._waiting: dict[str | None, dict[asyncio.Future[T], _Flight[T]]] = {}
        self._stopped = False

    def __repr__(self) -> str:
        queued = sum(map(len, self._queues.values()))
        return f"Flights({sum(self._under_way.values())} under way, {queued} queued, {self.waiting} waiting)"

    @property
    def waiting(self) -> int:
        """How many requests wait now."""
        return sum(map(len, self._waiting.values()))

    async def join(self, key: Hashable, call: Callable[[], Awaitable[T]], *, sender: str | None = None) -> T:
        """What `call` gives or raises: made now, in its turn, or by somebody who asks for the same `key` meanwhile.

        `sender`: the client address that the request counts for; None: nobody says, and they all count as one. A
        request that goes away leaves the call to the others. Crowded: there is no room to wait, or `stop` was called.
        """
        if self._stopped:
            raise Crowded("the gateway is stopping")
        self._make_room(sender)
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(key, call, sender)
            self._queues.setdefault(sender, OrderedDict())[key] = flight
        waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        flight.waiters.add(waiter)
        self._waiting.setdefault(sender, {})[waiter] = flight
        self._begin_those_whose_turn_it_is()
        try:
            return await waiter
        finally:
            self._leave(waiter, sender, flight)

    async def stop(self) -> None:
        """Ends all calls; whoever waits gets Crowded. May be called twice."""
        self._stopped = True
        tasks = [flight.task for flight in self._flights.values() if flight.task is not None]
        for waiting in self._waiting.values():
            for waiter in waiting:
                _fail(waiter, Crowded("the gateway is stopping"))
        self._queues.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _make_room(self, sender: str | None) -> None:
        """Room for one more that waits: the address with the most gives way to others. Crowded: it is this one."""
        if self.waiting < self._most_waiters:
            return
        largest = max(self._waiting, key=lambda other: len(self._waiting[other]))
        if len(self._waiting[largest]) <= len(self._waiting.get(sender, ())) + 1:
            raise Crowded(f"{self._most_waiters} requests wait for this issuer already")
        latest = next(reversed(self._waiting[largest]))
        _fail(latest, Crowded("other client addresses want a turn as well"))
        # Now, not when it hears of it: until then others may come.
        self._leave(latest, largest, self._waiting[largest][latest])

    def _leave(self, waiter: asyncio.Future[T], sender: str | None, flight: _Flight[T]) -> None:
        """Nobody waits there any more. May be called twice."""
        flight.waiters.discard(waiter)
        waiting = self._waiting.get(sender)
        if waiting is not None:
            waiting.pop(waiter, None)
            if not waiting:
                del self._waiting[sender]
        if not flight.waiters and flight.task is None and self._flights.get(flight.key) is flight:
            # It never began, and nobody wants it now.
            del self._flights[flight.key]
            self._take_from_queue(flight)

    def _take_from_queue(self, flight: _Flight[T]) -> None:
        queue = self._queues.get(flight.sender)
        if queue is not None:
            queue.pop(flight.key, None)
            if not queue:
                del self._queues[flight.sender]

    def _begin_those_whose_turn_it_is(self) -> None:
        while (flight := self._next()) is not None:
            self._take_from_queue(flight)
            if flight.sender in self._queues:
                self._queues.move_to_end(flight.sender)
            self._under_way[flight.sender] = self._under_way.get(flight.sender, 0) + 1
            flight.task = asyncio.create_task(self._fly(flight), name="a call to an issuer", context=flight.context)

    def _next(self) -> _Flight[T] | None:
        """The flight that may begin now, if there is one."""
        free = self._most - sum(self._under_way.values())
        if free <= 0:
            return None
        is_alone = len(self._queues.keys() | self._under_way.keys()) == 1
        for sender, queue in self._queues.items():
            # One whose address is known leaves a place free, so that whoever comes next need not wait for it.
            if (is_alone and (sender is None or free > 1)) or self._under_way.get(sender, 0) < self._of_one:
                return next(iter(queue.values()))
        return None

    async def _fly(self, flight: _Flight[T]) -> None:
        try:
            result = await flight.call()
        except asyncio.CancelledError:
            for waiter in flight.waiters:
                _fail(waiter, Crowded("the gateway is stopping"))
            raise
        except Exception as error:  # noqa: BLE001 -- it is theirs who wait
            for waiter in flight.waiters:
                _fail(waiter, error)
        else:
            for waiter in flight.waiters:
                if not waiter.done():
                    waiter.set_result(result)
        finally:
            self._flights.pop(flight.key, None)
            left = self._under_way[flight.sender] - 1
            if left:
                self._under_way[flight.sender] = left
            else:
                del self._under_way[flight.sender]
            if not self._stopped:
                self._begin_those_whose_turn_it_is()


def _fail(waiter: asyncio.Future[T], error: Exception) -> None:
    if not waiter.done():
        waiter.set_exception(error)
