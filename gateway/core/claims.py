"""How a configured name finds its claim: literal first, then JSON Pointer, or a path of members."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final


class Absent:
    """The type of ABSENT, so that a null claim and a missing one stay apart."""


ABSENT: Final = Absent()

#: RFC 6901 section 4, and short: no claim has ten thousand elements
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,3}")

#: characters of a text of words up to which it is remembered
_WORDS_KEPT: Final = 256

#: a literal name, a JSON Pointer (RFC 6901) when no claim has that literal name, or a path of members
ClaimName = str | tuple[str, ...]


#: RFC 6901 section 3: ~ is followed by 0 or 1
_POINTER: Final = re.compile(r"(?:/(?:[^~/]|~[01])*)+")


#: behind the name of an object: its keys. Nothing that a file can say, and nothing that is looked up in a token.
KEYS: Final = "\0keys"


def keys_of(name: str) -> ClaimName:
    """The keys of the object called `name`, as a list of words; ABSENT where that is no object."""
    return (name, KEYS)


def written(name: ClaimName) -> str:
    """A name in words, for evidence."""
    if isinstance(name, str):
        return name
    return f"the keys of {name[0]}" if name[-1:] == (KEYS,) else "/".join(("", *name))


def is_pointer(name: str) -> bool:
    """Whether a name is a well-formed JSON Pointer."""
    return _POINTER.fullmatch(name) is not None


def find_claim(claims: Mapping[str, Any], name: ClaimName) -> Any:
    """The value called `name`, or ABSENT. A literal name wins, whatever dots and slashes it has."""
    if isinstance(name, str):
        if name in claims:
            return claims[name]
        if not name.startswith("/"):
            return ABSENT
        # RFC 6901 section 4: ~1 first, then ~0.
        name = tuple(part.replace("~1", "/").replace("~0", "~") for part in name[1:].split("/"))
    elif name[-1:] == (KEYS,):
        return _keys(find_claim(claims, name[0]))
    value: Any = claims
    for part in name:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and _INDEX.fullmatch(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            return ABSENT
    return value


def _keys(value: Any) -> Any:
    """The keys of an object: those of members that are something, so that `{"admin": false}` makes nobody one."""
    if not isinstance(value, Mapping):
        return ABSENT
    return [key for key, member in value.items() if member is not None and member is not False]


def find_claims(
    claims: Mapping[str, Any], names: Iterable[ClaimName], *, of_keys: re.Pattern[str] | None = None
) -> dict[ClaimName, Any]:
    """Those of the named claims that are there. `of_keys`: names of objects whose keys are there beside them."""
    found: dict[ClaimName, Any] = {}
    for name in names:
        value = find_claim(claims, name)
        if value is not ABSENT:
            found[name] = value
            if of_keys is not None and isinstance(value, Mapping) and isinstance(name, str) and of_keys.fullmatch(name):
                found[keys_of(name)] = _keys(value)
    return found


def roots_of(name: ClaimName) -> tuple[str, ...]:
    """The top-level claims that `name` may be found in: itself, and the first member of a JSON Pointer or a path."""
    if not isinstance(name, str):
        return roots_of(name[0]) if name[-1:] == (KEYS,) else name[:1]
    if not name.startswith("/"):
        return (name,)
    # RFC 6901 section 4: ~1 first, then ~0.
    return (name, name[1:].split("/", 1)[0].replace("~1", "/").replace("~0", "~"))


def find_first(claims: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, Any] | None:
    """The first of the named claims that is present, whatever it is: its name and its value."""
    for name in names:
        value = find_claim(claims, name)
        if value is not ABSENT:
            return name, value
    return None


def find_words(claims: Mapping[str, Any], names: tuple[ClaimName, ...]) -> tuple[str, ...]:
    """All words of the named claims, each once, in order: a string of words, or an array whose elements are words.

    An element with blanks in it is one word, and no scope: `is_scope`.
    A JSON Pointer may have `*` for any member: `/resource_access/*/roles`.
    """
    found: list[Any] = []
    for name in names:
        if not isinstance(name, str) or "*" not in name or not name.startswith("/") or name in claims:
            value = find_claim(claims, name)
            if value is not ABSENT:
                found.append(value)
            continue
        # RFC 6901 section 4: ~1 first, then ~0.
        path = [part.replace("~1", "/").replace("~0", "~") for part in name[1:].split("/")]
        found.extend(_members(claims, path))
    if len(found) == 1 and isinstance(text := found[0], str) and len(text) <= _WORDS_KEPT:
        return _known_words(text)
    return _distinct(word for value in found for word in _words(value))


@lru_cache(maxsize=1024)
def _known_words(text: str) -> tuple[str, ...]:
    """Clients have few sets of scopes: each is kept once, whoever has it."""
    return _distinct(text.split(" "))


def _distinct(words: Iterable[str]) -> tuple[str, ...]:
    distinct = dict.fromkeys(words)
    distinct.pop("", None)
    return tuple(distinct)


def scopes_among(words: tuple[str, ...]) -> tuple[str, ...]:
    """Those that are scopes; the same tuple where all are."""
    for word in words:
        if " " in word:
            return tuple(filter(is_scope, words))
    return words


def is_scope(word: str) -> bool:
    """Whether a word can stand among scopes that blanks separate (RFC 6749 section 3.3); roles may have blanks."""
    return " " not in word


def _words(value: Any) -> list[str]:
    """RFC 6749 section 3.3: a string of words. An element of an array is one word, whatever it has in it."""
    if isinstance(value, str):
        return value.split(" ")
    if isinstance(value, list):
        return [word for word in value if isinstance(word, str)]
    return []


def _members(value: Any, path: Sequence[str]) -> Iterator[Any]:
    if not path:
        yield value
    elif path[0] != "*":
        yield from _members(find_claim(value, (path[0],)), path[1:])
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _members(member, path[1:])
