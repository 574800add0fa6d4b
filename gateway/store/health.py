"""What a Redis says of itself (INFO): whether it may throw things away, and whether it has. Pure: asks nobody."""

import re
from dataclasses import dataclass
from typing import Final

#: the only policy under which nothing is thrown away before its time
NO_EVICTION: Final = "noeviction"
_COUNT: Final = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Health:
    """What counts of it."""

    #: another one: it was started anew, or is another Redis
    run_id: str
    is_cluster: bool
    #: None: it does not say
    policy: str | None
    #: keys that it threw away since it runs, for want of memory
    evicted: int

    @classmethod
    def read(cls, info: object) -> "Health":
        """From the response to INFO, whatever is in it."""
        text = info.decode("utf-8", "replace") if isinstance(info, bytes) else ""
        fields = dict(line.partition(":")[::2] for line in text.splitlines())
        evicted = fields.get("evicted_keys", "")
        return cls(
            run_id=fields.get("run_id", ""),
            is_cluster="cluster" in fields.get("redis_mode", "") or fields.get("cluster_enabled") == "1",
            policy=fields.get("maxmemory_policy"),
            evicted=int(evicted) if _COUNT.fullmatch(evicted) else 0,
        )


class Memory:
    """What was known of it before, so that what changes is noticed, and told once."""

    def __init__(self) -> None:
        self.evicts = False
        self._before: Health | None = None
        self._is_silent = False

    @property
    def is_told(self) -> bool:
        """It says whether it has forgotten something."""
        return self._before is not None and not self._is_silent

    def take(self, health: Health | None) -> tuple[bool, list[str]]:
        """Whether it may have forgotten something since the last time, and what is to be logged.

        None: it does not tell, since its ACL does not let us ask.
        """
        if health is None:
            if self._is_silent:
                return False, []
            self._is_silent = True
            return False, ["the store does not let us ask whether it throws keys away: its ACL lacks +info"]
        self._is_silent = False
        before, self._before = self._before, health
        sentences = []
        evicts = health.policy not in {None, NO_EVICTION}
        if evicts and not self.evicts:
            sentences.append(
                f"the store may throw away what is kept there: its maxmemory-policy is {health.policy!a}, "
                f"not {NO_EVICTION}; revocations and used proofs may be forgotten"
            )
        self.evicts = evicts
        if before is None:
            return False, sentences
        if before.run_id != health.run_id:
            return True, [*sentences, "the store was started anew, or is another one than before"]
        if health.evicted > before.evicted:
            gone = health.evicted - before.evicted
            return True, [*sentences, f"the store threw away {gone} keys for want of memory"]
        return False, sentences
