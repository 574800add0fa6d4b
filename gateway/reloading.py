"""How the configuration is read anew, for whoever asks for that: a signal, a watcher, the console."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """What came of reading the configuration anew."""

    #: what keeps it from being used, in sentences; empty: it is in use, and all that was before stays otherwise
    problems: tuple[str, ...] = ()
    #: the keys that changed, each a path and what became of it; empty: nothing did
    changed: tuple[str, ...] = ()
    #: what ought to be known of that: what became public, weaker or unguarded
    warnings: tuple[str, ...] = ()
    #: tells one effective configuration from another: that which is in use now
    hash: str = ""

    @property
    def is_sound(self) -> bool:
        """Whether what was read is in use."""
        return not self.problems


class Reloads(Protocol):
    """The configuration in use, and how another one takes its place."""

    @property
    def hash(self) -> str:
        """Tells one effective configuration from another: that which is in use."""

    @property
    def since(self) -> float:
        """When it came into use, in seconds since the epoch."""

    @property
    def last_problems(self) -> tuple[str, ...]:
        """What kept the configuration from being used when it was last read; empty: nothing."""

    @property
    def last_at(self) -> float:
        """When it was last read and used, or found unchanged: seconds since the epoch."""

    async def reload(self) -> ReloadResult:
        """Reads it anew, and uses it if it is sound. A second call waits for the first. Raises nothing."""
