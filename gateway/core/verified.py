"""Remembers tokens that passed, so that a known one costs a look-up; refused ones are not kept, and push none out."""

from collections import OrderedDict

from gateway.core.model import Identity

#: entries
MAX_ENTRIES = 10_000
#: bytes of the tokens they stand for
MAX_TOKEN_BYTES = 32 * 1024 * 1024


class VerifiedTokens:
    """Least recently used first out; bounded in entries and in bytes of token. Keys are SHA-256 digests of tokens."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES, max_token_bytes: int = MAX_TOKEN_BYTES) -> None:
        self._max_entries = max_entries
        self._max_token_bytes = max_token_bytes
        self._token_bytes = 0
        self._entries: OrderedDict[bytes, tuple[Identity, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, digest: bytes) -> Identity | None:
        """What was remembered, as it was then: expiry and key are the caller's to check anew."""
        entry = self._entries.get(digest)
        if entry is None:
            return None
        self._entries.move_to_end(digest)
        return entry[0]

    def remember(self, digest: bytes, identity: Identity, *, token_bytes: int) -> None:
        """Keeps `identity` for a token of `token_bytes` bytes; forgets the least recently used beyond the bounds."""
        self.forget(digest)
        self._entries[digest] = (identity, token_bytes)
        self._token_bytes += token_bytes
        while len(self._entries) > self._max_entries or self._token_bytes > self._max_token_bytes:
            _, (_, size) = self._entries.popitem(last=False)
            self._token_bytes -= size

    def forget(self, digest: bytes) -> None:
        """Drops an entry that no longer holds; no error when there is none."""
        entry = self._entries.pop(digest, None)
        if entry is not None:
            self._token_bytes -= entry[1]
