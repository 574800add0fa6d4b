"""Where WebSocket frames end in what an API sends (RFC 6455 section 5.2): bytes in, places out. No payload is read.

A Close of the gateway's own may stand between two frames, also of one message (section 5.4), and nowhere else.
"""

from typing import Final

#: frames that are followed in one piece of data; beyond that there is more to count than there is to pass on
MOST: Final = 4096
_CLOSE: Final = 0x8
_MASKED: Final = 0x80
#: bytes of a reason: a control frame has no more (section 5.5), and two of them are the status
_MAX_REASON: Final = 123
#: section 7.4.1: somebody who must not go on is told so by this status, whatever the rule was
POLICY_VIOLATION: Final = 1008


def close_frame(status: int, reason: str) -> bytes:
    """A Close of a server (section 5.5.1), with a reason for whoever reads one: ASCII, at most 123 characters."""
    text = reason.encode("ascii")[:_MAX_REASON]
    return bytes((0x80 | _CLOSE, 2 + len(text))) + status.to_bytes(2, "big") + text


#: "going away"
GOING_AWAY: Final = close_frame(1001, "The gateway is stopping")


class Frames:
    """The frames of one side, from the first byte behind the handshake on."""

    __slots__ = ("_begun", "_left", "is_lost")

    def __init__(self) -> None:
        #: bytes to come of the frame that is under way
        self._left = 0
        #: a head that has not come whole
        self._begun = b""
        #: nobody can tell any more; or the side has sent a Close, behind which nothing may follow
        self.is_lost = False

    def __repr__(self) -> str:
        where = "lost" if self.is_lost else "between two" if self.is_between else f"{self._left} bytes to come"
        return f"<Frames {where}>"

    @property
    def is_between(self) -> bool:
        """The last byte that was followed ended a frame, or none has come."""
        return not (self._left or self._begun or self.is_lost)

    def follow(self, data: bytes, *, to_end: bool = False) -> int:
        """How much of the data was followed: all; with `to_end` up to the first end of a frame, if there is one."""
        size = len(data)
        if self.is_lost:
            return size
        at = self._left
        if at >= size or (to_end and at):
            self._left = max(0, at - size)
            return min(at, size)
        begun = len(self._begun)
        if begun:
            data = self._begun + data
            size += begun
            self._begun = b""
        frames = 0
        while at < size:
            first, lacks = data[at], size - at < 2
            length = 0 if lacks else data[at + 1]
            head = 6 if length & _MASKED else 2
            length &= 0x7F
            if length > 125:
                wide = 2 if length == 126 else 8
                lacks = size - at < 2 + wide
                length = int.from_bytes(data[at + 2 : at + 2 + wide], "big")
                head += wide
            if lacks:
                self._begun = data[at:]
                at = size
                break
            at += head + length
            frames += 1
            if first & 0xF == _CLOSE or frames > MOST:
                self.is_lost = True
                return size - begun
            if to_end and at <= size:
                self._left = 0
                return at - begun
        self._left = at - size
        return size - begun
