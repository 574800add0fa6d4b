"""When the configuration is read anew: at SIGHUP, when a file has changed that is watched, and who hears of it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from gateway.core.config.file import Config
from gateway.process.notify import Notifier
from gateway.process.reloader import Reloader, Use
from gateway.process.watching import Watcher
from gateway.reloading import ReloadResult
from gateway.settings.settings import Loaded
from gateway.settings.source import Source

log = logging.getLogger("gateway")


class Reloaded(Protocol):
    """Hears that the configuration was read anew."""

    def __call__(self, *, is_sound: bool) -> None:
        """Whether what was read is in use."""


class Asked:
    """SIGHUP and the watcher: has it read anew for each, one after another. After making it you must call `stop`."""

    def __init__(self) -> None:
        """Needs a running loop. What is asked before `start` is done then."""
        self._news = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Somebody wants it: once more after what is under way."""
        self._news.set()

    def start(self, reloader: Reloader) -> None:
        """From now on."""
        self._running = asyncio.create_task(self._run(reloader), name="reload when asked")

    async def _run(self, reloader: Reloader) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            log.info("the configuration is read anew")
            await reloader.reload()

    async def stop(self) -> None:
        """No more. May be called twice."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)


@contextlib.asynccontextmanager
async def reloading(
    source: Source | None,
    config: Config,
    use: Use,
    loaded: Loaded | None,
    *,
    asked: Asked,
    notifier: Notifier,
    summary: Callable[[], str],
    reloaded: Reloaded,
) -> AsyncIterator[Reloader]:
    """Reads it anew, while the block runs, whenever that is asked for, or a file has changed that is to be watched.

    `notifier`: hears of it, and what runs then by `summary`. `reloaded`: hears whether it is in use.
    """

    def ended(result: ReloadResult) -> None:
        reloaded(is_sound=result.is_sound)
        notifier.reloaded(summary())

    reloader = Reloader(source, config, use, loaded=loaded, begun=notifier.reloading, ended=ended)
    watcher = Watcher(source, reloader) if config.reload == "watch" and source is not None else None
    if watcher is not None:
        await watcher.start()
    asked.start(reloader)
    try:
        yield reloader
    finally:
        reloader.stop()
        if watcher is not None:
            await watcher.stop()
        await asked.stop()
