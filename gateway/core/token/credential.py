"""Exactly one token out of the Authorization lines of a request (RFC 6750 section 2.1, RFC 9449 section 7.1).

Other places of a token are the business of `places`, and none unless they are configured.
"""

import re
from collections.abc import Sequence
from typing import Final

from gateway.core.errors import (
    MalformedCredential,
    MisplacedToken,
    MissingCredential,
    MultipleCredentials,
    Refusal,
    TokenTooLarge,
)
from gateway.core.http.grammar import is_token68

#: how nearly everybody writes it, which then needs no second look
_USUAL: Final = b"Bearer "
_LATER_BEARER: Final = re.compile(rb",[ \t]*bearer(?:[ \t]|\Z)", re.IGNORECASE)
_LATER_DPOP: Final = re.compile(rb",[ \t]*dpop(?:[ \t]|\Z)", re.IGNORECASE)


class Credential:
    """The one token of a request, how it was sent, and where it stood."""

    __slots__ = ("place", "scheme", "token")

    def __init__(self, token: bytes, *, scheme: str = "Bearer", place: str = "Authorization") -> None:
        self.token: Final = token
        #: RFC 9110 section 11.1: how its sender means to be authenticated
        self.scheme: Final = scheme
        #: name of the header
        self.place: Final = place

    def __repr__(self) -> str:
        return f"Credential({self.scheme}, in {self.place})"


def is_ours(value: bytes) -> bool:
    """Whether an Authorization value has the scheme Bearer or DPoP, well-formed or not, also somewhere in a list."""
    begin = value.strip(b" \t")[:6].lower()
    return (
        begin == b"bearer"
        or begin[:4] == b"dpop"
        or _LATER_BEARER.search(value) is not None
        or _LATER_DPOP.search(value) is not None
    )


def presumed_token(authorization: Sequence[bytes], *, token_bytes: int, dpop: bool = False) -> bytes:
    """The token as nearly everybody sends it, unchecked: to be looked for among tokens that were checked before.

    Where it is not sent like that: as `find_credential`, which raises.
    """
    if len(authorization) == 1 and authorization[0].startswith(_USUAL):
        return authorization[0][len(_USUAL) :].strip(b" ")
    return find_credential(authorization, token_bytes=token_bytes, dpop=dpop).token


def find_credential(
    authorization: Sequence[bytes], *, token_bytes: int, dpop: bool = False, place: str = "Authorization"
) -> Credential:
    """The one token among all Authorization values. `dpop`: the scheme DPoP is accepted as well.

    MissingCredential: none, or another scheme. MultipleCredentials: two lines or a list. MalformedCredential: the
    scheme without exactly one token68. TokenTooLarge: more than `token_bytes`. `place`: where it came from to there.
    """
    if not authorization:
        raise MissingCredential("no Authorization header")
    if len(authorization) > 1:
        raise MultipleCredentials(f"{len(authorization)} Authorization headers")
    value = authorization[0].strip(b" \t")
    if value.startswith(_USUAL) and is_token68(token := value[len(_USUAL) :]) and len(token) <= token_bytes:
        return Credential(token, place=place)
    scheme, _, rest = value.partition(b" ")
    if dpop and scheme.lower() == b"dpop":
        return _of_dpop(rest.strip(b" "), token_bytes=token_bytes)
    if scheme.lower() != b"bearer":
        raise _of_another_scheme(value, scheme.lower(), dpop=dpop)
    token = rest.strip(b" ")
    if not token:
        raise MalformedCredential("the scheme stands without a token")
    if b"," in token:
        raise MultipleCredentials("a list of credentials in one Authorization header")
    if not is_token68(token):
        raise MalformedCredential("what follows the scheme is not one token68")
    if len(token) > token_bytes:
        raise TokenTooLarge(f"the token has {len(token)} bytes; {token_bytes} are accepted")
    return Credential(token, place=place)


def _of_another_scheme(value: bytes, scheme: bytes, *, dpop: bool) -> Refusal:
    if _LATER_BEARER.search(value) or (dpop and _LATER_DPOP.search(value)):
        return MultipleCredentials("a list of credentials in one Authorization header")
    if scheme.startswith(b"bearer") and not scheme[6:7].isalnum():
        return MalformedCredential("the scheme is not followed by a space")
    if dpop and scheme.startswith(b"dpop") and not scheme[4:5].isalnum():
        return _under_dpop(MisplacedToken("the scheme is not followed by a space"))
    return MissingCredential("the Authorization header has another scheme, or none")


def _of_dpop(token: bytes, *, token_bytes: int) -> Credential:
    if b"," in token:
        raise _under_dpop(MultipleCredentials("a list of credentials in one Authorization header"))
    if not is_token68(token):
        raise _under_dpop(MisplacedToken("what follows the scheme is not one token68"))
    if len(token) > token_bytes:
        raise _under_dpop(TokenTooLarge(f"the token has {len(token)} bytes; {token_bytes} are accepted"))
    return Credential(token, scheme="DPoP")


def _under_dpop(refusal: Refusal) -> Refusal:
    refusal.scheme = "DPoP"
    return refusal
