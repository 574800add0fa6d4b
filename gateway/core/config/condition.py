"""What a condition of a route names, read from its text (CEL) without understanding it.

Decides nothing of whether it is sound: the library that compiles it does. What is read here only ever makes a request
see less of itself (claims that nothing names), never more.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway.core.config.pattern import pattern_size, slow_size

#: bytes of UTF-8
MAX_CONDITION: Final = 1024
#: steps of a pattern
MAX_PATTERN: Final = 500
#: what there is of who is calling, and of the request
MEMBERS: Final = {
    "identity": ("subject", "client", "scopes", "issuer", "audience"),
    "request": ("method", "host", "path", "headers", "query"),
}
#: the claims of the token
CLAIMS: Final = "token"

#: what goes through a list or a map
_MACROS: Final = frozenset({"all", "exists", "exists_one", "existsOne", "map", "filter"})
_COPYING: Final = frozenset({"map", "filter"})
#: texts, raw ones before others, and comments before everything that they may hide; then names; blanks; any other sign
_WORDS: Final = re.compile(
    r"""
      (?P<raw>[bB]?[rR][bB]?(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*'))
    | (?P<text>[bB]?(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    | (?P<comment>//[^\n]*)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<blank>\s+)
    | (?P<sign>&&|\|\||.)
    """,
    re.VERBOSE | re.DOTALL,
)
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
#: signs between which && does not bind what stands beside it as parts of the whole
_LOOSER: Final = frozenset({"||", "?", ":"})


@dataclass(frozen=True, slots=True)
class _Word:
    kind: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Condition:
    """What a condition names."""

    text: str
    #: such as `request.path`
    members: frozenset[str]
    #: claims of `token`; None: all of them
    claims: frozenset[str] | None
    #: how deep what goes through lists stands within another that does
    depth: int
    #: how often it does something with a whole text: by calls, and by joining, of which each makes the next one longer
    weight: int
    #: how often it makes another list of one, which is copied for each member that is added
    copies: int
    #: steps that all its patterns together may take for each character of a text
    steps: int
    #: what && joins, in order: one where nothing is joined
    parts: tuple[str, ...]

    @property
    def names_token(self) -> bool:
        """Whether it needs anything of the token's claims."""
        return self.claims is None or bool(self.claims)


def read_condition(text: str) -> Condition:
    """What is named in a text, sound or not."""
    words = _words(text)
    claims: set[str] | None = set()
    members = set()
    for index, word in enumerate(words):
        if word.kind != "name" or _is_member(words, index):
            continue
        if word.text in MEMBERS and _text(words, index + 1) == "." and index + 2 < len(words):
            members.add(f"{word.text}.{words[index + 2].text}")
        elif word.text == CLAIMS and claims is not None:
            claim = _claim(words, index)
            claims = None if claim is None else {*claims, claim}
    return Condition(
        text=text,
        members=frozenset(members),
        claims=None if claims is None else frozenset(claims),
        depth=_depth(words),
        weight=_weight(words),
        copies=sum(word.text in _COPYING and _text(words, index + 1) == "(" for index, word in enumerate(words)),
        steps=sum(slow_size(_pattern(words[index + 2])) for index in _matches(words)),
        parts=_parts(text, words),
    )


def condition_sentences(text: str) -> Iterator[str]:
    """What is wrong with a condition as a text. Whether it compiles is not asked here."""
    if not text.strip():
        yield "must not be empty; leave it out for none"
    if len(text.encode("utf-8", "surrogatepass")) > MAX_CONDITION:
        yield f"must not be longer than {MAX_CONDITION} bytes"
    if any(not char.isprintable() and char not in "\t\n\r" for char in text):
        yield "must not have control characters"
    words = _words(text)
    for index, word in enumerate(words):
        # In CEL that would ask for a member of a message; here each is a value of its own.
        asked = [_text(words, index + step) for step in range(1, 6)]
        if word.text == "has" and asked[1] in MEMBERS and (asked[0], asked[2], asked[4]) == ("(", ".", ")"):
            yield f"cannot ask whether there is {asked[1]}.{asked[3]}: it always is, and null where nobody says it"
        # What a pattern costs depends on who wrote it: of one that stood in a token, seconds.
        if word.text == "matches" and asked[0] == "(":
            if not _is_with_pattern(words, index):
                yield "must have the pattern of matches as one text in it: request.path.matches('^/a/[0-9]+$')"
            elif pattern_size(_pattern(words[index + 2])) > MAX_PATTERN:
                yield f"must not have a pattern of more than {MAX_PATTERN} steps, each as often as it is repeated"


def _words(text: str) -> list[_Word]:
    found = (_Word(str(match.lastgroup), match[0], match.start()) for match in _WORDS.finditer(text))
    return [word for word in found if word.kind not in {"blank", "comment"}]


def _matches(words: list[_Word]) -> list[int]:
    """Where `matches` stands with its pattern."""
    return [index for index, word in enumerate(words) if word.text == "matches" and _is_with_pattern(words, index)]


def _pattern(word: _Word) -> str:
    """The pattern in a text, without the backslashes of that."""
    return word.text.lstrip("rRbB").strip("\"'") if word.kind == "raw" else word.text.strip("\"'").replace("\\\\", "\\")


def _is_with_pattern(words: list[_Word], index: int) -> bool:
    pattern = words[index + 2] if index + 2 < len(words) else None
    is_text = pattern is not None and pattern.kind in {"text", "raw"}
    return is_text and _text(words, index - 1) == "." and _text(words, index + 3) == ")"


def _is_member(words: list[_Word], index: int) -> bool:
    """Whether a name is that of a member of what stands before it, and no variable."""
    if _text(words, index - 1) != "." or index < 2:
        return False
    before = words[index - 2]
    return before.kind in {"name", "raw", "text"} or before.text in _CLOSING or before.text == "`"


def _text(words: list[_Word], index: int) -> str:
    return words[index].text if 0 <= index < len(words) else ""


def _claim(words: list[_Word], index: int) -> str | None:
    """The one claim that is asked for where `token` stands; None: it may be any."""
    sign = _text(words, index + 1)
    named = words[index + 2] if index + 2 < len(words) else None
    after = _text(words, index + 3)
    if named is None:
        return None
    if sign == "." and named.kind == "name" and after != "(":
        return named.text
    # A text in brackets, if it says what it says: no escape, no bytes, not three quotation marks.
    if sign == "[" and after == "]" and named.kind == "text" and named.text[0] in "\"'" and "\\" not in named.text:
        return named.text[1:-1] if named.text[:3] not in {'"""', "'''"} else None
    return None


def _depth(words: list[_Word]) -> int:
    deepest = 0
    open_: list[bool] = []
    for index, word in enumerate(words):
        if word.text in _OPENING and word.kind == "sign":
            is_macro = word.text == "(" and _text(words, index - 1) in _MACROS and _text(words, index - 2) == "."
            open_.append(is_macro)
            deepest = max(deepest, sum(open_))
        elif word.text in _CLOSING and word.kind == "sign" and open_:
            open_.pop()
    return deepest


def _weight(words: list[_Word]) -> int:
    calls = sum(
        word.text == "(" and words[index - 1].kind == "name" and words[index - 1].text not in _MACROS
        for index, word in enumerate(words)
        if index > 0
    )
    joins = sum(word.text == "+" for word in words)
    return 1 + calls + joins * (joins + 1) // 2


def _parts(text: str, words: list[_Word]) -> tuple[str, ...]:
    level, begin, parts = 0, 0, []
    for word in words:
        if word.kind != "sign":
            continue
        level += (word.text in _OPENING) - (word.text in _CLOSING)
        if level == 0 and word.text in _LOOSER:
            return (text.strip(),)
        if level == 0 and word.text == "&&":
            parts.append(text[begin : word.at])
            begin = word.at + 2
    return tuple(part.strip() for part in (*parts, text[begin:]))
