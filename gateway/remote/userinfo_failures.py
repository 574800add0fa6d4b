"""Failures of one issuer's UserInfo endpoint: how long each is remembered, for whom, and what is logged of it."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from gateway.remote.silence import silence_of

#: seconds that a failure is remembered for the token that it was asked with
REMEMBERED: Final = 10.0
#: those remembered at a time
MAX_REMEMBERED: Final = 10_000
#: Of so many in a row nothing could be reached: for a second nobody is asked about anybody.
IN_A_ROW: Final = 3
PAUSE: Final = 1.0
#: seconds that an issuer may ask for with Retry-After
MAX_PAUSE: Final = 300.0
#: different sentences that are logged, ever
MAX_TOLD: Final = 32

_LOG: Final = logging.getLogger("gateway.remote")
_NEVER: Final = float("-inf")
#: what a status often means, for whoever reads the log
_HINTS: Final = {
    401: "; often the token is not meant for that endpoint as well, or its session has ended",
    403: "; often the token lacks the scope openid",
    404: "; is that the endpoint?",
}


class Failure(Exception):
    """Why the claims could not be had. The sentence is for operators, and has no claim and no token in it."""

    def __init__(self, sentence: str, *, status: int | None = None, until: float = _NEVER) -> None:
        """`status`: of the response. `until`: monotonic seconds, before which asking again is in vain."""
        super().__init__(sentence)
        self.status = status
        self.until = until

    @property
    def is_refusal(self) -> bool:
        """Whether the issuer refused the token, and is well."""
        return self.status in {401, 403}

    def again(self) -> "Failure":
        """The same, raised to nobody yet."""
        return Failure(str(self), status=self.status, until=self.until)


class Failures:
    """Those that are remembered."""

    def __init__(
        self, name: str, *, clock: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`name`: of the issuer. `clock`: seconds since the epoch."""
        self._name = name
        self._clock = clock
        self._monotonic = monotonic
        self._remembered: OrderedDict[bytes, Failure] = OrderedDict()
        #: of the whole endpoint
        self._pause: Failure | None = None
        #: failures since the last response, of which each was for want of one
        self._in_a_row = 0
        self._told: set[str] = set()

    def __len__(self) -> int:
        return len(self._remembered)

    def find(self, digest: bytes) -> Failure | None:
        """Why asking with this token is in vain now; None: it may be asked."""
        now = self._monotonic()
        if self._pause is not None:
            if now < self._pause.until:
                return self._pause
            self._pause = None
        failure = self._remembered.get(digest)
        if failure is not None and now >= failure.until:
            del self._remembered[digest]
            failure = None
        return failure

    def seconds_left(self, failure: Failure) -> float:
        """How long it counts from now on; at least a second."""
        return max(PAUSE, failure.until - self._monotonic())

    def unreachable(self, sentence: str) -> Failure:
        """There was no whole response."""
        self._in_a_row += 1
        failure = Failure(sentence)
        if self._in_a_row >= IN_A_ROW:
            # One alone may be about whom it was asked; several are about the issuer.
            self._pause = Failure(sentence, until=self._monotonic() + PAUSE)
        return failure

    def status(self, status: int, headers: Mapping[str, str]) -> Failure:
        """There was a response of another status than 200. `headers`: names in lower case."""
        self._in_a_row = 0 if status < 500 else self._in_a_row
        failure = Failure(f"the response has status {status}{_HINTS.get(status, '')}", status=status)
        silence = silence_of(status, headers, now=self._clock())
        if silence is not None:
            until = self._monotonic() + min(silence, MAX_PAUSE)
            self._pause = Failure(str(failure), status=status, until=until)
        return failure

    def crowded(self, sentence: str) -> Failure:
        """It was not asked: too many wait already."""
        self._tell("too many requests wait to ask it")
        return Failure(sentence, until=self._monotonic() + PAUSE)

    def remember(self, digest: bytes, failure: Failure) -> None:
        """Asking with the same token is in vain for a while."""
        failure.until = self._monotonic() + REMEMBERED
        if self._pause is not None:
            failure.until = max(failure.until, self._pause.until)
        # One of its own: what is raised has the frames of whoever asked, and the response in them.
        self._remembered[digest] = failure.again()
        self._remembered.move_to_end(digest)
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        self._tell(str(failure))

    def ended(self) -> None:
        """There was a response that can be used."""
        if self._in_a_row >= IN_A_ROW:
            _LOG.info("issuer %s: userinfo can be had again", self._name)
            # Should it fail once more, that is another outage.
            self._told.clear()
        self._in_a_row = 0

    def _tell(self, sentence: str) -> None:
        """Logs it once."""
        if sentence not in self._told and len(self._told) < MAX_TOLD:
            self._told.add(sentence)
            _LOG.warning("issuer %s: userinfo cannot be had: %s", self._name, sentence)
