"""SHA-256 of tokens, and which tokens had which a moment ago: to find that again costs less than OpenSSL asks for it.

What is remembered of a token for as long as it lives is its digest alone. The token itself is kept here until somebody
says that a period is over, which is once a second; and not at all while most tokens come once in a period.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from gateway.core.token.credential import presumed_token

#: copied for each token: cheaper than asking OpenSSL for the algorithm each time
_SHA256: Final = sha256()
#: tokens of a period, and the bytes of the longest line with one
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
    """The tokens that were asked for in this period, by the lines they came in, and their digests.

    A line that a connection has repeated is the very same object: to find it again costs no look at its bytes.
    """

    __slots__ = ("_dpop", "_found", "_known", "_missed", "_rests", "_token_bytes")

    def __init__(self, *, token_bytes: int, dpop: bool = False) -> None:
        """As `presumed_token`."""
        self._token_bytes: Final = token_bytes
        self._dpop: Final = dpop
        self._known: dict[bytes, tuple[bytes, bytes]] = {}
        self._found = 0
        self._missed = 0
        #: periods that it rests from now on
        self._rests = 0

    def __repr__(self) -> str:
        return f"RecentDigests({len(self._known)} tokens, {f'rests {self._rests}' if self._rests else 'in use'})"

    def presume(self, authorization: Sequence[bytes]) -> tuple[bytes, bytes]:
        """The token of a request as `presumed_token` has it, which may raise, and its SHA-256, made or found."""
        if self._rests or len(authorization) != 1:
            token = presumed_token(authorization, token_bytes=self._token_bytes, dpop=self._dpop)
            return token, digest_of(token)
        line = authorization[0]
        known = self._known.get(line)
        if known is not None:
            self._found += 1
            return known
        token = presumed_token(authorization, token_bytes=self._token_bytes, dpop=self._dpop)
        self._missed += 1
        known = (token, digest_of(token))
        if len(self._known) < MOST and len(line) <= LONGEST:
            self._known[line] = known
        return known

    def forget(self) -> None:
        """A period is over: no token of it is kept."""
        if self._rests:
            self._rests -= 1
        elif self._missed > max(MANY, self._found):
            self._rests = REST
        self._known.clear()
        self._found = self._missed = 0
