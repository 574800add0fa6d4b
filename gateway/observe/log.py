"""The program's own log on standard error, as JSON or text. Libraries may not quote what they read from the network."""

import json
import logging
import re
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

from gateway.core.config.log import Log

#: long enough to be a piece of a token: not quoted from an exception's own words
_TOKEN_PIECE = re.compile(r"[A-Za-z0-9_\-+/=]{16,}")

#: libraries whose messages and tracebacks can hold raw header lines
_MUTED = ("aiohttp", "asyncio")


class _Muted(logging.Filter):
    """Lets pass that a library complains and how badly, not what it says."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.split(".")[0] not in _MUTED:
            return True
        if record.levelno < logging.WARNING:
            return False
        error = record.exc_info[1] if record.exc_info else None
        record.msg = "the library reported a problem" + (f": {type(error).__name__}" if error else "")
        record.args, record.exc_info, record.exc_text = (), None, None
        return True


class _Formatter(logging.Formatter):
    def formatException(self, ei: Any) -> str:  # noqa: N802 -- logging's name
        """Where it happened in full; what the exception says without anything that may be a piece of a token."""
        _, error, trace = ei
        frames = "".join(traceback.format_tb(trace))
        return f"Traceback:\n{frames}{type(error).__name__}: {_TOKEN_PIECE.sub('...', str(error))}"


class _JsonFormatter(_Formatter):
    def __init__(self, worker: int | None) -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if self._worker is not None:
            fields["worker"] = self._worker
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, separators=(",", ":"))


class _TextFormatter(_Formatter):
    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        # One event, one line, whatever stands in it; a traceback keeps its lines.
        head, newline, rest = text.partition("\nTraceback")
        return head.replace("\r", "\\r").replace("\n", "\\n") + newline + rest


def set_up_logging(log: Log, stream: TextIO | None = None, *, worker: int | None = None) -> None:
    """Sends everything the program and its libraries log to `stream`, standard error by default.

    `worker`: which of several processes this is.
    """
    name = "%(name)s" if worker is None else f"%(name)s[{worker}]"
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(_Muted())
    handler.setFormatter(
        _JsonFormatter(worker)
        if log.format == "json"
        else _TextFormatter(f"%(asctime)sZ %(levelname)-7s {name}: %(message)s", "%Y-%m-%dT%H:%M:%S")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log.level.upper())
