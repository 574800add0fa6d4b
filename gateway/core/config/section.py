"""What every section of the configuration file is made of: strict structs, durations, sizes, described keys."""

from typing import TypeVar

import msgspec

T = TypeVar("T")


class Seconds(float):
    """A duration. In the file: a number of seconds, or a number with ms, s, m or h."""


class Size(int):
    """A number of bytes. In the file: a whole number, or a number with B, KiB, MiB or GiB."""


def described(description: str) -> msgspec.Meta:
    """The sentence that the schema and the reference have on a key."""
    return msgspec.Meta(description=description)


def default(value: T) -> T:
    """A default that msgspec cannot write into a JSON Schema by itself: `gateway.core.config.schema` does."""
    return msgspec.field(default_factory=lambda: value)


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every section shares: frozen, keyword-only, strict about names."""
