"""The console of a supervisor: workers tell it once a second over their sockets, and do what it asks.

Lines of these begin with `#`: `#t` tells, `#a` asks, `#r` responds. Nothing of it is logged: a token may be in it.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from gateway.admin.readiness import Readiness
from gateway.console.sources import About, Deed, Impossible
from gateway.console.told import Told, bounded
from gateway.core.config.file import Config
from gateway.core.config.secret import Secret
from gateway.core.upstream.own_lines import secret_uses
from gateway.process.console.alone import about_of, reloaded_by
from gateway.process.console.listener import Listener, new_history, operators_secret
from gateway.process.console.teller import GatewayTeller
from gateway.process.listening import CannotStart
from gateway.process.secure import FollowedFiles
from gateway.reloading import Reloads
from gateway.settings.watch import FollowedSecrets

#: seconds that a worker has for what is asked of it
PATIENCE: Final = 2.0
#: what a worker does at a time
AT_ONCE: Final = 8
#: bytes of a line between two processes
MAX_LINE: Final = 192 * 1024
_TELLS, _ASKS, _RESPONDS = b"#t ", b"#a ", b"#r "
_TOO_LONG: Final = b'{"no":"What came of it is too long to be shown.","status":500}'


class Worker(Protocol):
    """A worker, as the supervisor sees it."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def is_gone(self) -> bool:
        """It has ended."""

    def tell(self, what: bytes) -> None:
        """Whole lines."""


class Consulted:
    """The worker's side."""

    def __init__(self, teller: GatewayTeller, write: Callable[[bytes], None]) -> None:
        """`write`: sends whole lines to the supervisor."""
        self._teller = teller
        self._write = write
        self._told_at = float("-inf")
        self._doing: set[asyncio.Task[None]] = set()

    def tell(self, *, pause: float = 1.0) -> None:
        """Tells what there is, unless it has just done so: `pause` in seconds."""
        now = time.monotonic()
        if now - self._told_at >= 0.9 * pause:
            self._told_at = now
            self._write(_TELLS + bounded(self._teller.take()) + b"\n")

    def hear(self, line: bytes) -> bool:
        """A line of the supervisor; False: it is about something else."""
        if not line.startswith(_ASKS):
            return False
        number, deed, text = line.removeprefix(_ASKS).split(b" ", 2)
        if len(self._doing) >= AT_ONCE:
            self._respond(number, b'{"no":"The gateway does as much at a time as it may: try again.","status":503}')
            return True
        doing = asyncio.create_task(self._do(number, deed.decode("ascii"), text), name="asked by the console")
        self._doing.add(doing)
        doing.add_done_callback(self._doing.discard)
        return True

    async def _do(self, number: bytes, deed: str, text: bytes) -> None:
        try:
            done: dict[str, Any] = {"ok": await self._teller.do(deed, json.loads(text))}  # type: ignore[arg-type]
        except Impossible as impossible:
            done = {"no": str(impossible), "status": impossible.status}
        except Exception as error:  # noqa: BLE001 -- it may quote a token: only its kind is told
            done = {"no": f"The gateway failed ({type(error).__name__}).", "status": 500}
        self._respond(number, json.dumps(done, separators=(",", ":")).encode("ascii"))

    def _respond(self, number: bytes, content: bytes) -> None:
        self._write(b"%b%b %b\n" % (_RESPONDS, number, content if len(content) < MAX_LINE else _TOO_LONG))

    def stop(self) -> None:
        """Ends what is under way."""
        for doing in self._doing:
            doing.cancel()


class ConsoleShared:
    """The supervisor's side: a Program and its console."""

    def __init__(
        self,
        config: Callable[[], Config],
        *,
        workers: Callable[[], Sequence[Worker]],
        readiness: Callable[[], Readiness],
        is_draining: Callable[[], bool],
        addresses: Mapping[str, str],
        secrets: Mapping[Secret, str],
    ) -> None:
        """`config`, `workers`: those of now. `addresses`: key of the configuration to where it listens."""
        self._config = config
        self._workers = workers
        self._readiness = readiness
        self._is_draining = is_draining
        self._addresses = addresses
        self._reloads: Reloads | None = None
        self._history = new_history()
        self._started_at = time.time()
        self._number = 0
        self._waiting: dict[bytes, asyncio.Future[dict[str, Any]]] = {}
        own = operators_secret(config(), secrets)
        uses = [use for use in secret_uses(config()) if use.secret in own]
        self._secrets = FollowedSecrets(uses, own, replaced=lambda _: None)
        self._files: FollowedFiles | None = None
        self._listener: Listener | None = None
        self.address = ""

    async def start(self) -> None:
        """Listens. CannotStart."""
        try:
            tls = self._config().tls
            self._files = None if tls is None else FollowedFiles(tls)
        except ValueError as error:
            raise CannotStart(str(error)) from None
        self._listener = await Listener.start(
            self._config(), self, self._history, read=self._secrets.read, files=self._files
        )
        self.address = self._listener.address
        await self._secrets.start()

    async def stop(self) -> None:
        """Ends it."""
        await self._secrets.stop()
        if self._listener is not None:
            await self._listener.stop()

    def look(self, now: float) -> None:
        """To be called once a second."""
        if self._files is not None:
            self._files.look(now)

    def hear(self, worker: Worker, line: bytes) -> bool:
        """A line of a worker; False: it is about something else."""
        if line.startswith(_TELLS):
            self._history.add(msgspec.json.decode(line[len(_TELLS) :], type=Told), process=worker.pid)
            return True
        if not line.startswith(_RESPONDS):
            return False
        number, _, text = line[len(_RESPONDS) :].partition(b" ")
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(json.loads(text))
        return True

    def gone(self, worker: Worker) -> None:
        """A worker has ended."""
        self._history.forget(worker.pid)

    def about(self) -> About:
        """How it is now."""
        return about_of(
            self._config(),
            self._readiness(),
            started_at=self._started_at,
            is_draining=self._is_draining(),
            addresses={**self._addresses, "console": self.address},
        )

    async def ask(self, deed: Deed, asked: dict[str, Any]) -> dict[str, Any]:
        """Has one worker do it, and what each has of its own every one. Impossible."""
        workers = [worker for worker in self._workers() if not worker.is_gone]
        if not workers:
            raise Impossible("No worker serves now: try again.", status=503)
        if deed != "refresh":
            return await self._ask(workers[0], deed, asked)
        done = await asyncio.gather(*(self._ask(one, deed, asked) for one in workers), return_exceptions=True)
        failed = [one for one in done if isinstance(one, BaseException)]
        if failed:
            raise failed[0]
        # Where one has failed it is that which is told.
        return min((one for one in done if isinstance(one, dict)), key=lambda one: bool(one.get("ok")))

    async def _ask(self, worker: Worker, deed: Deed, asked: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(asked, separators=(",", ":")).encode("ascii")
        if len(text) > MAX_LINE:
            raise Impossible("That is too long.", status=413)
        self._number += 1
        number = b"%d" % self._number
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            worker.tell(b"%b%b %b %b\n" % (_ASKS, number, deed.encode("ascii"), text))
            async with asyncio.timeout(PATIENCE):
                done = await waiting
        except TimeoutError:
            raise Impossible(f"A worker has not responded within {PATIENCE:g} s: try again.", status=504) from None
        finally:
            del self._waiting[number]
        if "ok" not in done:
            raise Impossible(str(done.get("no")), status=int(done.get("status", 500)))
        ok: dict[str, Any] = done["ok"]
        return ok

    def reload_by(self, reloads: Reloads) -> None:
        """From now on this reads the configuration anew when somebody asks for it."""
        self._reloads = reloads

    async def reload(self) -> dict[str, Any]:
        """Reads the configuration anew. Impossible."""
        return await reloaded_by(self._reloads)
