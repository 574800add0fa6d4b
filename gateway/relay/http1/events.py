"""What comes of bytes that were read, message by message: a head, data in order, and how it ended."""

from typing import Final

from gateway.core.errors import Refusal


class Data:
    """A piece of a body, without its framing. Never empty."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data: Final = data

    def __repr__(self) -> str:
        return f"<Data of {len(self.data)} bytes>"


class End:
    """The end of a message: what comes next is another one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<End>"


class Upgrade:
    """The end of a request for another protocol: what comes next may be that."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<Upgrade>"


class Broken:
    """Nobody can tell what was sent, nor what comes next. The last event there is."""

    __slots__ = ("refusal",)

    def __init__(self, refusal: Refusal) -> None:
        #: what to say of it
        self.refusal: Final = refusal

    def __repr__(self) -> str:
        return f"<Broken: {self.refusal.reason}>"


END: Final = End()
UPGRADE: Final = Upgrade()
