"""How a supervisor has its workers use another configuration: all of them, or none. Both ends of the talk.

PREPARE n, with the configuration; each builds it, and says whether it could. Then COMMIT n, or ABORT n, to all; who
uses it says that too.
"""

import asyncio
import logging
import pickle
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Protocol

import msgspec

from gateway.process.replacing import Wanted

PREPARE: Final = b"prepare "
COMMIT: Final = b"commit "
ABORT: Final = b"abort "
#: begins a line with which a worker responds
RESPONSE: Final = b"~"
#: seconds for a worker to build it, and to begin to use it
WITHIN: Final = 15.0
#: seconds for which those that are to use it are waited for until they do: they have begun by then, or hang
USED_WITHIN: Final = 2.0
#: seconds between two looks whether all serve
_LOOK: Final = 0.05

log = logging.getLogger("gateway")


class Replaceable(Protocol):
    """A worker's gateway."""

    async def prepare(self, wanted: Wanted) -> Sequence[str]:
        """Builds it; what is wrong, in sentences."""

    async def commit(self) -> None:
        """Uses what was prepared."""

    async def abort(self) -> None:
        """Lets go of it."""


class Talker(Protocol):
    """A worker, as whoever decides sees it."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def is_gone(self) -> bool:
        """It has ended."""

    @property
    def serves(self) -> bool:
        """It was heard of: it has begun to serve."""

    def tell(self, what: bytes) -> None:
        """Sends it that."""

    def replace(self) -> None:
        """Ends it now, so that another takes its place, with what was decided."""


class Deciding:
    """The supervisor's end."""

    def __init__(self, workers: Callable[[], Iterable[Talker]]) -> None:
        """`workers`: those that there are now."""
        self._workers = workers
        self._number = 0
        #: who was asked about the number of now, or told to use it, and what each said: problems, in sentences
        self._asked: dict[Talker, asyncio.Future[list[str]]] = {}

    def hear(self, worker: Talker, line: bytes) -> None:
        """A line of a worker that begins with RESPONSE. ValueError: it is none."""
        number, _, problems = line[1:].strip().partition(b" ")
        waiting = self._asked.get(worker)
        if int(number) == self._number and waiting is not None and not waiting.done():
            waiting.set_result(msgspec.json.decode(problems, type=list[str]))

    def ended(self, worker: Talker) -> None:
        """It is gone: nobody waits for it."""
        waiting = self._asked.get(worker)
        if waiting is not None and not waiting.done():
            waiting.set_result([])

    async def prepare(self, wanted: Wanted) -> list[str]:
        """Has all that serve build it; what is wrong with it, in sentences. Who says nothing in time is replaced."""
        await self._until_all_serve()
        self._number += 1
        content = pickle.dumps(wanted)
        message = b"%b%d %d\n%b" % (PREPARE, self._number, len(content), content)
        loop = asyncio.get_running_loop()
        self._asked = {worker: loop.create_future() for worker in self._workers() if worker.serves}
        for worker in self._asked:
            worker.tell(message)
        if self._asked:
            await asyncio.wait(self._asked.values(), timeout=WITHIN)
        problems: list[str] = []
        for worker, response in tuple(self._asked.items()):
            if not response.done():
                log.error("process %d has not built the configuration within %g s: replaced", worker.pid, WITHIN)
                del self._asked[worker]
                worker.replace()
            else:
                problems += [problem for problem in response.result() if problem not in problems]
        return problems

    async def _until_all_serve(self) -> None:
        """Waits a while for those that are starting: one that serves and was not heard of yet must not be ended."""
        until = asyncio.get_running_loop().time() + WITHIN
        while asyncio.get_running_loop().time() < until:
            if all(worker.serves or worker.is_gone for worker in self._workers()):
                return
            await asyncio.sleep(_LOOK)

    def commit(self) -> None:
        """Has it used by those that built it; any other begins anew. What new ones are given is decided before."""
        built, self._asked = self._asked, {}
        for worker in tuple(self._workers()):
            if worker in built and not worker.is_gone:
                self._asked[worker] = asyncio.get_running_loop().create_future()
                worker.tell(b"%b%d\n" % (COMMIT, self._number))
            else:
                worker.replace()

    async def until_used(self) -> None:
        """Waits until all that were told to use it do, or have ended; not for long."""
        if self._asked:
            await asyncio.wait(self._asked.values(), timeout=USED_WITHIN)

    def abort(self) -> None:
        """Has it used by none."""
        for worker in self._asked:
            if not worker.is_gone:
                worker.tell(b"%b%d\n" % (ABORT, self._number))


class Obeying:
    """The worker's end."""

    def __init__(
        self, replaceable: Replaceable, tell: Callable[[bytes], None], *, give_up: Callable[[], None] = lambda: None
    ) -> None:
        """Needs a running loop. `tell`: sends a line to the supervisor. `give_up`: ends this process, in good order."""
        self._replaceable = replaceable
        self._tell = tell
        self._give_up = give_up
        #: one thing after another, while the supervisor is heard
        self._doing: asyncio.Task[None] | None = None

    async def hears(self, line: bytes, reader: asyncio.StreamReader) -> bool:
        """Whether a line of the supervisor is one of these; what follows it is read from `reader`."""
        if line.startswith(PREPARE):
            number, length = map(int, line.removeprefix(PREPARE).split())
            wanted = pickle.loads(await reader.readexactly(length))  # noqa: S301 -- of the process that started this one
            assert isinstance(wanted, Wanted)
            self._do(self._prepare(number, wanted))
        elif line.startswith(COMMIT):
            self._do(self._commit(int(line.removeprefix(COMMIT))))
        elif line.startswith(ABORT):
            self._do(self._replaceable.abort())
        else:
            return False
        return True

    def _do(self, what: Awaitable[None]) -> None:
        self._doing = asyncio.create_task(self._after(self._doing, what), name="another configuration")

    async def _after(self, earlier: "asyncio.Task[None] | None", what: Awaitable[None]) -> None:
        if earlier is not None:
            await asyncio.wait({earlier})
        try:
            await what
        except Exception as error:  # noqa: BLE001 -- see below
            # A bug. The error is not shown: it may quote what was read.
            log.error("another configuration could not be used: %s", type(error).__name__)  # noqa: TRY400

    async def _prepare(self, number: int, wanted: Wanted) -> None:
        problems: Sequence[str] = ("internal error",)
        try:
            problems = await self._replaceable.prepare(wanted)
        finally:
            self._tell(b"%b%d %b\n" % (RESPONSE, number, msgspec.json.encode(list(problems))))

    async def _commit(self, number: int) -> None:
        try:
            await self._replaceable.commit()
        except Exception:
            # All others use it: whoever cannot makes room for one that begins with it.
            self._give_up()
            raise
        self._tell(b"%b%d []\n" % (RESPONSE, number))

    async def stop(self) -> None:
        """Ends what is under way. May be called twice."""
        if self._doing is not None:
            self._doing.cancel()
            await asyncio.gather(self._doing, return_exceptions=True)
