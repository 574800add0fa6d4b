"""How what is kept is called in Redis: under an HMAC, so that no name tells anything.

Its key lies in Redis itself, sealed, under each of the secrets: so names stay the same when secrets are replaced, and
nothing is forgotten. Processes that hold it put it back where it is gone. A mark beside it says which key that is: who
finds the mark and not the key has none of the secrets, and would take all that is kept there for absent.
"""

import base64
import hmac
import logging
import math
import os
from typing import Final, Protocol

from gateway.store.down import StoreDown
from gateway.store.sealing import Seals, Unsealable, derived

#: the hash tag of every key: one script may touch several of them, wherever they are
TAG: Final = b"{bearer-gateway}:"
USE: Final = "names"
#: bytes of a name's HMAC that are shown
_SHOWN: Final = 18
_KEY_BYTES: Final = 32
#: Two processes that begin at one moment may each make a key, and then each a mark.
_ATTEMPTS: Final = 4
_MARK: Final = TAG + b"names"
_OTHERS: Final = "what is kept there was named under another secret; none of store.secrets is that one"

log = logging.getLogger("gateway.store")


class Commands(Protocol):
    """What sends commands to Redis."""

    async def command(self, *parts: bytes | float | str) -> object:
        """Its response."""


class Names:
    """The names of what is kept, once the key is known."""

    def __init__(self) -> None:
        self._key: bytes | None = None

    @property
    def are_known(self) -> bool:
        """Whether there is a key."""
        return self._key is not None

    def name(self, use: str, parts: tuple[bytes, ...]) -> bytes:
        """The key of Redis for these parts; no other parts have it. They must be known."""
        assert self._key is not None
        whole = b"".join(b"%d:%b" % (len(part), part) for part in (use.encode(), *parts))
        digest = hmac.digest(self._key, whole, "sha256")[:_SHOWN]
        return TAG + use.encode() + b":" + base64.urlsafe_b64encode(digest)

    async def agree(self, client: Commands, seals: Seals, *, now: float) -> bool:
        """Takes the key that the others have, or gives them one. True: it is another than before.

        What the client raises. StoreDown: others have one, under none of these secrets. Of several the one under the
        oldest secret counts: that is what the others know.
        """
        before = self._key
        places = [
            TAG + b"names:" + base64.urlsafe_b64encode(derived(secret, b"place")[:_SHOWN]) for secret in seals.secrets
        ]
        for _ in range(_ATTEMPTS):
            found, mark = await self._found(client, seals, places, now)
            if before is None and mark is not None and mark not in {_mark(key) for key in found if key}:
                self._key = None
                raise StoreDown(_OTHERS)
            chosen = next((key for key in reversed(found) if key), None)
            key = self._key = chosen or self._key or os.urandom(_KEY_BYTES)
            missing = [by for by, old in enumerate(found) if old != key]
            for by in missing:
                # By the secret of that place: those who know no other must be able to open it.
                sealed = seals.seal(USE, places[by], key, now=now, until=math.inf, by=by)
                only_if_none = found[by] is None and chosen is None
                await client.command(b"SET", places[by], sealed, *((b"NX",) if only_if_none else ()))
            if missing:
                continue
            if mark == _mark(key):
                break
            await client.command(b"SET", _MARK, _mark(key), *((b"NX",) if mark is None else ()))
        return before not in (None, self._key)

    async def _found(
        self, client: Commands, seals: Seals, places: list[bytes], now: float
    ) -> tuple[list[bytes | None], bytes | None]:
        """What stands in each place, empty where it is of no use; and the mark."""
        values = await client.command(b"MGET", *places, _MARK)
        assert isinstance(values, list)
        mark = values.pop()
        found: list[bytes | None] = []
        for place, value in zip(places, values, strict=True):
            try:
                found.append(None if value is None else seals.open(USE, place, value, now=now))
            except Unsealable:
                log.warning("the store has something else where the key of its names should be: it is written anew")
                found.append(b"")
        return found, mark


def _mark(key: bytes) -> bytes:
    """Says which key it is, and nothing of it."""
    return base64.urlsafe_b64encode(derived(key, b"mark")[:_SHOWN])
