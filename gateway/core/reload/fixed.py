"""What cannot change while the gateway runs: where it listens, how many processes it is, what only a start reads."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.core.config.file import Config
from gateway.core.config.words import ConfigProblem
from gateway.core.reload.changes import is_same

#: sections and keys that stand as they are until a restart, by path
FIXED: Final = (
    "listen",
    "admin",
    "decisions",
    "decisions_grpc",
    "console",
    "workers",
    "store.url",
    "tracing",
    "reload",
    "log.format",
    "log.blocked",
    "revocation.file",
)
#: sections that cannot come or go; what stands in them may change
_STAYING: Final = ("tls", "revocation")
_RESTART: Final = "cannot change while the gateway runs: restart it"


def fixed_problems(before: Config, after: Config) -> Iterator[ConfigProblem]:
    """What of `after` would need a restart; whoever reloads changes nothing then."""
    for path in FIXED:
        if not is_same(_value(before, path), _value(after, path)):
            yield ConfigProblem(path, _RESTART)
    for section in _STAYING:
        if (getattr(before, section) is None) is not (getattr(after, section) is None):
            yield ConfigProblem(section, "cannot be turned on or off while the gateway runs: restart it")


def shadowed_problems(
    before: Mapping[str, Any], after: Mapping[str, Any], origins: Mapping[str, str]
) -> Iterator[ConfigProblem]:
    """Keys that changed in the file and that a variable sets, so that the change would count for nothing.

    `before`, `after`: path of each key that a variable sets to what the file has there; `origins`: to that variable.
    """
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            variable = origins.get(path, "a variable")
            yield ConfigProblem(path, f"is set by {variable}, which cannot change while the gateway runs: restart it")


def _value(config: Config, path: str) -> Any:
    """What stands there; None where its section does not, or no such key is known."""
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name, None)
    return value
