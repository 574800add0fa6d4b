"""What a token says it is bound to (RFC 7800 `cnf`). Whether a request proves it is judged in `core.proof`."""

from collections.abc import Mapping
from typing import Any, Final

#: thumbprint (RFC 7638) of a key, RFC 9449 section 6.1
KEY: Final = "jkt"
#: thumbprint of a client certificate, RFC 8705 section 3.1
CERTIFICATE: Final = "x5t#S256"
_KNOWN_METHODS: Final = (KEY, CERTIFICATE)


class Confirmation:
    """What a token is bound to, by method; by none that is known where it is malformed or names another one."""

    __slots__ = ("methods",)

    def __init__(self, methods: Mapping[str, str]) -> None:
        #: method to thumbprint
        self.methods: Final = methods

    def __repr__(self) -> str:
        return f"Confirmation({', '.join(self.methods)})"


def parse_confirmation(claims: Mapping[str, Any]) -> Confirmation | None:
    """None: a bearer token. Any `cnf` at all, null and what cannot be read included, binds a token."""
    if "cnf" not in claims:
        return None
    cnf = claims["cnf"]
    members = cnf if isinstance(cnf, dict) else {}
    found = {method: members[method] for method in _KNOWN_METHODS if method in members}
    # Of two methods one that cannot be proven is not passed over.
    sound = all(isinstance(thumbprint, str) and thumbprint for thumbprint in found.values())
    return Confirmation(found if sound else {})
