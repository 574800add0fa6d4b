"""Has the configuration read anew when its file has changed, or one with a secret or authorities that it names.

A change counts once two looks find the same: a file half written would be taken for whole. Behind a volume of
Kubernetes, which changes at once, one look is enough. One that was not sound is tried again at each look.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from gateway.process.reloader import Reloader
from gateway.settings.source import Look, Source

#: seconds between two looks
INTERVAL: Final = 5.0
#: how often the time that it took to read passes before the same file that was not sound is read again; seconds at most
SELDOM: Final = 10.0
LONGEST: Final = 60.0

log = logging.getLogger("gateway")


class Watcher:
    """Looks again and again. After `start` you must call `stop`."""

    def __init__(
        self,
        source: Source,
        reloader: Reloader,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Looks at nothing yet. `clock`: seconds."""
        self._source = source
        self._reloader = reloader
        self._sleep = sleep
        self._clock = clock
        #: when one that was not sound may be read again, if it has not changed
        self._again_at = 0.0
        #: of what is in use, or was read last
        self._used: Mapping[str, str] = {}
        #: of the look before
        self._seen: Mapping[str, str] = {}
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Looks for the first time, and begins to watch."""
        self._used = self._seen = (await self._look()).digests
        if self._source.file is not None:
            # What was written while the gateway started is not what it read.
            self._used = {**self._used, self._source.file: self._source.at_first}
        self._watching = asyncio.create_task(self._watch(), name="watch the configuration")

    async def stop(self) -> None:
        """Ends that. May be called twice."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _look(self) -> Look:
        return await asyncio.to_thread(self._source.look, self._reloader.named)

    async def _watch(self) -> None:
        while True:
            await self._sleep(INTERVAL)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 -- see below
                # A bug, and no reason to look no more. The error is not shown: it may quote what was read.
                log.error("the configuration could not be looked at: %s", type(error).__name__)  # noqa: TRY400

    async def look(self) -> None:
        """One look: what is another one than is used, and settled, is read."""
        look = await self._look()
        seen, self._seen = self._seen, look.digests
        changed = {path for path, digest in look.digests.items() if self._used.get(path) != digest}
        if not changed and not self._reloader.last_problems:
            self._used = look.digests
            return
        if any(path in look.torn and seen.get(path) != look.digests[path] for path in changed):
            return
        if changed:
            log.info("the configuration is read anew: %s changed", ", ".join(sorted(changed)))
        elif self._clock() < self._again_at:
            return
        await self._reloader.reload()
        # A large file takes seconds, in which requests wait for a thread of ours: not again and again.
        self._again_at = self._clock() + min(LONGEST, SELDOM * self._reloader.took)
        # As it was before it was read: what was written meanwhile is another change.
        named = set(self._reloader.named)
        self._used = {
            path: digest for path, digest in look.digests.items() if path in named or path == self._source.file
        }
        fresh = await asyncio.to_thread(self._source.look, [path for path in named if path not in look.digests])
        self._used |= {path: digest for path, digest in fresh.digests.items() if path not in look.digests}
