"""What signals say: SIGTERM and SIGINT stop, a second one hurries; SIGHUP reloads; SIGUSR1 drains."""

import asyncio
import signal
from collections.abc import Callable
from typing import Final

#: each of them ends the program
STOPPING: Final = (signal.SIGTERM, signal.SIGINT)


def on_signals(stop: Callable[[], None], *, hang_up: Callable[[], None]) -> None:
    """Has the running loop call `stop` for each signal to stop, and `hang_up` for each SIGHUP."""
    loop = asyncio.get_running_loop()
    for signum in STOPPING:
        loop.add_signal_handler(signum, stop)
    on_hang_up(hang_up)


def on_hang_up(hang_up: Callable[[], None]) -> None:
    """Has the running loop call it for each SIGHUP, unless whoever started the program had it ignored, as nohup(1)."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hang_up)


def ignore_drain() -> None:
    """Has SIGUSR1 do nothing, where Python and the kernel would end the process: until `on_drain`, or for a worker."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def on_drain(drain: Callable[[], None]) -> None:
    """Has the running loop call it for each SIGUSR1."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, drain)


def ignore_hang_up() -> None:
    """Has SIGHUP do nothing, where it would end the process: until `on_hang_up`, or for a worker."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)
