"""Which tokens were pushed out of a memory a moment ago, and whether one that comes back may push out another.

Where somewhat more tokens are in use than a memory keeps, the least recently used is the next to come back: each that
is kept pushes out one that is about to be needed, and in the end none is ever found. So while most of those that want
room were here before, only one in some is let in again, and the others stay where they are.
"""

from typing import Final

#: of those that come back while most do, one in so many is kept
ONE_IN: Final = 8
#: how many that come back one that was never here outweighs: above two in three, most come back
OUTWEIGHS: Final = 2


class PushedOut:
    """Digests of tokens that had to go for room, the latest ones. Two sets, each of at most half the bound.

    One in which nothing comes back costs a place in a set, and lets everything in.
    """

    __slots__ = ("_back", "_before", "_half", "_latest", "_many", "_out", "_out_before", "_returning")

    def __init__(self, max_entries: int) -> None:
        """`max_entries`: at most, and of the memory that they were pushed out of."""
        self._half: Final = max(1, max_entries // 2)
        #: how many more must have come back than that others outweigh them before any is kept out
        self._many: Final = max(1, max_entries // 8)
        self._latest: set[bytes] = set()
        self._before: set[bytes] = set()
        #: how many came back, less what outweighs them: 0 .. 2 * _many
        self._returning = 0
        #: how many came back while most did, ever
        self._back = 0
        #: of those that came back and were kept out the latest, and those before them
        self._out: set[bytes] = set()
        self._out_before: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._latest) + len(self._before)

    def add(self, digest: bytes) -> None:
        """This one had to go. The oldest are forgotten by the half."""
        if len(self._latest) >= self._half:
            self._before, self._latest = self._latest, set()
        self._latest.add(digest)

    def forget(self, digest: bytes) -> None:
        """This one is kept, and no longer among them; no error when it was not."""
        for some in (self._latest, self._before, self._out, self._out_before):
            some.discard(digest)

    def may_push(self, digest: bytes) -> bool:
        """Whether this one, for which there is no room, is worth what it pushes out. Whoever was never here is."""
        if digest not in self._latest and digest not in self._before:
            self._returning = max(0, self._returning - OUTWEIGHS)
            return True
        self._returning = min(self._returning + 1, 2 * self._many)
        if self._returning <= self._many:
            return True
        self._back += 1
        return self._back % ONE_IN == 0 or self._was_kept_out(digest)

    def _was_kept_out(self, digest: bytes) -> bool:
        """Whether it comes again that soon: more often than what goes round, whoever has so many of those."""
        if digest in self._out or digest in self._out_before:
            return True
        if len(self._out) >= self._many // 3:
            self._out_before, self._out = self._out, set()
        self._out.add(digest)
        return False
