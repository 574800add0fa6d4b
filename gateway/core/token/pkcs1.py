"""Signatures by RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2.2), by which most tokens are signed.

As the RFC has it: what the key makes of a signature is compared, byte by byte, with the one text that it must be. The
powers and the padding are `cryptography`'s. Its own verification does the same and takes a fifth longer, since it finds
out anew for each signature which hash is meant; the tests hold the two to each other.
"""

from hashlib import sha256, sha384, sha512
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

#: by algorithm: the hash, copied for each use, and what stands before a digest (section 9.2, note 1)
_HASHES: Final[dict[str, tuple[Any, bytes]]] = {
    "RS256": (sha256(), bytes.fromhex("3031300d060960864801650304020105000420")),
    "RS384": (sha384(), bytes.fromhex("3041300d060960864801650304020205000430")),
    "RS512": (sha512(), bytes.fromhex("3051300d060960864801650304020305000440")),
}
#: what this module verifies
ALGORITHMS: Final = frozenset(_HASHES)
_PADDING: Final = PKCS1v15()


def is_signed_by(public: RSAPublicKey, *, alg: str, signing_input: bytes, signature: bytes) -> bool:
    """Whether `signature` is this key's of `signing_input`. `alg`: one of ALGORITHMS."""
    # Step 1. OpenSSL would take one that lacks zeros at its beginning.
    if len(signature) != (public.key_size + 7) // 8:
        return False
    known, prefix = _HASHES[alg]
    hashed = known.copy()
    hashed.update(signing_input)
    try:
        found: bytes = public.recover_data_from_signature(signature, _PADDING, None)
    except InvalidSignature:
        return False
    # All of what follows the padding, so that the padding cannot be shorter than it must be.
    expected: bytes = prefix + hashed.digest()
    return found == expected
