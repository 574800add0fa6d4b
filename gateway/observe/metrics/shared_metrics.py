"""The metrics of several worker processes: each keeps its own in files of one directory, and one process adds them up.

A worker is known by its place, not by its process id: a successor counts on where the one before it ended.
"""

import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.libraries.counting import (
    CollectorRegistry,
    MultiProcessCollector,
    generate_latest,
    mark_process_dead,
    values,
)

#: names the directory; prometheus_client reads it when it is imported
VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX: Final = "gateway-worker-"
#: A file that a worker is about to make can be read half made: a moment later it is whole.
_ATTEMPTS: Final = 10
#: seconds
_PAUSE: Final = 0.01
_HALF_MADE: Final = (struct.error, ValueError, RuntimeError, FileNotFoundError)


def share(place: int) -> None:
    """From now on every new metric of this process lives in files. `place`: of this worker among the others."""
    # What the library calls the process identifier becomes part of a file's name, and may be any text.
    values.ValueClass = values.MultiProcessValue(lambda: f"{_PREFIX}{place}")  # type: ignore[no-untyped-call]


def keep_private() -> None:
    """Every new metric of this process lives in its memory, whatever the environment says."""
    values.ValueClass = values.MutexValue


@contextmanager
def directory() -> Iterator[Path]:
    """Where the workers count: as the environment says, else a directory of our own. OSError."""
    import shutil  # noqa: PLC0415 -- for several processes alone
    import tempfile  # noqa: PLC0415 -- as above

    given = os.environ.get(VARIABLE)
    path = Path(given or tempfile.mkdtemp(prefix="bearer-gateway-"))
    path.mkdir(parents=True, exist_ok=True)
    wipe(path)
    try:
        yield path
    finally:
        if given:
            wipe(path)
        else:
            shutil.rmtree(path, ignore_errors=True)


def wipe(directory: Path) -> None:
    """Removes the files of workers, and nothing else."""
    for path in directory.glob(f"*_{_PREFIX}*.db"):
        path.unlink(missing_ok=True)


def forget(directory: Path, place: int) -> None:
    """The worker at this place has died: it has no connections any more, while what it counted stays."""
    mark_process_dead(f"{_PREFIX}{place}", str(directory))  # type: ignore[no-untyped-call]


def render(directory: Path, written: Callable[[CollectorRegistry], bytes] = generate_latest) -> bytes:
    """What all workers have counted, in the text format of Prometheus. `written`: how that is made of a registry."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(directory))  # type: ignore[no-untyped-call]
    for attempt in range(_ATTEMPTS):
        try:
            return written(registry)
        except _HALF_MADE:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_PAUSE)
    raise AssertionError
