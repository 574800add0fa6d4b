"""The access log: one JSON object a line on standard output. Never a token, a query string or an unverified subject."""

import json
import logging
import os
import re
import sys
import time
from asyncio import get_running_loop
from collections.abc import Callable
from functools import lru_cache
from random import random
from select import PIPE_BUF
from typing import BinaryIO, Final, TextIO

import msgspec

from gateway.core.config.log import Log
from gateway.core.errors import RateLimited
from gateway.core.http.facts import Facts
from gateway.core.http.field_line import FieldLine
from gateway.core.token.confirmation import KEY
from gateway.core.token.identity import Identity
from gateway.observe.access_line import AccessLine
from gateway.observe.metrics.metrics import ADMITTED, outcome_of
from gateway.observe.outlet import outlet_of
from gateway.observe.plain_line import PIECE, PLAIN_TARGET, RUN, plain_line
from gateway.ports import Ending
from gateway.sampled import trace_of

#: W3C Trace Context section 3.2
_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_STRIDE: Final = 5
_BLOCK: Final = PIECE - _STRIDE + 1
#: the beginning of every JWT: base64url of an object that begins with a quoted name
_JWT: Final = re.compile(r"eyJ[A-Za-z0-9_-]{13,}(?:\.[A-Za-z0-9_-]*)*")
#: characters of a path
PATH_SHOWN: Final = 1024
#: characters of the thumbprint of a key
_JKT_SHOWN: Final = 8
#: characters of credentials up to which looking for each block of a run is the cheaper way round
_SEARCHED: Final = 4096
#: bytes of gathered lines that are written without waiting for the turn of the loop to end
BATCH: Final = 64 * 1024
#: seconds between two complaints of the program log that nobody reads the access log
COMPLAINT: Final = 60.0
#: seconds that a reader has at the end for what it did not take before
LAST_CALL: Final = 1.0
#: the last four characters of a time
_MILLISECONDS: Final = tuple(f"{number:03d}Z" for number in range(1000))
_DELETE: Final = 0x7F


_log: Final = logging.getLogger("gateway")
_encode = msgspec.json.Encoder().encode


class AccessLog:
    """A line a request, or only for refused and failed ones, or none.

    Lines are gathered and written once per turn of the event loop: a process that is killed loses those of one turn.
    A reader that stalls holds up the gateway once the pipe is full, or, as configured, loses lines: nothing is dropped
    in silence.
    """

    def __init__(
        self,
        log: Log,
        stream: TextIO | None = None,
        *,
        batch: int = BATCH,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random,
        dropped: Callable[[int], None] | None = None,
    ) -> None:
        """`batch`: bytes that are written at a time at most, longer lines excepted. `clock`: seconds of the epoch.

        `chance`: a number in [0, 1). `dropped` hears how many lines nobody took.
        """
        self.reconfigure(log)
        self._chance = chance
        self._stream = stream or sys.stdout
        self._outlet = outlet_of(self._stream) if log.blocked == "drop" else None
        self._bytes = None if self._outlet is not None else _binary(self._stream)
        self._tell_dropped = dropped
        #: lines lost since the program log was told, and when it may be told again
        self._dropped = 0
        self._silent_until = 0.0
        #: whoever read the log is gone
        self._is_over = False
        # A pipe takes all of so much or nothing (pipe(7)), so that no line is cut where the reader stays away for good.
        self._batch = batch if self._outlet is None else min(batch, PIPE_BUF)
        self._clock = clock
        self._lines: list[bytes] = []
        self._gathered = 0
        #: the second that was written last, and how
        self._second = -1
        self._second_written = ""

    def reconfigure(self, log: Log) -> None:
        """What is logged from now on; where to stays."""
        self._subject_shown = log.subject
        #: as hex digits, or not at all; and whether at all
        self._is_hashed = log.subject != "plain"
        self._has_subject = log.subject != "off"
        #: what is logged of requests whose route says nothing else
        self._wanted: str = log.access
        #: share of admitted requests
        self._sample = float(log.sample)

    def request_ended(self, ending: Ending) -> None:
        """One line, unless the configuration says otherwise."""
        route = ending.route
        wanted = self._wanted if route is None or route.log is None else route.log
        if wanted != "all" and (wanted == "none" or outcome_of(ending) == ADMITTED):
            return
        if self._sample < 1.0 and outcome_of(ending) == ADMITTED and self._chance() >= self._sample:
            return
        if self._is_over:
            return
        line = self._line(ending)
        if self._gathered + len(line) > self._batch:
            self.flush()
        if not self._lines:
            try:
                get_running_loop().call_soon(self.flush)
            except RuntimeError:
                # No loop, no turn to wait for.
                self._lines.append(line)
                self.flush()
                return
        self._lines.append(line)
        self._gathered += len(line)

    def flush(self) -> None:
        """Writes what was gathered; waits as long as the reader of a full pipe does, unless lines are to be dropped."""
        if not self._lines:
            return
        gathered = b"".join(self._lines)
        self._lines.clear()
        self._gathered = 0
        try:
            if self._outlet is not None:
                self._drop(self._outlet.write(gathered))
            elif self._bytes is not None:
                self._bytes.write(gathered)
                self._bytes.flush()
            else:
                self._stream.write(gathered.decode("ascii"))
                self._stream.flush()
        except (OSError, ValueError):
            # Whoever reads the log is gone. Serving goes on; the metrics still count.
            self._is_over = True

    def look(self, now: float) -> None:
        """To be called each second: writes what was kept, and tells the program log of what was lost.

        `now`: seconds of any clock.
        """
        if self._outlet is not None and not self._is_over:
            try:
                self._outlet.retry()
            except OSError:
                self._is_over = True
        if self._dropped and now >= self._silent_until:
            self._silent_until = now + COMPLAINT
            _log.warning("%d lines of the access log were dropped: standard output is not read", self._dropped)
            self._dropped = 0

    def close(self) -> None:
        """Writes what was gathered; where lines may be dropped it waits a second for the reader, not longer."""
        self.flush()
        if self._outlet is not None:
            self._drop(self._outlet.close(seconds=LAST_CALL))
            self._outlet = None
            self._is_over = True
            self.look(self._silent_until)

    def _drop(self, count: int) -> None:
        if count:
            self._dropped += count
            if self._tell_dropped is not None:
                self._tell_dropped(count)

    def _line(self, ending: Ending) -> bytes:
        """Printable ASCII, and a line feed."""
        facts, identity = ending.facts, ending.identity
        if (
            facts is not None
            and identity is not None
            and self._is_hashed
            and ending.refusal is None
            and ending.reported is None
            and PLAIN_TARGET.fullmatch(facts.target) is not None
        ):
            request_id, trace_id = _ids(facts, ending)
            written = plain_line(
                ending,
                identity,
                now=self._now(),
                path=_without_token_of(facts, facts.target[:PATH_SHOWN].decode("ascii")),
                subject=identity.hashed_subject if self._has_subject else None,
                request_id=request_id,
                trace_id=trace_id,
            )
            if written is not None:
                return written
        return _encoded(self.line_of(ending))

    def line_of(self, ending: Ending) -> AccessLine:
        """What there is to say of a request, whether that is logged or not."""
        facts, refusal, identity = ending.facts, ending.refusal or ending.reported, ending.identity
        client = method = path = request_id = trace_id = kid = None
        if facts is not None:
            client, method, path = facts.peer, facts.method, _without_token_of(facts, facts.path[:PATH_SHOWN])
            request_id, trace_id = _ids(facts, ending)
        issuer = tenant = client_id = subject = token = jkt = evidence = None
        if identity is not None:
            issuer, tenant, client_id, token = identity.issuer, identity.tenant, identity.client, identity.token_id
            subject = self._subject(identity)
            if identity.confirmation is not None:
                jkt = identity.confirmation.methods.get(KEY, "")[:_JKT_SHOWN] or None
        if refusal is not None:
            evidence = refusal.evidence or None
            if refusal.suspect is not None:
                kid = refusal.suspect.kid and _without_token_of(facts, refusal.suspect.kid)
                if identity is None:
                    issuer, tenant, token = refusal.suspect.issuer, refusal.suspect.tenant, refusal.suspect.token_id
        elif identity is not None:
            evidence = identity.verdict.evidence
        return AccessLine(
            self._now(),
            client,
            method,
            path,
            ending.status,
            None if ending.route is None else ending.route.name,
            ADMITTED if refusal is None else outcome_of(ending),
            None if refusal is None else refusal.reason,
            evidence if evidence is None or _is_plain(evidence) else _without_token_of(facts, evidence),
            refusal.rate if isinstance(refusal, RateLimited) else None,
            issuer,
            tenant,
            client_id,
            subject,
            kid,
            token,
            None if facts is None or facts.place == "Authorization" else facts.place,
            jkt,
            _milliseconds(ending.duration),
            None if ending.upstream_duration is None else _milliseconds(ending.upstream_duration),
            ending.bytes_in,
            ending.bytes_out,
            request_id,
            trace_id,
        )

    def _now(self) -> str:
        """RFC 3339, to the millisecond."""
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._second = second
            self._second_written = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return self._second_written + _MILLISECONDS[int((now - second) * 1000)]

    def _subject(self, identity: Identity) -> str | None:
        match self._subject_shown:
            case "hashed":
                return identity.hashed_subject
            case "plain":
                return identity.subject or None
            case "off":
                return None


def _binary(stream: TextIO) -> BinaryIO | None:
    """Where bytes can be written, past the text; None: the stream takes text only."""
    binary: BinaryIO | None = getattr(stream, "buffer", None)
    if binary is not None:
        try:
            stream.flush()
            # A pipe that another program made non-blocking would take half a line and raise.
            os.set_blocking(binary.fileno(), True)
        except (OSError, ValueError):
            pass
    return binary


def _milliseconds(seconds: float) -> float:
    return int(seconds * 1e6 + 0.5) / 1000


def _ids(facts: Facts, ending: Ending) -> tuple[str, str | None]:
    """That of the request, and that of the trace that it is part of."""
    given_id, trace_id = _told_by_headers(facts.lines)
    if ending.upstream_lines:
        trace_id = trace_of(ending.upstream_lines)  # ours: what the request says may be none
    return _without_token_of(facts, facts.request_id) if given_id else facts.request_id, trace_id


def _encoded(line: AccessLine) -> bytes:
    try:
        written = _encode(line)
    except UnicodeEncodeError:
        written = b"\xff"  # half of a surrogate pair: only escapes can say it
    if not written.isascii() or _DELETE in written:
        fields = {name: value for name, value in msgspec.structs.asdict(line).items() if value is not None}
        written = json.dumps(fields, separators=(",", ":")).encode("ascii")
    return written + b"\n"


def _told_by_headers(lines: tuple[FieldLine, ...]) -> tuple[bool, str | None]:
    """Whether the request has an id of its own, and the trace that it is part of."""
    given_id, trace = False, None
    traces = 0
    for line in lines:
        name = line.name
        length = len(name)
        if length == 11 and name.lower() == b"traceparent":
            trace, traces = line.value, traces + 1
        elif length == 12 and name.lower() == b"x-request-id":
            given_id = True
    found = _TRACEPARENT.fullmatch(trace) if trace is not None and traces == 1 else None
    return given_id, found[1].decode() if found else None


@lru_cache(maxsize=1024)
def _is_plain(text: str) -> bool:
    """Whether nothing in it is long enough to be a piece of a token."""
    return RUN.search(text) is None


def _without_token_of(facts: Facts | None, text: str) -> str:
    if len(text) < PIECE or RUN.search(text) is None:
        return text
    if facts is None:
        return without_token(text, "")
    credentials = [*facts.authorization, *[placed.value for placed in facts.placed]]
    return without_token(text, b" ".join(credentials).decode("latin-1"))


def without_token(text: str, credentials: str) -> str:
    """`text` less anything that looks like a JWT, and less any piece of what the request has in Authorization."""
    text = _JWT.sub("(token)", text)
    # Any PIECE characters in common hold a whole block that begins, on one side, at a multiple of STRIDE.
    if len(credentials) <= _SEARCHED:
        return RUN.sub(lambda run: "(token)" if _is_of(run[0], credentials) else run[0], text)
    blocks = {credentials[start : start + _BLOCK] for start in range(0, len(credentials), _STRIDE)}
    return RUN.sub(lambda run: "(token)" if _has_block(run[0], blocks) else run[0], text)


def _is_of(run: str, credentials: str) -> bool:
    return any(run[start : start + _BLOCK] in credentials for start in range(0, len(run) - _BLOCK + 1, _STRIDE))


def _has_block(run: str, blocks: set[str]) -> bool:
    return any(run[start : start + _BLOCK] in blocks for start in range(len(run) - _BLOCK + 1))
