"""The access log: one JSON object a line on standard output. Never a token, a query string or an unverified subject."""

import json
import re
import sys
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TextIO

from gateway.core.config import Log
from gateway.core.model import Facts
from gateway.observe.metrics import outcome_of
from gateway.ports import Ending

#: W3C Trace Context section 3.2
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
#: hex digits of SHA-256 that stand for a subject
_SUBJECT_DIGITS = 16
#: fields that hold what a client wrote
_WRITTEN_BY_CLIENTS = frozenset({"path", "request_id", "kid", "evidence"})
#: characters of a token that are a piece of it, and not chance
PIECE = 16
_STRIDE = 5
_BLOCK = PIECE - _STRIDE + 1
#: the beginning of every JWT: base64url of an object that begins with a quoted name
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{13,}(?:\.[A-Za-z0-9_-]*)*")
_RUN = re.compile(rf"[A-Za-z0-9._~+=-]{{{PIECE},}}")
#: characters of a path
_PATH_SHOWN = 1024


class AccessLog:
    """Writes a line a request, or only refused and failed ones, or none."""

    def __init__(self, log: Log, stream: TextIO | None = None) -> None:
        self._log = log
        self._stream = stream or sys.stdout

    def request_ended(self, ending: Ending) -> None:
        """One line, unless the configuration says otherwise."""
        wanted = self._log.access == "all" or (self._log.access == "refused" and outcome_of(ending) != "admitted")
        if not wanted:
            return
        line = json.dumps(self.record(ending, datetime.now(UTC)), separators=(",", ":"))
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # Whoever reads the log is gone. Serving goes on; the metrics still count.
            self._log = Log(access="none")

    def record(self, ending: Ending, now: datetime) -> dict[str, Any]:
        """The fields of docs/observability.md; what is absent is left out."""
        facts, refusal, identity = ending.facts, ending.refusal or ending.reported, ending.identity
        suspect = refusal.suspect if refusal is not None else None
        fields: dict[str, Any] = {
            "ts": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "client": facts.peer if facts else None,
            "method": facts.method if facts else None,
            "path": facts.path[:_PATH_SHOWN] if facts else None,
            "status": ending.status,
            "route": ending.route.name if ending.route else None,
            "outcome": outcome_of(ending),
            "reason": refusal.reason if refusal else None,
            "evidence": refusal.evidence or None if refusal else identity.verdict.evidence if identity else None,
            "issuer": identity.issuer if identity else suspect.issuer if suspect else None,
            "client_id": identity.client if identity else None,
            "sub": self._subject(identity.subject) if identity and identity.subject else None,
            "kid": suspect.kid if suspect else None,
            "token": identity.token_id if identity else suspect.token_id if suspect else None,
            "duration_ms": round(ending.duration * 1000, 3),
            "upstream_ms": None if ending.upstream_duration is None else round(ending.upstream_duration * 1000, 3),
            "bytes_in": ending.bytes_in,
            "bytes_out": ending.bytes_out,
            "request_id": facts.request_id if facts else None,
            "trace_id": _trace_id(facts) if facts else None,
        }
        credentials = b" ".join(facts.authorization).decode("latin-1") if facts else ""
        return {
            name: without_token(value, credentials) if name in _WRITTEN_BY_CLIENTS else value
            for name, value in fields.items()
            if value is not None
        }

    def _subject(self, subject: str) -> str | None:
        match self._log.subject:
            case "plain":
                return subject
            case "hashed":
                return sha256(subject.encode()).hexdigest()[:_SUBJECT_DIGITS]
            case "off":
                return None


def without_token(text: str, credentials: str) -> str:
    """`text` less anything that looks like a JWT, and less any piece of what the request has in Authorization."""
    text = _JWT.sub("(token)", text)
    if _RUN.search(text) is None:
        return text
    # Any PIECE characters in common hold a whole block that begins at a multiple of STRIDE: one pass over each side.
    blocks = {credentials[start : start + _BLOCK] for start in range(0, len(credentials), _STRIDE)}
    return _RUN.sub(lambda run: "(token)" if _has_block(run[0], blocks) else run[0], text)


def _has_block(run: str, blocks: set[str]) -> bool:
    return any(run[start : start + _BLOCK] in blocks for start in range(len(run) - _BLOCK + 1))


def _trace_id(facts: Facts) -> str | None:
    values = [value for name, value in facts.headers if name.lower() == b"traceparent"]
    found = _TRACEPARENT.fullmatch(values[0]) if len(values) == 1 else None
    return found[1].decode() if found else None
