"""RSA keys for the issuers of tests: each takes 80 ms of a processor to make.

A key is somebody's alone until he gives it back, and then that of a later test: no test is given a key a second time.
"""

from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from joserfc.jwk import RSAKey


class Minted:
    """Keys that were made, and are nobody's or were given back by the test that runs."""

    def __init__(self) -> None:
        self._free: list[RSAPrivateKey] = []
        self._back: list[RSAPrivateKey] = []

    def take(self, owned: list[RSAPrivateKey]) -> RSAKey:
        """A key that nobody has, with an id of its own. `owned`: is told of it, and what to give back later."""
        owned.append(self._free.pop() if self._free else generate_private_key(65537, 2048))
        return RSAKey.import_key(owned[-1], {"kid": f"rs-{uuid4().hex[:8]}"})

    def give_back(self, owned: list[RSAPrivateKey]) -> None:
        """What its owner needs no more."""
        self._back += owned
        owned.clear()

    def begin(self) -> None:
        """A test begins: what tests before it gave back may be taken again."""
        self._free += self._back
        self._back.clear()


MINTED = Minted()
