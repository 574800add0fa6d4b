"""The section `identity_headers`: what the API is told of the caller."""

from typing import Annotated, Literal

from gateway.core.config.section import Section, Size, default
from gateway.core.config.section import described as _doc


class IdentityHeader(Section, frozen=True, kw_only=True, rename={"source": "from"}):
    """What stands in one identity header. Exactly one of `claim`, `from` and `claims` is given."""

    claim: Annotated[
        str | tuple[str, ...] | None,
        _doc(
            "name of a claim; a JSON Pointer when it starts with / and is no claim's name; or a list, a path",
            stand_in="unreadable",
        ),
    ] = None
    source: Annotated[
        Literal["client", "scopes", "issuer", "tenant"] | None,
        _doc(
            "the client's identifier, the scopes, the configured name of the issuer, or which of its tenants it is",
            stand_in="client",
        ),
    ] = None
    claims: Annotated[
        Literal["all"] | None, _doc("the whole payload; needs format json, encoding base64url", stand_in="all")
    ] = None
    format: Annotated[
        Literal["auto", "csv", "space", "json", "repeat"],
        _doc("auto: strings as they are, numbers and booleans as JSON, arrays as csv, objects as json"),
    ] = "auto"
    encoding: Annotated[
        Literal["percent", "base64url", "none"],
        _doc("percent: bytes of the UTF-8 outside printable ASCII, and % itself; none: non-ASCII is refused"),
    ] = "percent"
    required: Annotated[bool, _doc("refuse tokens without the claim, instead of leaving the header out")] = False
    max_bytes: Annotated[Size, _doc("longest encoded value")] = default(Size(4096))
    too_large: Annotated[Literal["refuse", "omit"], _doc("what to do with a longer value")] = "refuse"


#: The identity headers when the key is not given; these names are stripped from requests in any case. Nobody asked for
#: them, so none of them is a reason to refuse anybody: one that would be too large is left out.
DEFAULT_IDENTITY_HEADERS: dict[str, IdentityHeader] = {
    "X-User-Id": IdentityHeader(claim="sub", too_large="omit"),
    "X-Client-Id": IdentityHeader(source="client", too_large="omit"),
    "X-Token-Scopes": IdentityHeader(source="scopes", too_large="omit"),
}
