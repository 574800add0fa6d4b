"""Where a client's connection stands: one state machine for what is read and what is served, and one clock for both."""

from typing import Final

# Theory of operation
#
# A connection reads one request at a time, and serves it; what comes meanwhile is not looked at, and once there is much
# of it the client is made to wait. So the two halves are seldom free of each other, and of their eighteen pairs nine
# exist:
#
#     reading        serving
#     SILENT         FREE     nothing of a request has come, ever
#     HEAD           FREE     a head has begun, and not ended
#     IDLE           FREE     between two requests
#     BODY           BUSY     a request is served while its body comes
#     IDLE           BUSY     a request is served, all of which is here
#     BODY           LAST     as BODY and BUSY, and no request is served after this one
#     RAW            LAST     the same, and what comes is no HTTP any more: for a tunnel, if there will be one
#     DEAF           LAST     the same, and whatever comes is dropped
#     DEAF           FREE     nothing is read or served any more: it is closed, or lingers until its client has heard
#
# Two rules: a head is read only while nothing is served; and from LAST there is no way but to DEAF, from where there is
# none.
#
# The deadline belongs to the pair: it is set on the way into SILENT and HEAD (header_timeout), into IDLE and FREE
# (keepalive), and for lingering. A body has a pace of its own, which counts only while somebody waits for it (`body`);
# so has a response that is not taken (`wire`).

SILENT: Final = 0
HEAD: Final = 1
IDLE: Final = 2
UPLOAD: Final = 3
BUSY: Final = 4
LAST_UPLOAD: Final = 5
RAW: Final = 6
DEAF: Final = 7
OVER: Final = 8

#: reading and serving, by the number of the pair
STATES: Final = (
    ("SILENT", "FREE"),
    ("HEAD", "FREE"),
    ("IDLE", "FREE"),
    ("BODY", "BUSY"),
    ("IDLE", "BUSY"),
    ("BODY", "LAST"),
    ("RAW", "LAST"),
    ("DEAF", "LAST"),
    ("DEAF", "FREE"),
)

#: a part of a head came
BEGUN: Final = 0
#: a whole head came; and one behind which the connection is to end
ASKED: Final = 1
ASKED_LAST: Final = 2
#: all of the request came; and what follows it may be another protocol
ENDED: Final = 3
UPGRADED: Final = 4
#: what came makes no sense, and neither does what follows: that remains to be said
BROKEN: Final = 5
#: the response is written, and another request may follow
SERVED: Final = 6
#: the last response is written, or there is nobody to write it to
FINISHED: Final = 7

EVENTS: Final = ("BEGUN", "ASKED", "ASKED_LAST", "ENDED", "UPGRADED", "BROKEN", "SERVED", "FINISHED")

_: Final = -1
#: what becomes of each state (row) with each event (column); _: that cannot happen. Typed as tuples of any length:
#: compiled code makes one of known length anew for each look.
TABLE: Final[tuple[tuple[int, ...], ...]] = (
    # BEGUN ASKED   ASKED_LAST  ENDED UPGRADED BROKEN SERVED FINISHED
    (HEAD, UPLOAD, LAST_UPLOAD, _, _, DEAF, _, OVER),  # SILENT, FREE
    (_, UPLOAD, LAST_UPLOAD, _, _, DEAF, _, OVER),  # HEAD, FREE
    (HEAD, UPLOAD, LAST_UPLOAD, _, _, DEAF, _, OVER),  # IDLE, FREE
    (_, _, _, BUSY, _, DEAF, _, OVER),  # BODY, BUSY
    (_, _, _, _, _, _, IDLE, OVER),  # IDLE, BUSY
    (_, _, _, DEAF, RAW, DEAF, _, OVER),  # BODY, LAST
    (_, _, _, _, _, _, _, OVER),  # RAW, LAST
    (_, _, _, _, _, _, _, OVER),  # DEAF, LAST
    (_, _, _, _, _, _, _, OVER),  # DEAF, FREE
)

NEVER: Final = float("inf")
#: Seconds, and until the next look at it, for which what still comes is dropped, so that no reset loses a response:
#: with nothing coming, and in all. A browser on a slow line reads what was said of its upload behind the upload.
LINGERS: Final = 0.9
LINGERS_AT_MOST: Final = 30.0


class Phase:
    """The state of one connection, and when it has been in it for too long."""

    __slots__ = ("_lingers_until", "deadline", "state")

    def __init__(self, deadline: float) -> None:
        """SILENT and FREE, until `deadline` in seconds of the clock."""
        self.state = SILENT
        self.deadline = deadline
        self._lingers_until = 0.0

    def __repr__(self) -> str:
        reading, serving = STATES[self.state]
        return f"<Phase {reading} {serving}>"

    def enter(self, event: int, *, deadline: float = NEVER) -> None:
        """What happened, and until when the state that comes of it may last. ValueError: that cannot happen here."""
        state = TABLE[self.state][event]
        if state < 0:
            raise ValueError(f"{EVENTS[event]} in {self!r}")
        self.state = state
        self.deadline = deadline

    def linger(self, now: float) -> None:
        """The last response is written, and the client may not be done sending."""
        self.enter(FINISHED, deadline=now + LINGERS)
        self._lingers_until = now + LINGERS_AT_MOST

    def hear(self, now: float) -> None:
        """It sent something that is dropped."""
        self.deadline = max(self.deadline, min(now + LINGERS, self._lingers_until))

    @property
    def reads(self) -> bool:
        """What comes is looked at."""
        return self.state < BUSY or self.state == LAST_UPLOAD

    @property
    def serves(self) -> bool:
        """A request is served, or is to be refused for what it is."""
        return UPLOAD <= self.state <= DEAF
