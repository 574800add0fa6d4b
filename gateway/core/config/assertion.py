"""The section `assertion`: a signed proof of origin for the API."""

from typing import Annotated

from gateway.core.config.section import Seconds, Section, default
from gateway.core.config.section import described as _doc

#: the header of the assertion when none is named; stripped from requests in any case
ASSERTION_HEADER = "X-Gateway-Assertion"


class KeyFile(Section, frozen=True, kw_only=True):
    """Where a private key is; never the key itself."""

    unquoted = "{file: PATH}"

    file: Annotated[
        str,
        _doc(
            "PEM file or JWK with a private key: EC P-256 or Ed25519; looked at again while running",
            stand_in="unreadable",
            file="signing key",
        ),
    ]


class AssertionSection(Section, frozen=True, kw_only=True):
    """A signed proof of origin for the API: a short-lived JWT about the caller, in a header."""

    issuer: Annotated[str, _doc("its iss: what the API knows the gateway by", stand_in="https://unreadable.invalid")]
    audience: Annotated[str | None, _doc("its aud; default: the name of the upstream")] = None
    key: Annotated[KeyFile | None, _doc("what signs it; default: made at start, for one replica only")] = None
    lifetime: Annotated[Seconds, _doc("10s to 1h; it never outlives the token")] = default(Seconds(300))
    claims: Annotated[
        tuple[str, ...], _doc("claims of the token, or JSON Pointers, that it has as well, each under that name")
    ] = ()
    header: Annotated[str, _doc("the header that carries it")] = ASSERTION_HEADER
