"""How problems of a configuration are worded: key paths, and the nearest key for a typo."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """Something in the configuration to be corrected, or to be known: where, and a sentence."""

    #: key path such as `issuers[0].audience`, name of a variable, or empty for the file as a whole
    path: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}: {self.sentence}" if self.path else self.sentence


#: What difflib calls the ratio of two words; header_timeout is not what body_timeout was to be.
_ALIKE = 0.8

#: The sentence of a missing key.
REQUIRED = "is required"

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


def joined(path: str, key: object) -> str:
    """The path of a member: `limits.drain`, `issuers[0]`, `identity_headers["X.Y"]`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    text = str(key)
    if _PLAIN_KEY.fullmatch(text) is None:
        return f"{path}[{text[:80]!r}]"
    return f"{path}.{text}" if path else text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question with the nearest of the known words, or nothing: ` (did you mean audience?)`."""
    near = nearest(word, known)
    return f" (did you mean {near}?)" if near else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that differs from this one by a slip of the pen, or None."""
    return next(iter(difflib.get_close_matches(word, sorted(known), n=1, cutoff=_ALIKE)), None)
