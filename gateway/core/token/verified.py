"""Remembers tokens that passed, so that a known one costs a look-up; refused ones are not kept, and push none out."""

from collections import OrderedDict
from itertools import islice
from typing import Final

from gateway.core.token.identity import Identity
from gateway.core.token.pushed_out import PushedOut

#: entries
MAX_ENTRIES = 10_000
#: bytes of the tokens they stand for
MAX_TOKEN_BYTES = 32 * 1024 * 1024
#: of how many that are first to go the one goes that was not used for longest
FEW: Final = 8


class _Entry:
    __slots__ = ("beside", "identity", "moved", "seen", "token_bytes")

    def __init__(self, identity: Identity, *, token_bytes: int, seen: int) -> None:
        self.identity = identity
        self.token_bytes = token_bytes
        #: bytes that the identity rests on and the token does not have
        self.beside = 0
        #: how many had come to be remembered when it was last used
        self.seen = seen
        #: the same, when it was last put behind all others
        self.moved = seen


class VerifiedTokens:
    """Least recently used first out; bounded in entries and in bytes of token. Keys are SHA-256 digests of tokens.

    Where somewhat more are in use than it keeps, most of what it keeps stays, and one that comes back may not be kept:
    see `pushed_out`.

    An entry that is used goes behind the others only when many came since it last did: to an eighth of its bound the
    order is not that of use, and while no token is new a look-up writes nothing. So of the first few the one goes that
    was not used for longest.
    """

    def __init__(self, *, max_entries: int = MAX_ENTRIES, max_token_bytes: int = MAX_TOKEN_BYTES) -> None:
        self._max_entries = max_entries
        self._max_token_bytes = max_token_bytes
        self._slack = max_entries // 8
        self._token_bytes = 0
        #: how many came to be remembered, ever
        self._came = 0
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._pushed_out = PushedOut(max_entries)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, digest: bytes) -> Identity | None:
        """What was remembered, as it was then: expiry and key are the caller's to check anew."""
        entry = self._entries.get(digest)
        if entry is None:
            return None
        if entry.seen != self._came:
            entry.seen = self._came
            if entry.seen - entry.moved > self._slack:
                entry.moved = entry.seen
                self._entries.move_to_end(digest)
        return entry.identity

    def remember(self, digest: bytes, identity: Identity, *, token_bytes: int) -> None:
        """Keeps `identity` for a token of `token_bytes` bytes; forgets the least recently used beyond the bounds.

        Or keeps what there is and not this one, where it was pushed out before like most that come now.
        """
        self._came += 1
        if digest in self._entries:
            self.forget(digest)
        elif self._lacks_room(token_bytes) and not self._pushed_out.may_push(digest):
            return
        self._pushed_out.forget(digest)
        self._entries[digest] = _Entry(identity, token_bytes=token_bytes, seen=self._came)
        self._token_bytes += token_bytes
        self._make_room()

    def replace(self, digest: bytes, identity: Identity, *, beside: int = 0) -> None:
        """Keeps another identity for a token that is remembered; nothing where it no longer is.

        `beside`: bytes of what was said of it beyond the token, which count like the token's own.
        """
        entry = self._entries.get(digest)
        if entry is not None:
            self._token_bytes += beside - entry.beside
            entry.identity, entry.beside = identity, beside
            self._make_room()

    def forget(self, digest: bytes) -> None:
        """Drops an entry that no longer holds; no error when there is none."""
        entry = self._entries.pop(digest, None)
        if entry is not None:
            self._token_bytes -= entry.token_bytes + entry.beside

    def _lacks_room(self, token_bytes: int) -> bool:
        """Whether one more of so many bytes pushes out another."""
        return len(self._entries) >= self._max_entries or self._token_bytes + token_bytes > self._max_token_bytes

    def _make_room(self) -> None:
        while len(self._entries) > self._max_entries or self._token_bytes > self._max_token_bytes:
            digest = self._first_to_go()
            self.forget(digest)
            self._pushed_out.add(digest)

    def _first_to_go(self) -> bytes:
        first = next(iter(self._entries))
        entry = self._entries[first]
        if entry.seen == entry.moved:
            # Not used since it was put behind all that were used before.
            return first
        return min(islice(self._entries, FEW), key=lambda one: self._entries[one].seen)
