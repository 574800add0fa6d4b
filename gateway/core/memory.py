"""What was worked out once and is asked for again and again: memories with a bound, for what strangers send."""

from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

#: names that a memo keeps, and bytes of the longest: names come from the network
MAX_NAMES: Final = 1024
MAX_NAME: Final = 64


class NameMemo(dict[bytes, T]):
    """What is known of header names as they were written: worked out once, then one look-up.

    Bounded: it forgets everything when it is full, and never keeps a long name.
    """

    def __init__(self, read: Callable[[bytes], T]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, name: bytes) -> T:
        value = self._read(name)
        if len(name) <= MAX_NAME:
            if len(self) >= MAX_NAMES:
                self.clear()
            self[name] = value
        return value
