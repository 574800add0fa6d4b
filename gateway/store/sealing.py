"""What is kept in a store of others is sealed: whoever reads it learns nothing, and what was altered is not taken.

RFC 5869 (HKDF-SHA256) makes a key for each use of each secret, and one of that for each value, by the 16 random bytes
before it; AES-256-GCM seals. Inside stand use, key, time and end with the value: it passes for no other, and no longer.
"""

import os
import struct
from collections.abc import Iterable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

#: bytes that every value begins with: which form of sealing it is
_VERSION: Final = b"\x01"
_SALT: Final = 16
_TAG: Final = 16
#: each key seals one value
_NONCE: Final = bytes(12)
#: lengths of use and key; time and end in seconds since the epoch
_INSIDE: Final = struct.Struct("!BHdd")
_LABEL: Final = b"bearer-gateway store 1 "
#: bytes that a sealed value has more than the value, its use and its key
OVERHEAD: Final = len(_VERSION) + _SALT + _TAG + _INSIDE.size


class Unsealable(Exception):
    """What stands there was not sealed by anybody with a secret of ours, or stands in the place of something else."""


def derived(secret: bytes, label: bytes) -> bytes:
    """A key of 32 bytes for one purpose."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_LABEL + label).derive(secret)


class Seals:
    """Seals with the first secret, opens what any of them sealed."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """`secrets`: at least one. A variable of the environment may hold any bytes."""
        self.secrets = tuple(secret.encode("utf-8", "surrogateescape") for secret in secrets)
        self._keys: dict[tuple[int, str], bytes] = {}

    def __repr__(self) -> str:
        return f"Seals({len(self.secrets)} secrets)"

    def seal(self, use: str, key: bytes, plain: bytes, *, now: float, until: float, by: int = 0) -> bytes:
        """`plain` for this use under this key; from `until` on it does not exist. Seconds since the epoch.

        `by`: the place of the secret that seals.
        """
        salt = os.urandom(_SALT)
        name = use.encode()
        inside = _INSIDE.pack(len(name), len(key), now, until) + name + key + plain
        return _VERSION + salt + AESGCM(self._key(by, use, salt)).encrypt(_NONCE, inside, _VERSION)

    def open(self, use: str, key: bytes, sealed: bytes, *, now: float) -> bytes | None:
        """What was sealed for this use under this key; None: its end is past. Unsealable."""
        salt, rest = sealed[1 : 1 + _SALT], sealed[1 + _SALT :]
        if not sealed.startswith(_VERSION) or len(rest) < _TAG + _INSIDE.size:
            raise Unsealable("it is no sealed value")
        for place in range(len(self.secrets)):
            try:
                inside = AESGCM(self._key(place, use, salt)).decrypt(_NONCE, rest, _VERSION)
            except InvalidTag:
                continue
            return _taken_out(use, key, inside, now)
        raise Unsealable("it was sealed with another secret, or altered")

    def _key(self, place: int, use: str, salt: bytes) -> bytes:
        """Of one value."""
        of_use = self._keys.get((place, use))
        if of_use is None:
            of_use = self._keys[place, use] = derived(self.secrets[place], b"seal " + use.encode())
        return HKDFExpand(algorithm=SHA256(), length=32, info=salt).derive(of_use)


def _taken_out(use: str, key: bytes, inside: bytes, now: float) -> bytes | None:
    name = use.encode()
    name_length, key_length, _, until = _INSIDE.unpack_from(inside)
    begin = _INSIDE.size + name_length
    if inside[_INSIDE.size : begin] != name or inside[begin : begin + key_length] != key or key_length != len(key):
        raise Unsealable("it was sealed for another place")
    return inside[begin + key_length :] if now < until else None
