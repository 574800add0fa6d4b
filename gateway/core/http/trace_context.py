"""What a request says of the trace that it is part of (W3C Trace Context, Level 2)."""

import re
from typing import Final

#: section 3.2: version, trace-id, parent-id, trace-flags; what a later version adds stands behind a further hyphen
_TRACEPARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_NO_TRACE: Final = b"0" * 32
_NO_PARENT: Final = b"0" * 16
#: trace-flags: whoever sends it records; the trace-id is random
_SAMPLED: Final = 0x01
_RANDOM: Final = 0x02


class TraceParent:
    """Which trace, and which span of it is the parent."""

    __slots__ = ("is_random", "is_sampled", "parent_id", "trace_id")

    def __init__(self, trace_id: bytes, parent_id: bytes, *, is_sampled: bool, is_random: bool) -> None:
        #: 32 and 16 hex digits
        self.trace_id: Final = trace_id
        self.parent_id: Final = parent_id
        #: the parent says that it is recorded
        self.is_sampled: Final = is_sampled
        #: whoever began the trace drew its id at random: passed on as it is (Level 2 section 3.2.2.5.2)
        self.is_random: Final = is_random


def parse_traceparent(value: bytes) -> TraceParent | None:
    """None: it is none, and a new trace begins (section 4.3)."""
    found = _TRACEPARENT.fullmatch(value)
    if found is None:
        return None
    version, trace_id, parent_id, flags, more = found.groups()
    if version == b"ff" or (version == b"00" and more) or trace_id == _NO_TRACE or parent_id == _NO_PARENT:
        return None
    bits = int(flags, 16)
    return TraceParent(trace_id, parent_id, is_sampled=bits & _SAMPLED != 0, is_random=bits & _RANDOM != 0)


def write_traceparent(trace_id: bytes, parent_id: bytes, *, is_sampled: bool, is_random: bool = False) -> bytes:
    """The value for the next one on the way, in version 00."""
    flags = (b"-03" if is_random else b"-01") if is_sampled else (b"-02" if is_random else b"-00")
    return b"00-" + trace_id + b"-" + parent_id + flags
