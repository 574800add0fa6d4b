"""The section `issuers[].introspection`: tokens of which the issuer is asked whether they are active (RFC 7662)."""

from typing import Annotated, Literal

import msgspec

from gateway.core.config.client_authentication import ClientAuthentication
from gateway.core.config.section import Seconds, default
from gateway.core.config.section import described as _doc

#: kinds of token by what they look like from outside
TokenForm = Literal["opaque", "jwt", "encrypted"]


class Introspection(ClientAuthentication, frozen=True, kw_only=True):
    """Which tokens the issuer is asked about, how, and how long its response is believed."""

    tokens: Annotated[
        Literal["opaque", "all"] | tuple[TokenForm, ...],
        _doc(
            "which tokens it is asked about; all: opaque ones, and JWTs after their own checks; or a list of opaque, "
            "jwt and encrypted (JWE)"
        ),
    ] = "opaque"
    endpoint: Annotated[
        str | None,
        _doc(
            "where it is asked; default: introspection_endpoint of the discovery document", stand_in="https://u.invalid"
        ),
    ] = None
    prefix: Annotated[
        tuple[str, ...], _doc("opaque tokens that begin so are this issuer's; of several that fit the longest")
    ] = ()
    pattern: Annotated[
        str | None,
        _doc("regular expression for a whole opaque token of this issuer; what does not fit is refused without asking"),
    ] = None
    #: `answer` in the file
    response: Annotated[Literal["json", "jwt"], _doc("jwt: responses are signed (RFC 9701), and no other is taken")] = (
        msgspec.field(default="json", name="answer")
    )
    cache: Annotated[
        Seconds, _doc("how long a response is believed, never beyond the token's exp; 0s: asked for each request")
    ] = default(Seconds(60))
    timeout: Annotated[Seconds, _doc("time for a response")] = default(Seconds(5))
    require_audience: Annotated[
        bool, _doc("UNSAFE when false: a response without the audience is believed, since the issuer names none")
    ] = True


def forms_of(section: Introspection) -> frozenset[str]:
    """The kinds of token that the issuer is asked about: opaque, jwt, encrypted."""
    if isinstance(section.tokens, tuple):
        return frozenset(section.tokens)
    return frozenset({"opaque", "jwt"} if section.tokens == "all" else {"opaque"})
