"""Tells a service manager how the program is, as sd_notify(3) describes: it serves, it stops, it lives, and in words.

Where nobody asked to be told (NOTIFY_SOCKET), nothing is done and no task runs.
"""

import asyncio
import contextlib
import logging
import os
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, MutableMapping
from typing import Final

from gateway.admin.readiness import Readiness

#: seconds between two looks at what is to be told: before it serves, and then
_SOON: Final = 0.05
_LOOK: Final = 1.0
#: characters of a sentence; systemd takes 4096 bytes in all
_MAX_STATUS: Final = 500
_MICROSECONDS: Final = re.compile(r"[0-9]{1,18}")
_VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")

log = logging.getLogger("gateway")


class Notifier:
    """Whoever wants to hear of this program."""

    def __init__(self, address: str | None = None, *, watchdog: float | None = None) -> None:
        """`address`: a datagram socket, a path or an abstract name behind @; None: nobody listens.

        `watchdog`: seconds without a sign of life after which this program is taken for dead; None: any.
        """
        self._address = None if address is None else address.replace("@", "\0", 1) if address[:1] == "@" else address
        self._watchdog = watchdog
        self._is_stopping = False
        self._has_failed = False
        #: what to say while it is ready, and what was said last
        self._summary = self._told = ""

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> "Notifier":
        """As the environment says, from which it is removed: no process started by this one speaks for it."""
        address, microseconds, pid = (environ.pop(variable, None) for variable in _VARIABLES)
        if not address:
            return cls()
        if address[0] not in "/@":
            log.warning("NOTIFY_SOCKET is neither a path nor an abstract name: nobody is told how the program is")
            return cls()
        watchdog = None
        if microseconds and _MICROSECONDS.fullmatch(microseconds) and pid in {None, str(os.getpid())}:
            # 0 is none (sd_watchdog_enabled(3)).
            watchdog = int(microseconds) / 1e6 or None
        return cls(address, watchdog=watchdog)

    def tell(self, *assignments: str) -> bool:
        """Sends them in one message; whether it arrived. Waits for nobody."""
        if self._address is None:
            return True
        try:
            # Not kept open: systemd makes its socket anew when it is replaced itself.
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
                sending.sendto("\n".join(assignments).encode(), socket.MSG_DONTWAIT, self._address)
        except OSError as error:
            if not self._has_failed:
                self._has_failed = True
                log.warning("the service manager cannot be told how the program is: %s", error.strerror)
            return False
        self._has_failed = False
        return True

    def failed(self, sentence: str) -> None:
        """Why the program ends without having served."""
        self.tell(_status(sentence))

    def reloading(self) -> None:
        """The configuration is read anew (systemd.service(5), notify-reload). `reloaded` is to follow."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.tell("RELOADING=1", f"MONOTONIC_USEC={microseconds}", _status("reads its configuration anew"))

    def reloaded(self, summary: str) -> None:
        """It was, and the program serves: from now on by `summary` in words."""
        self._summary = summary
        self._told = _status(summary)
        if not self._is_stopping:
            self.tell("READY=1", self._told)

    def stopping(self) -> None:
        """The program serves what it has accepted, and ends. The sign of life goes on while it does."""
        self._is_stopping = True
        self.tell("STOPPING=1", _status("stopping: draining"))

    @contextlib.asynccontextmanager
    async def serving(
        self, *, summary: str, readiness: Callable[[], Readiness], is_alive: Callable[[], bool] = lambda: True
    ) -> AsyncIterator[None]:
        """Tells, while the block runs, that the program serves, in words how, and that it lives.

        `summary`: what to say while it is ready. It serves from the first time that `is_alive` says so.
        """
        if self._address is None:
            yield
            return
        self._summary = summary
        telling = asyncio.create_task(self._keep_telling(readiness, is_alive))
        try:
            yield
        finally:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling

    async def _keep_telling(self, readiness: Callable[[], Readiness], is_alive: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        is_served, feed_at = False, loop.time()
        half = float("inf") if self._watchdog is None else self._watchdog / 2
        while True:
            lives, status, assignments = is_alive(), self._told, []
            if lives and not is_served:
                assignments.append("READY=1")
            if not self._is_stopping and (status := _status(_in_words(self._summary, readiness()))) != self._told:
                assignments.append(status)
            if must_feed := lives and self._watchdog is not None and loop.time() >= feed_at:
                assignments.append("WATCHDOG=1")
            # What did not arrive is told anew.
            if assignments and self.tell(*assignments):
                is_served, self._told = is_served or lives, status
                feed_at = loop.time() + half if must_feed else feed_at
            await asyncio.sleep(min(_LOOK, half / 2) if is_served else _SOON)


#: nobody wants to hear
UNHEARD: Final = Notifier()


def _in_words(summary: str, now: Readiness) -> str:
    if now.ready:
        return summary
    if not now.missing:
        return "not ready: starting"
    name, reason = now.missing[0]
    return f"not ready: {name}: {reason}"


def _status(sentence: str) -> str:
    """The assignment for people; nothing in it begins another one."""
    return f"STATUS={' '.join(sentence.split())[:_MAX_STATUS]}"
