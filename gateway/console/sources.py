"""What the console needs from whoever serves, as small protocols. `process` says who stands behind them."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from gateway.console.findings import Named

#: what can be asked of a process that serves
Deed = Literal["explain", "refresh", "verify", "list", "revoke", "lift"]


class Impossible(Exception):
    """What was asked cannot be done; a sentence that quotes nothing, and a status for it."""

    def __init__(self, sentence: str, *, status: int = 409) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class About:
    """How the program as a whole is, now."""

    version: str
    #: 12 digits of the configuration
    config: str
    #: seconds since the epoch
    started_at: float
    is_ready: bool
    #: who stands in the way, and why
    missing: tuple[tuple[str, str], ...]
    is_draining: bool
    #: key of the configuration to where it listens
    listeners: dict[str, str]
    workers: int
    issuers: tuple[Named, ...]
    #: whether there is a store that replicas share
    has_store: bool
    can_revoke: bool


class Program(Protocol):
    """The program that the console speaks for."""

    def about(self) -> About:
        """How it is now."""

    async def ask(self, deed: Deed, asked: dict[str, Any]) -> dict[str, Any]:
        """Has a process that serves do it. Impossible."""

    async def reload(self) -> dict[str, Any]:
        """Reads the configuration anew, and serves by it if it is sound; what came of it. Impossible."""
