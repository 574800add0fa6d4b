"""SHA-256 of tokens, and which tokens had which a moment ago: to find that again costs less than OpenSSL asks for it.

What is remembered of a token for as long as it lives is its digest alone. The token itself is kept here until somebody
says that a period is over, which is once a second; and not at all while most tokens come once in a period.
"""

from hashlib import sha256
from typing import Final

#: copied for each token: cheaper than asking OpenSSL for the algorithm each time
_SHA256: Final = sha256()
#: tokens of a period, and the bytes of one
MOST: Final = 1024
LONGEST: Final = 4096
#: tokens that were looked for in vain, from which on that costs something worth saving
MANY: Final = 256
#: periods without a try after one in which it did not pay
REST: Final = 15


def digest_of(token: bytes) -> bytes:
    """What a token is remembered by: its SHA-256."""
    digest = _SHA256.copy()
    digest.update(token)
    return digest.digest()


class RecentDigests:
    """The digests of tokens that were asked for in this period."""

    __slots__ = ("_found", "_known", "_missed", "_rests")

    def __init__(self) -> None:
        self._known: dict[bytes, bytes] = {}
        self._found = 0
        self._missed = 0
        #: periods that it rests from now on
        self._rests = 0

    def __repr__(self) -> str:
        return f"RecentDigests({len(self._known)} tokens, {f'rests {self._rests}' if self._rests else 'in use'})"

    def of(self, token: bytes) -> bytes:
        """Its SHA-256, made or found."""
        if self._rests:
            return digest_of(token)
        digest = self._known.get(token)
        if digest is not None:
            self._found += 1
            return digest
        self._missed += 1
        digest = digest_of(token)
        if len(self._known) < MOST and len(token) <= LONGEST:
            self._known[token] = digest
        return digest

    def forget(self) -> None:
        """A period is over: no token of it is kept."""
        if self._rests:
            self._rests -= 1
        elif self._missed > max(MANY, self._found):
            self._rests = REST
        self._known.clear()
        self._found = self._missed = 0
