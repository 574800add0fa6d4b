"""What frames the body of a message, whichever side sent it (RFC 9112 section 6)."""

from typing import Final

#: bytes of a body: beyond 2^63-1 none can end, and parsers differ in what they make of the number
MAX_LENGTH: Final = (1 << 63) - 1
_LENGTH_DIGITS: Final = len(str(MAX_LENGTH))


def parse_length(digits: bytes) -> int:
    """The value of a Content-Length in bytes, zeros in front allowed (RFC 9110 section 8.6). ValueError."""
    significant = digits.lstrip(b"0")
    if not digits.isdigit() or len(significant) > _LENGTH_DIGITS:
        raise ValueError("a length that is no number up to 2^63-1")
    length = int(significant or b"0")
    if length > MAX_LENGTH:
        raise ValueError("a length that is no number up to 2^63-1")
    return length
