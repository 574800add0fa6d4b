"""What is revoked, shared by a supervisor with its workers: lines on the sockets between them.

The supervisor keeps the list. A worker is given all of it before it serves, and each change from then on; whoever
revokes hears of success when every worker that lives has confirmed it. `+` and `*` bring an entry, `=` a number to be
confirmed; a worker asks with `+` and `?`, and is told with `!` how that went.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Final, Protocol

from gateway.core.config.file import Config
from gateway.core.revocation.entry import Entry, parse_entry, written
from gateway.observe.observers import Unheard
from gateway.process.revoking import RevokingSocket, open_journal
from gateway.store.journal import JournalKeeper
from gateway.store.revocations import CannotRevoke, Revocations

#: seconds within which a worker confirms, or is replaced; and until one that was killed is gone
CONFIRMED_WITHIN: Final = 1.0
GONE_WITHIN: Final = 5.0
#: seconds for which a worker waits for its supervisor: more than all others together may take
ASKED_FOR: Final = 10.0
#: entries that a new worker is told without letting others have their turn: some 5 ms
AT_ONCE: Final = 1000
#: the source of what is not counted, since another worker counts it
_UNCOUNTED: Final = ""

log = logging.getLogger("gateway")


class Sharer(Protocol):
    """A worker, as the supervisor sees it."""

    #: the number that it confirmed last; None: it has not had the list yet, and does not serve
    confirmed: int | None
    #: called when it confirms, and when it is gone
    heard: asyncio.Event

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def is_gone(self) -> bool:
        """It has ended."""

    def tell(self, what: bytes) -> None:
        """Whole lines."""

    def kill(self) -> None:
        """Ends it now."""


def _line(entry: Entry, source: str) -> bytes:
    """An entry for a worker; with a source it counts it."""
    return (b"*%b " % source.encode() if source else b"+") + written(entry) + b"\n"


def _lines(entries: Iterable[Entry], source: str = _UNCOUNTED) -> bytes:
    return b"".join([_line(entry, source) for entry in entries])


class Sharing:
    """The supervisor's side: the keeper of its list."""

    def __init__(self, journal: JournalKeeper | None, *, workers: Callable[[], Sequence[Sharer]]) -> None:
        """`journal` None: what is revoked is forgotten when the program ends. `workers`: those that there are now."""
        self._journal = journal
        self._workers = workers
        self._number = 0
        #: workers that are still given the list, and what comes behind it
        self._greeted: dict[Sharer, bytes] = {}
        #: what a worker has begun to ask
        self._asked: dict[Sharer, list[Entry]] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._writing = asyncio.Lock()
        self.revocations = Revocations(observer=Unheard(), keeper=self)

    @property
    def age(self) -> float:
        """0: nobody else keeps it."""
        return 0.0

    async def start(self, revocations: Revocations) -> None:
        """Hands over what is in the journal."""
        if self._journal is not None:
            await self._journal.start(revocations)

    async def close(self) -> None:
        """Ends what workers have asked for, and lets go of the journal. May be called twice."""
        for task in tuple(self._asking):
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        if self._journal is not None:
            await self._journal.close()

    async def write(self, entries: Sequence[Entry], *, source: str) -> Sequence[Entry]:
        """In the journal, and with every worker, when this returns. CannotRevoke."""
        async with self._writing:
            return await self._write(entries, source=source, asker=None)

    async def _write(self, entries: Sequence[Entry], *, source: str, asker: Sharer | None) -> Sequence[Entry]:
        if self._journal is not None:
            await self._journal.write(entries, source=_UNCOUNTED)
        # Before anybody is told: a worker that starts now is given the list as it is here.
        self.revocations.take(entries, source=_UNCOUNTED)
        self._number += 1
        number = self._number
        workers = self._workers()
        counting = asker if asker in workers else next(iter(workers), None)
        for worker in workers:
            lines = _lines(entries, source if worker is counting else _UNCOUNTED)
            self._say(worker, lines + b"= %d\n" % number)
        serving = [worker for worker in workers if worker.confirmed is not None]
        await asyncio.gather(*(self._confirmed(worker, number) for worker in serving))
        return entries

    async def _confirmed(self, worker: Sharer, number: int) -> None:
        """Waits until a worker has confirmed, or is gone."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONFIRMED_WITHIN):
                while not worker.is_gone and (worker.confirmed or 0) < number:
                    worker.heard.clear()
                    await worker.heard.wait()
                return
        log.error("process %d has not confirmed what is revoked within %g s: killed", worker.pid, CONFIRMED_WITHIN)
        worker.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GONE_WITHIN):
                while not worker.is_gone:
                    worker.heard.clear()
                    await worker.heard.wait()

    def greet(self, worker: Sharer) -> None:
        """Gives a new worker the whole list, and behind it what is revoked meanwhile."""
        entries = self.revocations.entries(lifted=True)
        if len(entries) <= AT_ONCE:
            worker.tell(_lines(entries) + b"= %d\n" % self._number)
            return
        self._greeted[worker] = b"= %d\n" % self._number
        greeting = asyncio.create_task(self._greet(worker, entries))
        self._asking.add(greeting)
        greeting.add_done_callback(self._asking.discard)

    async def _greet(self, worker: Sharer, entries: Sequence[Entry]) -> None:
        for at in range(0, len(entries), AT_ONCE):
            worker.tell(_lines(entries[at : at + AT_ONCE]))
            await asyncio.sleep(0)
        worker.tell(self._greeted.pop(worker))

    def _say(self, worker: Sharer, what: bytes) -> None:
        """Behind the list, where it is still given that."""
        if worker in self._greeted:
            self._greeted[worker] += what
        else:
            worker.tell(what)

    def hear(self, worker: Sharer, line: bytes) -> None:
        """A line of a worker that is no report."""
        match line[:1]:
            case b"=":
                worker.confirmed = int(line[1:])
                worker.heard.set()
            case b"+":
                self._asked.setdefault(worker, []).append(parse_entry(line[1:-1]))
            case b"?":
                number, _, source = line[1:].decode("ascii").strip().partition(" ")
                asking = asyncio.create_task(self._respond(worker, number, source, self._asked.pop(worker, [])))
                self._asking.add(asking)
                asking.add_done_callback(self._asking.discard)

    async def _respond(self, worker: Sharer, number: str, source: str, entries: list[Entry]) -> None:
        wrong = ""
        try:
            self.revocations.check_room(entries)
            async with self._writing:
                await self._write(entries, source=source, asker=worker)
        except CannotRevoke as error:
            wrong = str(error)
        worker.tell(f"! {number} {wrong}\n".encode())


class SuppliedList:
    """The worker's side: the keeper of its list is its supervisor."""

    def __init__(self, tell: Callable[[bytes], None]) -> None:
        """`tell`: sends whole lines to the supervisor."""
        self._tell = tell
        self._revocations: Revocations | None = None
        #: what came since a number was to be confirmed
        self._came: list[tuple[Entry, str]] = []
        #: what came before anybody was there to have it
        self._first: list[Entry] = []
        #: what is confirmed once it counts here
        self._confirmation = b""
        #: what was said meanwhile that is about something else
        self.unheard: list[bytes] = []
        self._asked = 0
        self._waiting: dict[int, asyncio.Future[str]] = {}
        self._is_lost = False

    @property
    def age(self) -> float:
        """0: a worker without its supervisor drains."""
        return 0.0

    async def supplied(self, reader: asyncio.StreamReader) -> bool:
        """Reads the whole list; False: the supervisor is gone."""
        while line := await reader.readline():
            if not self.hear(line):
                self.unheard.append(line)
            if line.startswith(b"="):
                return True
        return False

    async def start(self, revocations: Revocations) -> None:
        """Hands over what came."""
        self._revocations = revocations
        revocations.replace(self._first)
        self._first = []
        # Not before: a long list takes its time, and who has confirmed one has to confirm the next within a second.
        self._tell(self._confirmation)

    async def close(self) -> None:
        """Whoever still waits hears that it is in vain. May be called twice."""
        self.lost()

    async def write(self, entries: Sequence[Entry], *, source: str) -> Sequence[Entry]:
        """Kept by the supervisor, and with every worker, when this returns. CannotRevoke."""
        if self._is_lost:
            raise CannotRevoke("the gateway is stopping")
        self._asked += 1
        number = self._asked
        response = self._waiting[number] = asyncio.get_running_loop().create_future()
        lines = (_line(entry, _UNCOUNTED) for entry in entries)
        self._tell(b"".join((*lines, b"? %d %b\n" % (number, source.encode()))))
        try:
            async with asyncio.timeout(ASKED_FOR):
                wrong = await response
        except TimeoutError:
            wrong = f"the supervisor has not responded within {ASKED_FOR:g} s"
        finally:
            del self._waiting[number]
        if wrong:
            raise CannotRevoke(wrong)
        return entries

    def hear(self, line: bytes) -> bool:
        """A line of the supervisor; False: it is about something else."""
        match line[:1]:
            case b"+":
                self._came.append((parse_entry(line[1:-1]), _UNCOUNTED))
            case b"*":
                source, _, text = line[1:-1].partition(b" ")
                self._came.append((parse_entry(text), source.decode("ascii")))
            case b"=":
                self._take()
                if self._revocations is None:
                    self._confirmation = line
                else:
                    self._tell(line)
            case b"!":
                number, _, wrong = line[2:-1].decode().partition(" ")
                waiting = self._waiting.get(int(number))
                if waiting is not None and not waiting.done():
                    waiting.set_result(wrong)
            case _:
                return False
        return True

    def _take(self) -> None:
        came, self._came = self._came, []
        if self._revocations is None:
            self._first.extend(entry for entry, _ in came)
            return
        for entry, source in came:
            self._revocations.take([entry], source=source)

    def lost(self) -> None:
        """The supervisor is gone."""
        self._is_lost = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result("the gateway is stopping")


@contextlib.asynccontextmanager
async def sharing_for(config: Config, workers: Callable[[], Sequence[Sharer]]) -> AsyncIterator[Sharing | None]:
    """What a supervisor with this configuration shares; None: nothing. CannotStart."""
    if not is_shared(config):
        yield None
        return
    sharing = Sharing(open_journal(config), workers=workers)
    revoking: RevokingSocket | None = None
    try:
        await sharing.revocations.start()
        revoking = await RevokingSocket.start(sharing.revocations, config)
        yield sharing
    finally:
        if revoking is not None:
            await revoking.close()
        await sharing.close()


def is_shared(config: Config) -> bool:
    """Whether the workers of this configuration have a list that their supervisor keeps."""
    return config.revocation is not None and config.store.url is None
