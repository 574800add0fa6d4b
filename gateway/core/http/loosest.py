"""A segment of a path as the loosest of its readers compares it."""

from typing import Final

#: at the end of a segment some file systems ignore dots and blanks, and form decoders and others trim all that is blank
_DROPPED: Final = "".join(filter(str.isspace, map(chr, range(0x20, 0x3001)))) + "."


def loosest(segment: str) -> str:
    """The same for all segments that some reader takes for one another: no case, `+` a blank, no blank or dot behind.

    Case is that of Unicode in every way it is mapped: simple and full folding, upper, lower and title case. Letters
    that are composed and their parts are different, as their bytes are.
    """
    if not segment.isascii():
        segment = segment.upper().casefold()
        # U+0130 is i with a dot above to full folding, and i alone to simple lower case.
        segment = segment.upper().casefold().replace("i\u0307", "i")
    return segment.lower().replace("+", " ").rstrip(_DROPPED)
