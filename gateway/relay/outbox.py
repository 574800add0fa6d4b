"""What is written in one turn of the loop is written together, at its end. Knows nothing of what it is."""

# Theory of operation
#
# Whoever reads what is written here sleeps meanwhile, on another processor that sleeps as well, and to wake both takes
# longer than to judge a request. Written one by one, between the steps of one request and those of the next, each
# write wakes them again. Written right behind each other only the first does: the others find somebody at work.
#
# Nobody waits for that whom others do not keep waiting already: the turn ends once all that the loop had found was
# heard. Where only one at a time has something to say, as with a single client, it is written at once.

import asyncio
import logging
from typing import Final, Protocol
from weakref import WeakKeyDictionary, ref

#: who wait at most: more, and those who do are written before the turn ends
MOST: Final = 16
#: how many are written at once, one by one, after a turn that had only one, before another turn is tried
ONE_BY_ONE: Final = 64
#: bytes that may wait of one; more are written at once
LARGEST: Final = 16 * 1024

log = logging.getLogger("gateway.relay")


class Sender(Protocol):
    """Who has something to write, and keeps it until then."""

    def send(self) -> None:
        """Writes it, if there is still somebody to write it to. Raises nothing."""


class Outbox:
    """Who has something to write in this turn of one loop."""

    __slots__ = ("_is_due", "_loop", "_one_by_one", "_waiting", "one_by_one")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Weakly: the loop finds its outbox by itself, and both would live for ever.
        self._loop: Final = ref(loop)
        #: in the order in which they came
        self._waiting: list[Sender] = []
        #: the end of the turn is awaited
        self._is_due = False
        #: how many are written at once after a turn that had only one. Nobody but tests has a reason to change that
        self.one_by_one = ONE_BY_ONE
        #: how many more are
        self._one_by_one = 0

    def __repr__(self) -> str:
        return f"<Outbox, {len(self._waiting)} waiting>"

    def takes(self, sender: Sender) -> bool:
        """Whether it is to keep what it has: its `send` is called at the end of this turn. Else it writes at once."""
        if self._one_by_one > 0:
            self._one_by_one -= 1
            return False
        if len(self._waiting) >= MOST:
            self.send()
        self._waiting.append(sender)
        if not self._is_due:
            loop = self._loop()
            assert loop is not None  # somebody runs in it
            self._is_due = True
            loop.call_soon(self._end)
        return True

    def send(self) -> None:
        """All of them now: somebody is about to take long."""
        waiting, self._waiting = self._waiting, []
        for sender in waiting:
            try:
                sender.send()
            except Exception:
                # A bug of one, and the others wait all the same.
                log.exception("what was to be written was not")

    def _end(self) -> None:
        """The turn is over."""
        self._is_due = False
        if len(self._waiting) == 1:
            self._one_by_one = self.one_by_one
        self.send()


_OUTBOXES: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Outbox]] = WeakKeyDictionary()


def outbox_of(loop: asyncio.AbstractEventLoop) -> Outbox:
    """The one of this loop: everybody writes to the same."""
    found = _OUTBOXES.get(loop)
    if found is None:
        found = _OUTBOXES[loop] = Outbox(loop)
    return found
