"""Nonces that nobody stores (RFC 9449 section 8): a keyed hash over the time, which every replica makes alike."""

import base64
import hmac
from collections.abc import Sequence
from typing import Final

#: seconds for which one nonce is given
STEP: Final = 60
_LABEL: Final = b"bearer-gateway dpop nonce 1 "
#: bytes of the hash that are shown
_SHOWN: Final = 18


class Nonces:
    """What is given now, and what is taken. Remembers the last ones that it made."""

    def __init__(self) -> None:
        self._made_of: tuple[tuple[str, ...], int] | None = None
        self._current = ""
        self._good: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"Nonces({len(self._good)} good)"

    def current(self, secrets: Sequence[str], *, now: float) -> str:
        """The one to be given: under the first of the secrets. `now`: seconds since the epoch."""
        self._make(tuple(secrets), int(now // STEP))
        return self._current

    def good(self, secrets: Sequence[str], *, now: float) -> frozenset[str]:
        """Those that are taken: of the step before, of this and, for replicas whose clocks are ahead, of the next."""
        self._make(tuple(secrets), int(now // STEP))
        return self._good

    def _make(self, secrets: tuple[str, ...], step: int) -> None:
        if self._made_of == (secrets, step):
            return
        keys = [secret.encode("utf-8", "surrogateescape") for secret in secrets]
        self._current = _nonce(keys[0], step)
        self._good = frozenset(_nonce(key, near) for key in keys for near in (step - 1, step, step + 1))
        self._made_of = (secrets, step)


def _nonce(key: bytes, step: int) -> str:
    digest = hmac.digest(key, _LABEL + str(step).encode("ascii"), "sha256")[:_SHOWN]
    return base64.urlsafe_b64encode(digest).decode("ascii")
