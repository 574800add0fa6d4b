"""What the kernel has of a connection, and the loop has not read yet."""

import asyncio
import contextlib
import os
import select
from collections.abc import Iterator
from typing import Final

#: bytes that are read at once of what was said before an end
_READ: Final = 256 * 1024


class Unheard:
    """Of one connection, from its first look on."""

    __slots__ = ("_poll",)

    def __init__(self) -> None:
        self._poll: select.poll | None = None

    def is_there(self, transport: asyncio.Transport) -> bool:
        """Whether there is something: bytes, or the end."""
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(self._poll.poll(0))


def last_words(transport: asyncio.Transport) -> Iterator[bytes]:
    """What was said before a connection ended, where a write found out first. Not over TLS: nobody could read it."""
    with contextlib.suppress(OSError, ValueError):
        descriptor = transport.get_extra_info("socket").fileno()
        while data := os.read(descriptor, _READ):
            yield data
