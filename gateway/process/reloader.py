"""Reads the configuration anew when somebody asks for it, and has it used if it is sound: as a whole, or not at all.

Whoever uses it is told beside this: one process, or a supervisor for its workers.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from gateway.core.config.file import Config
from gateway.core.config.fingerprint import fingerprint
from gateway.core.config.words import ConfigProblem
from gateway.core.reload.changes import changes
from gateway.core.reload.fixed import fixed_problems, shadowed_problems
from gateway.core.reload.opened import opened
from gateway.process.replacing import Wanted
from gateway.reloading import ReloadResult
from gateway.settings.settings import Loaded
from gateway.settings.source import Reading, Source

#: keys that the log names of one reload; how many more there are it says
MOST: Final = 100

log = logging.getLogger("gateway")

#: uses a configuration, or says in sentences why not
Use = Callable[[Wanted], Awaitable[Sequence[str]]]


class Reloader:
    """The configuration in use, and how another one takes its place. See `reloading.Reloads`."""

    def __init__(
        self,
        source: Source | None,
        config: Config,
        use: Use,
        *,
        loaded: Loaded | None = None,
        begun: Callable[[], None] = lambda: None,
        ended: Callable[[ReloadResult], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Needs a running loop. `source` None: there is nothing to read. `loaded`: what `config` was read from.

        `begun`, `ended`: hear of each. `clock`: seconds since the epoch.
        """
        self._source = source
        self._config = config
        self._shadowed = {} if loaded is None else loaded.shadowed
        #: files that the text names that was read last, sound or not
        self.named: tuple[str, ...] = () if loaded is None else loaded.named or ()
        #: seconds that it took to read it and to compare it, the last time
        self.took = 0.0
        self._use = use
        self._begun = begun
        self._ended = ended
        self._clock = clock
        self._turn = asyncio.Lock()
        self._is_over = False
        self.since = self.last_at = clock()
        self.last_problems: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """Tells one effective configuration from another: that which is in use."""
        return fingerprint(self._config)

    def stop(self) -> None:
        """Nothing is read any more: the program ends."""
        self._is_over = True

    async def reload(self) -> ReloadResult:
        """Reads it anew, and uses it if it is sound. A second call waits for the first. Raises nothing."""
        async with self._turn:
            if self._is_over or self._source is None:
                why = "the gateway is stopping" if self._is_over else "there is no file that could be read anew"
                return ReloadResult((f"{why}: its configuration stays",), hash=self.hash)
            self._begun()
            result = ReloadResult(("internal error",), hash=self.hash)
            try:
                result = await self._read(self._source)
            except Exception as error:  # noqa: BLE001 -- see below
                # A bug, and no reason to serve otherwise. The error is not shown: it may quote what was read.
                log.error("the configuration could not be read anew: %s", type(error).__name__)  # noqa: TRY400
                result = ReloadResult((f"internal error ({type(error).__name__})",), hash=self.hash)
            finally:
                self._note(result)
            return result

    def _note(self, result: ReloadResult) -> None:
        if result.is_sound:
            self.last_at = self._clock()
        elif result.problems != self.last_problems:
            for problem in result.problems:
                log.error("the configuration stays as it was: %s", problem)
        self.last_problems = result.problems
        self._ended(result)

    async def _read(self, source: Source) -> ReloadResult:
        began = time.perf_counter()
        reading = await asyncio.to_thread(source.read)
        loaded = reading.loaded
        if loaded.named is not None:
            self.named = loaded.named
        found, changed, warned = await asyncio.to_thread(self._compare, reading)
        self.took = time.perf_counter() - began
        if found or loaded.config is None:
            return ReloadResult(_sentences(found), hash=self.hash)
        problems = await self._use(Wanted(loaded.config, loaded.secrets, reading.files))
        if problems:
            return ReloadResult(tuple(problems), hash=self.hash)
        before = self.hash
        self._config, self._shadowed = loaded.config, loaded.shadowed
        if changed:
            self.since = self._clock()
        _tell(changed, warned, hash_before=before, hash_now=self.hash)
        return ReloadResult(changed=_sentences(changed), warnings=_sentences(warned), hash=self.hash)

    def _compare(self, reading: Reading) -> tuple[list[ConfigProblem], list[ConfigProblem], list[ConfigProblem]]:
        """What is wrong with what was read, what has changed, and what ought to be known of that. In a thread."""
        loaded = reading.loaded
        if loaded.config is None:
            return loaded.problems, [], []
        found = [
            *fixed_problems(self._config, loaded.config),
            *shadowed_problems(self._shadowed, loaded.shadowed, loaded.origins),
        ]
        if found:
            return found, [], []
        return [], changes(self._config, loaded.config), opened(self._config, loaded.config)


def _sentences(problems: Sequence[ConfigProblem]) -> tuple[str, ...]:
    return tuple(map(str, problems))


def _tell(
    changed: Sequence[ConfigProblem], warned: Sequence[ConfigProblem], *, hash_before: str, hash_now: str
) -> None:
    if not changed:
        log.info("the configuration was read anew, and has not changed: %s", hash_now)
        return
    log.info("another configuration is in use: %s, before %s", hash_now, hash_before)
    for level, told in ((logging.INFO, changed), (logging.WARNING, warned)):
        for problem in told[:MOST]:
            log.log(level, "%s", problem)
        if len(told) > MOST:
            log.log(level, "and %d more", len(told) - MOST)
