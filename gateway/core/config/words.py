"""How problems of a configuration are worded: key paths, and the nearest key for a typo."""

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


#: What `difflib` calls the ratio of two words; header_timeout is not what body_timeout was to be.
_ALIKE = 0.8

#: The sentence of a missing key.
REQUIRED = "is required"

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
#: What the names of headers, claims, upstreams and keys are made of, and JSON Pointers. No blank, and neither colon nor
#: equals sign: what follows those is a value, which got into the key since `X-Key: value` was written in another way.
_NAME = re.compile(r"[\w!#$%&'*+.^`|~/-]{0,80}")
#: Names of claims that have a colon nevertheless.
_NAMESPACE = re.compile(r"https?://([\w.-]+:[0-9]{1,5}(?=/))?|urn:([\w-]+:)*|cognito:|custom:")


def joined(path: str, key: str | int) -> str:
    """The path of a member of a list, or of a section by a key of ours: `issuers[0]`, `limits.drain`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def named(path: str, keys: Iterable[str]) -> dict[str, str]:
    """Each key of a mapping to the path of its member: `upstreams.shop`, `identity_headers['X.Y']`.

    A key that may be a secret in the wrong place is told by its number: `identity_headers[key 2]`.
    """
    return {
        key: numbered(path, number)
        if not may_be_shown(key)
        else f"{path}[{key!r}]"
        if _is_odd(key)
        else joined(path, key)
        for number, key in enumerate(keys, start=1)
    }


def numbered(path: str, number: int) -> str:
    """The path of a member of a mapping whose key is not shown. `number`: from 1."""
    return f"{path}[key {number}]"


def shown_keys(keys: Iterable[str]) -> dict[str, str]:
    """Each key of a mapping to what a sentence may call it: itself, or its number: `key 2`."""
    return {key: key if may_be_shown(key) else f"key {number}" for number, key in enumerate(keys, start=1)}


def may_be_shown(key: str) -> bool:
    """Whether a key is of a form that keys have; what is not may be a secret that stands in the wrong place."""
    namespace = _NAMESPACE.match(key)
    return _NAME.fullmatch(key, namespace.end() if namespace is not None else 0) is not None


def _is_odd(key: str) -> bool:
    """Whether a path with it could be taken for another one."""
    return _PLAIN_KEY.fullmatch(key) is None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question with the nearest of the known words, or nothing: ` (did you mean audience?)`."""
    near = nearest(word, filter(may_be_shown, known))
    return f" (did you mean {near}?)" if near else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that differs from this one by a slip of the pen, or None."""
    import difflib  # noqa: PLC0415 -- nothing is wrong with most configurations

    return next(iter(difflib.get_close_matches(word, sorted(known), n=1, cutoff=_ALIKE)), None)
