"""What a token looks like from outside: opaque, a JWT or a JWE; and which issuers may be asked about one.

Decides from the bytes alone. What looks like a JWT is judged as one or refused: asked about in another spelling, it
would pass by every check of ours.
"""

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.core.config.introspection import Introspection, forms_of
from gateway.core.config.issuers import Issuer, distinct_issuers, issuer_name

_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]")
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#: JSON may begin with as many as there is room for (RFC 8259 section 2)
_BLANKS: Final = b" \t\n\r\0\xef\xbb\xbf\xfe\xff"

OPAQUE: Final = "opaque"
JWT: Final = "jwt"
ENCRYPTED: Final = "encrypted"


def is_json_in_base64(segment: bytes) -> bool:
    """Whether some decoder could read it as a JSON object, whatever it forgives: padding, alphabet, odd characters."""
    kept = _NOT_BASE64.sub(b"", segment.replace(b"-", b"+").replace(b"_", b"/"))
    return binascii.a2b_base64(kept + b"A" * (-len(kept) % 4)).lstrip(_BLANKS)[:1] == b"{"


def form_of(raw: bytes) -> str:
    """opaque, jwt or encrypted. A token with a dot whose first part is the beginning of an object is no opaque one."""
    first, dot, _ = raw.partition(b".")
    if not dot or not is_json_in_base64(first):
        return OPAQUE
    # RFC 7516 section 7.1
    return ENCRYPTED if raw.count(b".") == 4 else JWT


def may_begin_jwt(prefix: bytes) -> bool:
    """Whether a JWT could begin so: tokens with such a prefix must not be taken for opaque ones."""
    if len(prefix) > 1:
        return is_json_in_base64(prefix + b"AAA")
    return any(is_json_in_base64(prefix + bytes((char,)) + b"AAA") for char in _BASE64)


@dataclass(frozen=True, slots=True)
class Asked:
    """One issuer that is asked about tokens: its section, compiled."""

    #: configured name
    issuer: str
    forms: frozenset[str]
    prefixes: tuple[bytes, ...]
    pattern: re.Pattern[bytes] | None

    def fits(self, raw: bytes) -> bool:
        """Whether it may be a token of this issuer, as far as its looks go."""
        return self.pattern is None or self.pattern.fullmatch(raw) is not None


class AskedIssuers:
    """Which issuers may be asked about a token that cannot be read here, in order."""

    def __init__(self, issuers: Sequence[Issuer]) -> None:
        self._asked: Final = [
            _asked(issuer, section)
            for issuer in distinct_issuers(issuers)
            if (section := issuer.introspection) is not None
        ]
        #: longest first
        self._prefixes: Final = sorted(
            ((prefix, asked) for asked in self._asked for prefix in asked.prefixes),
            key=lambda pair: len(pair[0]),
            reverse=True,
        )

    def find(self, raw: bytes) -> tuple[str, ...] | None:
        """Names of issuers that are asked, the next only where the one before says that it is not active.

        None: the token is to be read here (or refused as what it is). Empty: nobody's tokens look like that.
        """
        for prefix, asked in self._prefixes:
            if raw.startswith(prefix):
                return (asked.issuer,) if asked.fits(raw) else ()
        form = form_of(raw)
        if form == JWT:
            return None
        if form == ENCRYPTED:
            return tuple(asked.issuer for asked in self._asked if ENCRYPTED in asked.forms) or None
        found = [asked for asked in self._asked if OPAQUE in asked.forms]
        if not found:
            return None
        return tuple(asked.issuer for asked in found if not asked.prefixes and asked.fits(raw))


def _asked(issuer: Issuer, section: Introspection) -> Asked:
    return Asked(
        issuer=issuer_name(issuer),
        forms=forms_of(section),
        prefixes=tuple(prefix.encode() for prefix in section.prefix),
        pattern=None if section.pattern is None else re.compile(section.pattern.encode()),
    )
