"""Which connection a request gets, and who waits for one. Opens nothing, waits for nothing: counts and queues."""

# A request has a place from `take`, `reserve` or the end of its wait until its connection is given back, was lost, or
# could not be opened. What it gets, in this order:
#
# 0. a number in its kind's queue, where its kind has its share: those who showed no token, and tunnels, which may last
#    for ever, get three quarters of the places at most, each for themselves;
# 1. a connection that is idle and sound: the one used last, so that those too many grow old and are closed;
# 2. room for a new one, while fewer than `most` are open or being opened;
# 3. a number in the queue.
#
# A place that becomes free goes at once to the one who waits longest of those who may have it. So nobody waits who
# could be served, and idle + busy + opening <= most.

import asyncio
from collections import OrderedDict
from typing import Final

from gateway.relay.upstream.connection import UpstreamConnection

#: what a waiter gets: a connection, or (None) room to open one
Grant = UpstreamConnection | None
#: kinds of requests: any sum of these. Plain numbers: they are looked at for every request.
KNOWN: Final = 0
STRANGER: Final = 1
TUNNEL: Final = 2


class Pool:
    """The connections of one upstream."""

    __slots__ = (
        "_idle",
        "_number",
        "_open",
        "_opening",
        "_queued",
        "_strangers",
        "_tunnels",
        "_waiting",
        "most",
        "share",
    )

    def __init__(self, most: int) -> None:
        """`most`: connections at a time."""
        self.most: Final = most
        #: places that strangers, and those that tunnels, may have
        self.share: Final = max(1, most * 3 // 4)
        #: places that they have
        self._strangers = self._tunnels = 0
        self._open: set[UpstreamConnection] = set()
        #: the most recently used last
        self._idle: list[UpstreamConnection] = []
        #: places of those who open a connection
        self._opening = 0
        #: for each kind by number, in order: whoever gives up is removed from anywhere at no cost
        self._waiting: tuple[OrderedDict[int, asyncio.Future[Grant]], ...] = tuple(OrderedDict() for _ in range(4))
        #: of the last who waited, and how many do
        self._number = self._queued = 0

    def __repr__(self) -> str:
        return (
            f"<Pool of {self.most}: {len(self._idle)} idle, {len(self._open) - len(self._idle)} busy, "
            f"{self._opening} opening, {self._queued} waiting; "
            f"{self._strangers} for strangers, {self._tunnels} for tunnels>"
        )

    @property
    def connections(self) -> tuple[UpstreamConnection, ...]:
        """All that are open."""
        return tuple(self._open)

    def counts(self) -> tuple[int, int]:
        """How many are idle, and how many busy."""
        return len(self._idle), len(self._open) - len(self._idle)

    # For one request

    def is_full_for(self, kind: int) -> bool:
        """Whether the kind has its share."""
        return bool(
            (kind & STRANGER and self._strangers >= self.share) or (kind & TUNNEL and self._tunnels >= self.share)
        )

    def take(self, kind: int) -> UpstreamConnection | None:
        """The idle connection that was used last, if one is sound. Those that are not are closed."""
        if kind and self.is_full_for(kind):
            return None
        while self._idle:
            connection = self._idle.pop()
            connection.is_idle = False
            if connection.is_sound():
                connection.kind = kind
                if kind:
                    self._count(kind, 1)
                return connection
            self._drop(connection)
        return None

    def reserve(self, kind: int) -> bool:
        """Takes room for a new connection, if there is any. Then one must be `opened`, or `failed` to be."""
        if self.is_full_for(kind):
            return False
        if len(self._open) + self._opening >= self.most:
            if not self._idle:
                return False
            # Only who may have none that is idle comes here while one is.
            self._drop(self._idle.pop(0))
        self._opening += 1
        self._count(kind, 1)
        return True

    def wait(self, kind: int, waiter: "asyncio.Future[Grant]") -> int:
        """Queues; the number to `leave` by. Once the future is done, the place it stands for is the waiter's."""
        self._number += 1
        self._waiting[kind][self._number] = waiter
        self._queued += 1
        return self._number

    def leave(self, kind: int, number: int) -> None:
        """Gave up waiting."""
        if self._waiting[kind].pop(number, None) is not None:
            self._queued -= 1

    def decline(self, kind: int, grant: Grant) -> None:
        """Does not want what it waited for."""
        if grant is None:
            self.failed(kind)
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

    def exchange(self, old: UpstreamConnection, new: UpstreamConnection) -> bool:
        """Has a new connection take the place of an old one, which is closed. False: one of them ended before."""
        if new.is_lost or old not in self._open:
            return False
        self._drop(old)
        new.kind = old.kind
        self._open.add(new)
        return True

    def opened(self, kind: int, connection: UpstreamConnection) -> None:
        """A connection in the room that was reserved."""
        if connection.is_lost:
            self.failed(kind)
        else:
            self._opening -= 1
            connection.kind = kind
            self._open.add(connection)

    def failed(self, kind: int) -> None:
        """No connection came of the room that was reserved."""
        self._opening -= 1
        self._count(kind, -1)
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
            else:
                self._count(connection.kind, -1)
            self._serve_waiting()

    def close_idle(self, before: float) -> None:
        """Closes those that nobody used since then (loop time)."""
        while self._idle and self._idle[0].idle_since < before:
            self._drop(self._idle.pop(0))

    def _count(self, kind: int, change: int) -> None:
        if kind & STRANGER:
            self._strangers += change
        if kind & TUNNEL:
            self._tunnels += change

    def _rest(self, connection: UpstreamConnection) -> None:
        if connection.kind:
            self._count(connection.kind, -1)
        connection.is_idle = True
        self._idle.append(connection)
        self._serve_waiting()

    def _drop(self, connection: UpstreamConnection) -> None:
        """Closes one that was idle: its room is free from now on, not from when the loop is done with it."""
        self._open.discard(connection)
        connection.abort()

    def _serve_waiting(self) -> None:
        """Gives what there is to those who may have it, the one who waits longest first."""
        while self._queued and (kind := self._next_kind()) >= 0:
            grant = self.take(kind)
            if grant is None and not self.reserve(kind):
                return
            self._queued -= 1
            self._waiting[kind].popitem(last=False)[1].set_result(grant)

    def _next_kind(self) -> int:
        """Of the one who waits longest of those who may have a place; -1: nobody does."""
        found, earliest = -1, 0
        for kind, queue in enumerate(self._waiting):
            while queue:
                number, waiter = next(iter(queue.items()))
                if waiter.done():
                    # Cancelled, and not yet gone.
                    del queue[number]
                    self._queued -= 1
                    continue
                if (found < 0 or number < earliest) and not self.is_full_for(kind):
                    found, earliest = kind, number
                break
        return found
