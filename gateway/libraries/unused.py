"""Modules that a library imports for uses that it does not have here: while it is imported, empty ones stand in.

To be used where nothing else is imported meanwhile: another thread would find them, too.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class _Unused(ModuleType):
    """Whatever it is asked for is an empty class, to be inherited from."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {"__module__": self.__name__})


@contextmanager
def without(*names: str) -> Iterator[None]:
    """What was imported before stays as it is; the others can be imported afterwards."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update({name: _Unused(name) for name in absent})
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
