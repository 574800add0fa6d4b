"""What the process and its console are to each other, as small protocols; and the way to one where it is configured.

Imports nothing of the console: without that section nothing of it is there.
"""

from collections.abc import Callable
from typing import Any, Protocol

from gateway.assembly import Assembly
from gateway.core.config.file import Config
from gateway.observe.access import AccessLog
from gateway.observe.metrics.metrics import Metrics
from gateway.ports import Ending
from gateway.process.secure import FollowedFiles, HasEnd
from gateway.relay.client.server import Server
from gateway.reloading import Reloads


class Teller(Protocol):
    """What a gateway tells the console."""

    def refused(self, ending: Ending) -> None:
        """A request was refused, or would have been."""

    def attach(self, assembly: Callable[[], Assembly], server: Server, secure: HasEnd | None) -> None:
        """From now on it tells of this gateway: of what serves now, of the traffic, and of TLS toward clients."""


class Console(Protocol):
    """A console that is there."""

    #: where it listens
    address: str

    def look(self, now: float) -> None:
        """To be called once a second."""

    def reload_by(self, reloads: Reloads) -> None:
        """From now on this reads the configuration anew when somebody asks for it."""

    async def stop(self) -> None:
        """Ends it."""


def teller_of(config: Config, metrics: Metrics, access: AccessLog) -> Teller | None:
    """What tells; None: there is no console."""
    if config.console is None:
        return None
    from gateway.process.console.teller import GatewayTeller  # noqa: PLC0415 -- see above

    return GatewayTeller(metrics, access)


async def console_of(gateway: Any, teller: Teller, files: FollowedFiles | None) -> Console:
    """The console of a gateway that is one process. `files`: of its TLS. CannotStart."""
    from gateway.process.console.alone import ConsoleAlone  # noqa: PLC0415 -- see above
    from gateway.process.console.teller import GatewayTeller  # noqa: PLC0415 -- see above

    assert isinstance(teller, GatewayTeller)  # made above
    return await ConsoleAlone.start(gateway, teller, files)


class Consulted(Protocol):
    """A worker's side of the console."""

    def tell(self, *, pause: float = 1.0) -> None:
        """Tells what there is, unless it has just done so: `pause` in seconds."""

    def hear(self, line: bytes) -> bool:
        """A line of the supervisor; False: it is about something else."""

    def stop(self) -> None:
        """Ends what is under way."""


class SharedConsole(Console, Protocol):
    """A supervisor's console."""

    async def start(self) -> None:
        """Listens. CannotStart."""

    def hear(self, worker: Any, line: bytes) -> bool:
        """A line of a worker; False: it is about something else."""

    def gone(self, worker: Any) -> None:
        """A worker has ended."""


def consulted_of(teller: Teller | None, write: Callable[[bytes], None]) -> Consulted | None:
    """What a worker tells its supervisor, and does for it; None: there is no console."""
    if teller is None:
        return None
    from gateway.process.console.shared import Consulted as Made  # noqa: PLC0415 -- see above
    from gateway.process.console.teller import GatewayTeller  # noqa: PLC0415 -- see above

    assert isinstance(teller, GatewayTeller)  # made above
    return Made(teller, write)


def shared_console_of(config: Callable[[], Config], **parts: Any) -> SharedConsole | None:
    """The console of a supervisor, which is to be started; None: there is none. `parts`: see `ConsoleShared`."""
    if config().console is None:
        return None
    from gateway.process.console.shared import ConsoleShared  # noqa: PLC0415 -- see above

    return ConsoleShared(config, **parts)
