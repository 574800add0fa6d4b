"""When Redis is asked, and when it is not: arithmetic; now and chance are arguments, and nothing here waits or asks."""

from typing import Final

#: seconds between two looks while all is well
INTERVAL: Final = 1.0
#: seconds
MIN_BACKOFF: Final = 0.05
MAX_BACKOFF: Final = 2.0


def backoff(failures: int, chance: float) -> float:
    """Seconds until the look after `failures` in a row; `chance` in [0, 1) takes off up to a half.

    Of many replicas that lost it at one moment, not all come back at one.
    """
    return min(MAX_BACKOFF, MIN_BACKOFF * 2.0 ** min(failures - 1, 10)) * (1.0 - chance / 2.0)


class Circuit:
    """Whether the store can be had. One failure opens it; a look that goes well closes it."""

    def __init__(self) -> None:
        #: why it cannot be had, fit for a log line; None: it can
        self.reason: str | None = "it was not reached yet"
        #: it is asked nevertheless: it responds, and only says no to some of it
        self.is_asked = False
        #: looks that failed in a row
        self.failures = 0

    def __repr__(self) -> str:
        return f"Circuit({self.reason or 'up'}, {self.failures} failures)"

    @property
    def is_up(self) -> bool:
        """All of it can be had."""
        return self.reason is None

    def failed(self, reason: str, *, is_asked: bool) -> bool:
        """It failed. `is_asked`: it did respond. True: that is news."""
        news = self.reason != reason
        self.reason, self.is_asked = reason, is_asked
        return news

    def went_well(self) -> bool:
        """A look did. True: that is news."""
        news = self.reason is not None
        self.reason, self.is_asked, self.failures = None, True, 0
        return news
