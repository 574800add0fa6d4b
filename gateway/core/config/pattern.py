"""How large a pattern (RE2) becomes when it is compiled, about: what it costs grows with that and with the text.

Repetitions are written out there: `(x{1,9}){1,9}` has 81 steps. Knows no more of patterns than how they nest.
"""

import re
from typing import Final

_REPEATED: Final = re.compile(r"\{(\d{1,4})(?:,(\d{0,4}))?\}")
_CLASS: Final = re.compile(r"\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]?", re.DOTALL)
#: a character that stands for itself, once; a repetition is none
_LITERAL: Final = re.compile(r"(?P<repeated>\{[0-9,]*\})|(?<!\\)[A-Za-z0-9_/:@, -](?![*+?{])")
#: letters of some script and the like: as many steps as their ranges of bytes come to
_PROPERTY: Final = re.compile(r"\\[pP](?:\{\^?\w+\}|\w)")
_OF_PROPERTY: Final = "(.{16})"
#: choices of which every combination is kept at once, at most two to that power
_FEW: Final = 12


def slow_size(pattern: str) -> int:
    """Steps for each character of a text, where there are too many choices to go through them all at once; else 0."""
    spelled = _CLASS.sub(lambda found: r"\pL" if r"\p" in found[0].lower() else ".", pattern)
    choices = _LITERAL.sub(lambda found: found["repeated"] or "", _PROPERTY.sub(".", spelled))
    return pattern_size(_PROPERTY.sub(_OF_PROPERTY, spelled)) if pattern_size(choices) > _FEW else 0


def pattern_size(pattern: str) -> int:
    """Steps of the pattern: at least one a character, a class or an escape, each as often as it is repeated."""
    sizes = [0]
    last = at = 0
    while at < len(pattern):
        char = pattern[at]
        repeated = _REPEATED.match(pattern, at)
        if repeated is not None:
            times = max(int(repeated[1]), int(repeated[2] or 0), 1)
            sizes[-1] += last * (times - 1)
            last *= times
            at = repeated.end()
            continue
        if char == "(":
            sizes.append(0)
        elif char == ")" and len(sizes) > 1:
            last = sizes.pop()
            sizes[-1] += last
        else:
            last = 1
            sizes[-1] += 1
        at = found.end() if (found := _CLASS.match(pattern, at)) is not None else at + (2 if char == "\\" else 1)
    return sum(sizes)
