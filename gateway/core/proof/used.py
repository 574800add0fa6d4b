"""The proofs that were used, in the memory of one process: every one is remembered until it would be refused anyway.

Pure: now is an argument, and what a proof is known by is made elsewhere.
"""

from typing import Final

#: proofs that are remembered at a time
MAX_PROOFS: Final = 1_000_000
#: bytes by which one is known
DIGEST: Final = 16
#: seconds of which the proofs are forgotten at one time
SPAN: Final = 10


class MemoryFull(Exception):
    """One more cannot be remembered, and none is forgotten for it."""


class UsedProofs:
    """What was used, by the ends of the times for which it has to be known."""

    def __init__(self, *, most: int = MAX_PROOFS) -> None:
        self._most = most
        #: the end of a span, in spans since the epoch, to what is forgotten then
        self._spans: dict[int, set[bytes]] = {}
        self._count = 0

    def __repr__(self) -> str:
        return f"UsedProofs({self._count} in {len(self._spans)} spans)"

    def __len__(self) -> int:
        return self._count

    def use(self, digest: bytes, *, until: float, now: float) -> bool:
        """Whether this is the first use, which is then remembered. Seconds since the epoch. MemoryFull."""
        if any(digest in used for used in self._spans.values()):
            return False
        if self._count >= self._most:
            self.forget(now)
            if self._count >= self._most:
                raise MemoryFull
        self._spans.setdefault(int(until // SPAN) + 1, set()).add(digest)
        self._count += 1
        return True

    def forget(self, now: float) -> None:
        """Lets go of what has ended."""
        for end in [end for end in self._spans if end * SPAN <= now]:
            self._count -= len(self._spans.pop(end))
