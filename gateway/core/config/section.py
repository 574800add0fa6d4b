"""What every section of the configuration file is made of: strict structs, durations, sizes; what is known of a key."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, TypeVar

import msgspec

T = TypeVar("T")

#: what the file that a key names must hold; `settings` has a reader for each
FileKind = Literal[
    "key set", "authorities", "client certificate", "server certificate", "key of a certificate", "signing key"
]
#: what a secret must be where it is used; `core.upstream.own_lines` has a check for each
SecretKind = Literal["line", "bearer", "header", "client key", "seal", "operator"]

#: where a Meta has it
_KNOWN: Final = "known"


class Seconds(float):
    """A duration. In the file: a number of seconds, or a number with ms, s, m or h."""


class Size(int):
    """A number of bytes. In the file: a whole number, or a number with B, KiB, MiB or GiB."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a key beside its type, its default and its sentence. Read by whoever walks the sections."""

    #: takes the place of a value that could not be read, so that the other rules can still be asked: its absence would
    #: make them complain of what is not wrong. A function makes it of the path of its section. None: its default does
    stand_in: Any = None
    #: the key names a file
    file: FileKind | None = None
    #: what a Secret is, at the key or in its members
    holds: SecretKind = "line"
    #: the variable that overrides the key; in a list of sections, that of the first
    variable: str | None = None

    def stands_in(self, path: str) -> Any:
        """The stand-in in the section at `path`."""
        return self.stand_in(path) if callable(self.stand_in) else self.stand_in


def described(
    description: str,
    *,
    stand_in: Any = None,
    file: FileKind | None = None,
    holds: SecretKind = "line",
    variable: str | None = None,
) -> msgspec.Meta:
    """The sentence that the schema and the reference have on a key, and what is `Known` of it."""
    known = Known(stand_in=stand_in, file=file, holds=holds, variable=variable)
    return msgspec.Meta(description=description, extra={_KNOWN: known})


def known_of(extra: dict[str, Any] | None) -> Known:
    """What `described` has put into a Meta."""
    known = (extra or {}).get(_KNOWN)
    return known if isinstance(known, Known) else Known()


def default(value: T) -> T:
    """A default that msgspec cannot write into a JSON Schema by itself: `gateway.core.config.schema` does."""
    return msgspec.field(default_factory=lambda: value)


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every section shares: frozen, keyword-only, strict about names."""

    #: Of a section that says where a secret is: what belongs there, in words. Somebody may have put the secret itself
    #: in its place: not even a number is told then, and no key that is not the misspelling of a known one.
    unquoted: ClassVar[str | None] = None
