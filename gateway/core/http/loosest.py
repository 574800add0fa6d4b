"""A segment of a path as the loosest of its readers compares it."""

from typing import Final

#: what some readers trim around a segment: Spring did so with each of a path
_BLANK: Final = "".join(filter(str.isspace, map(chr, range(0x20, 0x3001))))
#: at its end some file systems ignore dots as well
_DROPPED: Final = _BLANK + "."


def loosest(segment: str) -> str:
    """The same for all segments that some reader takes for one another: no case, `+` a blank, blanks around it gone.

    Case is that of Unicode in every way it is mapped: simple and full folding, upper, lower and title case. Letters
    that are composed and their parts are different, as their bytes are. Dots behind it are none of it either.
    """
    if not segment.isascii():
        segment = segment.upper().casefold()
        # U+0130 is i with a dot above to full folding, and i alone to simple lower case.
        segment = segment.upper().casefold().replace("i\u0307", "i")
    return segment.lower().replace("+", " ").lstrip(_BLANK).rstrip(_DROPPED)
