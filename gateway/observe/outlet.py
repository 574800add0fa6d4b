"""A standard stream that is written to without ever waiting for whoever reads it: a pipe, a socket, a terminal, a file.

Decides what becomes of bytes that nobody takes: so many are kept for later, the others are dropped, in whole lines.
"""

import contextlib
import os
import select
import socket
import stat
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, TextIO

#: bytes that are kept for a reader that pauses, longer than a container runtime pauses when it rotates its file
KEPT: Final = 1024 * 1024


class Outlet:
    """Where lines go out. Each piece that is given is whole lines, and is taken, kept or dropped as a whole."""

    def __init__(self, descriptor: int, *, most: int = KEPT) -> None:
        """`descriptor`: stays the caller's, and as blocking as it is. `most`: bytes that are kept. OSError."""
        self._write, self._close = _unwaiting(descriptor)
        self._descriptor = descriptor
        self._most = most
        self._kept: deque[bytes] = deque()
        self._size = 0
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<Outlet {self._size} bytes kept>"

    @property
    def is_empty(self) -> bool:
        """All that was given went out, or was dropped."""
        return not self._kept

    def write(self, lines: bytes) -> int:
        """Writes what is taken, keeps what there is room for; returns how many lines were dropped.

        OSError: the reader is gone.
        """
        self.retry()
        if self._size + len(lines) > self._most:
            return lines.count(b"\n")
        self._kept.append(lines)
        self._size += len(lines)
        self.retry()
        return 0

    def retry(self) -> None:
        """Writes of what is kept as much as is taken now. OSError: the reader is gone."""
        kept = self._kept
        while kept:
            try:
                written = self._write(kept[0])
            except BlockingIOError:
                return
            self._size -= written
            if written == len(kept[0]):
                kept.popleft()
            else:
                # A line that was begun goes on before any other.
                kept[0] = kept[0][written:]

    def close(self, *, seconds: float = 0.0) -> int:
        """Gives the reader so long for what is kept; returns how many lines it did not take. May be called twice."""
        if self._is_closed:
            return 0
        self._is_closed = True
        until = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        with contextlib.suppress(OSError):
            self.retry()
            while self._kept and (left := until - time.monotonic()) > 0:
                poll.poll(left * 1000)
                self.retry()
        lost = sum(lines.count(b"\n") for lines in self._kept)
        self._kept.clear()
        self._size = 0
        self._close()
        return lost


def outlet_of(stream: TextIO) -> Outlet | None:
    """Where bytes can be written without waiting, past the text; None: the stream is no file of the system."""
    try:
        stream.flush()
        return Outlet(stream.fileno())
    except (OSError, ValueError):
        return None


def _unwaiting(descriptor: int) -> tuple[Callable[[bytes], int], Callable[[], object]]:
    """What writes there without waiting, raising BlockingIOError; and what closes it. OSError.

    Whether writing waits is a property of the open file, which other processes share, a shell among them: so a pipe or
    a terminal is opened a second time.
    """
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(kind):
        # A service's standard output under systemd. It cannot be opened a second time, and need not be.
        own = socket.socket(fileno=os.dup(descriptor))
        return lambda data: own.send(data, socket.MSG_DONTWAIT), own.close
    if stat.S_ISREG(kind):
        # Waits for no reader; opened a second time it would be written from its beginning.
        return _plain(os.dup(descriptor))
    try:
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        return _plain(os.open(f"/proc/self/fd/{descriptor}", flags))
    except OSError:
        # It belongs to another user, as in some containers; or nobody reads it any more, and writing will tell.
        copy = os.dup(descriptor)
        os.set_blocking(copy, False)
        return _plain(copy)


def _plain(own: int) -> tuple[Callable[[bytes], int], Callable[[], object]]:
    return partial(os.write, own), partial(os.close, own)
