"""What a connection with TLS takes of memory while nothing is said on it.

uvloop has a buffer of 256 KiB for each, of which a page is used, and asks OpenSSL for as much at a time.
"""

import ctypes
import ssl
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, Final, TypeVar, cast

_T = TypeVar("_T")

#: bytes of a record of TLS at most (RFC 8446 section 5.1)
RECORD: Final = 16 * 1024
#: bytes that uvloop has for what it reads of each connection with TLS, of which mostly a page is used
LOOPS_BUFFER: Final = 256 * 1024
#: bytes from which an object gets memory of its own from the kernel, otherwise (docs/decisions.md, 27)
MAPPED_FROM: Final = 1024 * 1024
#: malloc.h
_M_MMAP_THRESHOLD: Final = -3
#: mallopt(3); None: not glibc
_mallopt: Final = getattr(ctypes.CDLL(None), "mallopt", None)


class Records(ssl.SSLObject):
    """For `sslobject_class` of a context: reads a record at a time, which is all that there ever is to be had.

    The loops ask for 256 KiB, which would be taken from the memory of the process first, and mostly given back.
    """

    def read(self, len: int = RECORD, buffer: Any = None) -> Any:  # noqa: A002 -- that is its name
        """As SSLObject has it, and by what it has: the call of it would be 2 % of a request over TLS."""
        if buffer is not None:
            return self._sslobj.read(len, buffer)  # type: ignore[attr-defined]
        return self._sslobj.read(RECORD if len > RECORD else len)  # type: ignore[attr-defined]  # noqa: FURB136 -- a call less


@coroutine
def with_memory_of_its_own(steps: Coroutine[Any, Any, _T]) -> Generator[Any, Any, _T]:
    """Awaits it; in its first step objects get memory of their own from the size of the loop's buffer on.

    In one heap with all else such a buffer takes five pages more: what is there for a moment comes behind the last one.
    """
    try:
        map_from(LOOPS_BUFFER)
        try:
            waited = steps.send(None)
        finally:
            map_from(MAPPED_FROM)
        while True:
            try:
                sent = yield waited
            except BaseException as error:  # noqa: BLE001 -- it is theirs
                waited = steps.throw(error)
            else:
                waited = steps.send(sent)
    except StopIteration as end:
        return cast("_T", end.value)


def map_from(count: int) -> None:
    """Objects of so many bytes get memory of their own from now on. Nothing where the C library is another one."""
    if _mallopt is not None:
        _mallopt(_M_MMAP_THRESHOLD, count)
