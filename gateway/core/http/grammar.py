"""The grammar of HTTP's own words (RFC 9110 section 5.6), once."""

import re
from typing import Final

#: RFC 9110 section 5.1: the name of a field is a token (section 5.6.2)
FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


#: RFC 9110 section 9.1: methods are case-sensitive, and those that can be routed are written in capitals
METHOD = re.compile(r"[A-Z][A-Z-]*")

#: RFC 9110 section 11.2: the characters of a token68, but for the = at its end
_TOKEN68: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
#: each of them as a point, every other byte as a blank: to map and then to search is one pass each, without a branch
_AS_POINTS: Final = bytes(0x2E if byte in _TOKEN68 else 0x20 for byte in range(256))


def is_token68(value: bytes) -> bool:
    """Whether a credential is one token68 (RFC 9110 section 11.2)."""
    significant = value.rstrip(b"=")
    return bool(significant) and 0x20 not in significant.translate(_AS_POINTS)
