"""Tables of which one gateway serves many rows: it takes longer to start one than to ask it."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest


@contextlib.contextmanager
def about(name: str) -> Iterator[None]:
    """A failure says of which row it is."""
    try:
        yield
    except Exception as error:
        error.add_note(name)
        raise


def _name_of(row: Any) -> str:
    return str(row.name)


def parts_of(rows: Sequence[Any], size: int, *, named: Callable[[Any], str] = _name_of) -> list[Any]:
    """The rows in pieces, as values of a parameter, each called by the name of its first row."""
    return [
        pytest.param(rows[start : start + size], id=f"{named(rows[start])} and what follows")
        for start in range(0, len(rows), size)
    ]
