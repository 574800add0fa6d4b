"""The program's own log on standard error, as JSON or text. Libraries may not quote what they read from the network."""

import contextlib
import json
import logging
import re
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

from gateway.core.config.log import Log
from gateway.observe.outlet import Outlet, outlet_of

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


class _Patient(logging.StreamHandler[TextIO]):
    """Writes without waiting for the reader. What is lost is said as soon as somebody reads again."""

    def __init__(self, stream: TextIO, outlet: Outlet) -> None:
        super().__init__(stream)
        self._outlet = outlet
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """One line, or more with a traceback: all of them or none."""
        try:
            self._admit_loss()
            self._write(record)
        except OSError:
            pass  # whoever read it is gone
        except Exception:  # noqa: BLE001 -- as the library's own handlers do
            self.handleError(record)

    def flush(self) -> None:
        """Writes what was kept while nobody read."""
        with self.lock or contextlib.nullcontext(), contextlib.suppress(OSError):
            self._outlet.retry()
            self._admit_loss()

    def close(self) -> None:
        """Gives the reader a second for what was kept."""
        with self.lock or contextlib.nullcontext():
            self._outlet.close(seconds=1.0)
        super().close()

    def _write(self, record: logging.LogRecord) -> None:
        self._lost += bool(self._outlet.write((self.format(record) + "\n").encode(errors="backslashreplace")))

    def _admit_loss(self) -> None:
        self._outlet.retry()
        if self._lost and self._outlet.is_empty:
            told = "%d messages of this log were dropped: standard error was not read"
            lost, self._lost = self._lost, 0
            self._write(logging.LogRecord("gateway", logging.WARNING, __file__, 0, told, (lost,), None))


def flush_log() -> None:
    """To be called each second: writes of the program's log what nobody read before."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _Patient):
            handler.flush()


def set_up_logging(log: Log, stream: TextIO | None = None, *, worker: int | None = None) -> None:
    """Sends everything the program and its libraries log to `stream`, standard error by default.

    `worker`: which of several processes this is.
    """
    name = "%(name)s" if worker is None else f"%(name)s[{worker}]"
    stream = stream or sys.stderr
    outlet = outlet_of(stream) if log.blocked == "drop" else None
    handler = logging.StreamHandler(stream) if outlet is None else _Patient(stream, outlet)
    handler.addFilter(_Muted())
    handler.setFormatter(
        _JsonFormatter(worker)
        if log.format == "json"
        else _TextFormatter(f"%(asctime)sZ %(levelname)-7s {name}: %(message)s", "%Y-%m-%dT%H:%M:%S")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log.level.upper())
