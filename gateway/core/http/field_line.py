"""A header line of a request with what was made of it, so that a line that comes again need not be judged again.

What is kept in it hangs on the line alone, and on who judged it: never on the request that it came with.
"""

from typing import Final


class FieldLine:
    """A header line as it was written. One that comes again and again may be one and the same object."""

    __slots__ = ("announces", "forwards", "is_shared", "judge", "meaning", "name", "pair", "read_as", "value", "wire")

    def __init__(
        self, name: bytes, value: bytes, wire: bytes = b"", announces: int = -1, *, is_shared: bool = False
    ) -> None:
        """`wire`: if it is known."""
        self.name: Final = name
        #: without blanks around it
        self.value: Final = value
        self.pair: Final = (name, value)
        #: as it goes on the wire, its end included (RFC 9112 section 5)
        self.wire: Final = wire or b"%b: %b\r\n" % (name, value)
        #: requests of other connections may have the same object
        self.is_shared: Final = is_shared
        #: bytes of a body, where whoever read the line knows that it says so; -1: it does not, or nobody knows
        self.announces: Final = announces
        #: what `relay.client.facts` reads it for; -1: it was not asked
        self.read_as = -1
        #: whether only a proxy would say so, as `upstream.headers` knows; -1: it was not asked
        self.forwards = -1
        #: what becomes of the line upstream, by the rules of that one object: nobody else's word counts
        self.judge: object = None
        self.meaning = 0

    def __repr__(self) -> str:
        # The value may be a secret.
        return f"<FieldLine {self.name!r} of {len(self.value)} bytes>"
