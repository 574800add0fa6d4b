"""Which connection a request gets, and who waits for one. Opens nothing, waits for nothing: counts and queues."""

# A request has a place from `take`, `reserve` or the end of its wait until its connection is given back, was lost, or
# could not be opened. What it gets, in this order:
#
# 1. a connection that is idle and sound: the one used last, so that those too many grow old and are closed;
# 2. room for a new one, while fewer than `most` are open or being opened;
# 3. a number in the queue.
#
# A place that becomes free goes at once to the one who waits longest. So nobody waits who could be served, and
# idle + busy + opening <= most.

import asyncio
from collections import OrderedDict
from typing import Final

from gateway.relay.upstream.connection import UpstreamConnection

#: what a waiter gets: a connection, or (None) room to open one
Grant = UpstreamConnection | None


class Pool:
    """The connections of one upstream."""

    __slots__ = ("_idle", "_number", "_open", "_opening", "_waiting", "most")

    def __init__(self, most: int) -> None:
        """`most`: connections at a time."""
        self.most: Final = most
        self._open: set[UpstreamConnection] = set()
        #: the most recently used last
        self._idle: list[UpstreamConnection] = []
        #: places of those who open a connection
        self._opening = 0
        #: by number, in order: whoever gives up is removed from anywhere at no cost
        self._waiting: OrderedDict[int, asyncio.Future[Grant]] = OrderedDict()
        self._number = 0

    def __repr__(self) -> str:
        return (
            f"<Pool of {self.most}: {len(self._idle)} idle, {len(self._open) - len(self._idle)} busy, "
            f"{self._opening} opening, {len(self._waiting)} waiting>"
        )

    @property
    def connections(self) -> tuple[UpstreamConnection, ...]:
        """All that are open."""
        return tuple(self._open)

    def counts(self) -> tuple[int, int]:
        """How many are idle, and how many busy."""
        return len(self._idle), len(self._open) - len(self._idle)

    # For one request

    def take(self) -> UpstreamConnection | None:
        """The idle connection that was used last, if one is sound. Those that are not are closed."""
        while self._idle:
            connection = self._idle.pop()
            connection.is_idle = False
            if connection.is_sound():
                return connection
            self._drop(connection)
        return None

    def reserve(self) -> bool:
        """Takes room for a new connection, if there is any. Then one must be `opened`, or `failed` to be."""
        if len(self._open) + self._opening >= self.most:
            if not self._idle:
                return False
            # Only who may have none that is idle comes here while one is.
            self._drop(self._idle.pop(0))
        self._opening += 1
        return True

    def wait(self, waiter: "asyncio.Future[Grant]") -> int:
        """Queues; the number to `leave` by. Once the future is done, the place it stands for is the waiter's."""
        self._number += 1
        self._waiting[self._number] = waiter
        return self._number

    def leave(self, number: int) -> None:
        """Gave up waiting."""
        self._waiting.pop(number, None)

    def decline(self, grant: Grant) -> None:
        """Does not want what it waited for."""
        if grant is None:
            self.failed()
        elif grant in self._open:
            self._rest(grant)

    def replace(self, connection: UpstreamConnection) -> bool:
        """Closes a connection and takes room for a new one in its place.

        False: it ended before, and its place was given to somebody else.
        """
        if connection not in self._open:
            return False
        self._drop(connection)
        self._opening += 1
        return True

    def opened(self, connection: UpstreamConnection) -> None:
        """A connection in the room that was reserved."""
        self._opening -= 1
        if connection.is_lost:
            self._serve_waiting()
        else:
            self._open.add(connection)

    def failed(self) -> None:
        """No connection came of the room that was reserved."""
        self._opening -= 1
        self._serve_waiting()

    def give_back(self, connection: UpstreamConnection) -> None:
        """The request is over: the connection is kept when it can be, else closed."""
        if connection.is_reusable:
            connection.rest()
            self._rest(connection)
        elif not connection.is_lost:
            connection.abort()

    # Whatever happens to connections

    def lost(self, connection: UpstreamConnection) -> None:
        """A connection ended."""
        if connection in self._open:
            self._open.discard(connection)
            if connection.is_idle:
                self._idle.remove(connection)
            self._serve_waiting()

    def close_idle(self, before: float) -> None:
        """Closes those that nobody used since then (loop time)."""
        while self._idle and self._idle[0].idle_since < before:
            self._drop(self._idle.pop(0))

    def _rest(self, connection: UpstreamConnection) -> None:
        connection.is_idle = True
        self._idle.append(connection)
        if self._waiting:
            self._serve_waiting()

    def _drop(self, connection: UpstreamConnection) -> None:
        """Closes one that was idle: its room is free from now on, not from when the loop is done with it."""
        self._open.discard(connection)
        connection.abort()

    def _serve_waiting(self) -> None:
        """Gives what there is to those who wait, the one who waits longest first."""
        while self._waiting:
            number, waiter = next(iter(self._waiting.items()))
            if waiter.done():
                # Cancelled, and not yet gone.
                del self._waiting[number]
                continue
            grant = self.take()
            if grant is None and not self.reserve():
                return
            del self._waiting[number]
            waiter.set_result(grant)
