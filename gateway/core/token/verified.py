"""Remembers tokens that passed, so that a known one costs a look-up; refused ones are not kept, and push none out."""

from collections import OrderedDict

from gateway.core.token.identity import Identity

#: entries
MAX_ENTRIES = 10_000
#: bytes of the tokens they stand for
MAX_TOKEN_BYTES = 32 * 1024 * 1024


class _Entry:
    __slots__ = ("beside", "identity", "seen", "token_bytes")

    def __init__(self, identity: Identity, *, token_bytes: int, seen: int) -> None:
        self.identity = identity
        self.token_bytes = token_bytes
        #: bytes that the identity rests on and the token does not have
        self.beside = 0
        #: how many entries had been made when it was last put behind all others
        self.seen = seen


class VerifiedTokens:
    """Least recently used first out; bounded in entries and in bytes of token. Keys are SHA-256 digests of tokens.

    An entry that is used goes behind the others only when many were made since it last did: to an eighth of its bound
    it does not know which was used first, and while no token is new a look-up writes nothing.
    """

    def __init__(self, *, max_entries: int = MAX_ENTRIES, max_token_bytes: int = MAX_TOKEN_BYTES) -> None:
        self._max_entries = max_entries
        self._max_token_bytes = max_token_bytes
        self._slack = max_entries // 8
        self._token_bytes = 0
        #: entries made, ever
        self._made = 0
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, digest: bytes) -> Identity | None:
        """What was remembered, as it was then: expiry and key are the caller's to check anew."""
        entry = self._entries.get(digest)
        if entry is None:
            return None
        if self._made - entry.seen > self._slack:
            entry.seen = self._made
            self._entries.move_to_end(digest)
        return entry.identity

    def remember(self, digest: bytes, identity: Identity, *, token_bytes: int) -> None:
        """Keeps `identity` for a token of `token_bytes` bytes; forgets the least recently used beyond the bounds."""
        self.forget(digest)
        self._made += 1
        self._entries[digest] = _Entry(identity, token_bytes=token_bytes, seen=self._made)
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

    def _make_room(self) -> None:
        while len(self._entries) > self._max_entries or self._token_bytes > self._max_token_bytes:
            _, gone = self._entries.popitem(last=False)
            self._token_bytes -= gone.token_bytes + gone.beside
