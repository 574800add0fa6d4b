"""What a token is bound to (RFC 7800 `cnf`). A bound token is never taken for a bearer token."""

from collections.abc import Mapping
from typing import Any

from gateway.core.errors import BindingUnsupported, ProofRequired

#: RFC 9449 section 6.1 and RFC 8705 section 3.1
_KNOWN_METHODS = ("jkt", "x5t#S256")


def check_binding(claims: Mapping[str, Any]) -> None:
    """ProofRequired: bound by a known method, of which no proof is accepted yet. BindingUnsupported: any other."""
    if "cnf" not in claims:
        return
    confirmation = claims["cnf"]
    if isinstance(confirmation, dict):
        for method in _KNOWN_METHODS:
            if isinstance(confirmation.get(method), str) and confirmation[method]:
                raise ProofRequired(f"cnf has {method}")
    raise BindingUnsupported("cnf is malformed, or names an unsupported confirmation method")
