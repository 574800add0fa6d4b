"""The console of a gateway that is one process: what it is told comes from here, and what it asks is done here."""

import asyncio
import time
from typing import Any, Final, Protocol

from gateway import __version__
from gateway.admin.readiness import Readiness
from gateway.assembly import Assembly
from gateway.console.findings import Named
from gateway.console.history import History
from gateway.console.sources import About, Deed, Impossible
from gateway.core.config.file import Config
from gateway.core.config.fingerprint import fingerprint
from gateway.core.config.issuers import issuer_name
from gateway.core.config.secret import Secret
from gateway.process.console.listener import Listener, new_history
from gateway.process.console.teller import GatewayTeller
from gateway.process.extras import Extras
from gateway.process.secure import FollowedFiles
from gateway.reloading import Reloads

#: seconds for what is asked
PATIENCE: Final = 15.0


class Alone(Protocol):
    """A gateway that is one process."""

    #: where it listens, once it does
    address: str
    decisions_address: str
    admin_address: str
    #: what only some configurations have, another listener among it
    extras: Extras

    @property
    def assembly(self) -> Assembly:
        """What serves now."""

    @property
    def is_draining(self) -> bool:
        """It serves, and ends each connection."""

    def readiness(self) -> Readiness:
        """Whether it can respond."""


def about_of(
    config: Config,
    readiness: Readiness,
    *,
    started_at: float,
    is_draining: bool,
    addresses: dict[str, str],
) -> About:
    """How a program is, by what it can say of itself."""
    why = () if readiness.store is None else (("store", readiness.store),)
    return About(
        version=__version__,
        config=fingerprint(config),
        started_at=started_at,
        is_ready=readiness.ready and not is_draining,
        missing=(*readiness.missing, *why),
        is_draining=is_draining,
        listeners=addresses,
        workers=config.workers,
        issuers=tuple(Named(issuer_name(issuer), issuer.issuer) for issuer in config.issuers),
        has_store=config.store.url is not None,
        can_revoke=config.revocation is not None,
    )


class ConsoleAlone:
    """A Program and its console."""

    def __init__(self, gateway: Alone, teller: GatewayTeller, history: History) -> None:
        self._gateway = gateway
        self._teller = teller
        self._history = history
        self._reloads: Reloads | None = None
        self._started_at = time.time()
        self._listener: Listener | None = None
        self.address = ""

    @classmethod
    async def start(cls, gateway: Alone, teller: GatewayTeller, files: FollowedFiles | None) -> "ConsoleAlone":
        """Listens. `files`: of TLS toward clients. CannotStart."""
        made = cls(gateway, teller, new_history())

        def read(secret: Secret) -> str:
            # Of the assembly that serves then.
            return gateway.assembly.secrets.read(secret)

        config = gateway.assembly.config
        made._listener = await Listener.start(config, made, made._history, read=read, files=files)
        made.address = made._listener.address
        return made

    def look(self, now: float) -> None:
        """Takes what there is to be told."""
        self._history.add(self._teller.take())

    async def stop(self) -> None:
        """Ends it."""
        if self._listener is not None:
            await self._listener.stop()

    def about(self) -> About:
        """How it is now."""
        gateway = self._gateway
        found = {"listen": gateway.address, "decisions": gateway.decisions_address, "admin": gateway.admin_address}
        found |= {"decisions_grpc": gateway.extras.grpc_address, "console": self.address}
        return about_of(
            self._gateway.assembly.config,
            self._gateway.readiness(),
            started_at=self._started_at,
            is_draining=self._gateway.is_draining,
            addresses={key: where for key, where in found.items() if where},
        )

    async def ask(self, deed: Deed, asked: dict[str, Any]) -> dict[str, Any]:
        """Does it here. Impossible."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._teller.do(deed, asked)
        except TimeoutError:
            raise Impossible(f"That took longer than {PATIENCE:g} s.", status=504) from None

    def reload_by(self, reloads: Reloads) -> None:
        """From now on this reads the configuration anew when somebody asks for it."""
        self._reloads = reloads

    async def reload(self) -> dict[str, Any]:
        """Reads the configuration anew. Impossible."""
        return await reloaded_by(self._reloads)


async def reloaded_by(reloads: Reloads | None) -> dict[str, Any]:
    """Has the configuration read anew; what came of it, as the API has it. Impossible: nobody does that."""
    if reloads is None:
        raise Impossible("This gateway does not read its configuration while it runs: restart it.", status=501)
    result = await reloads.reload()
    return {
        "ok": result.is_sound,
        "problems": list(result.problems),
        "changed": list(result.changed),
        "warnings": list(result.warnings),
        "config": result.hash,
    }
