"""The section `resources.NAME`: an API as its clients know it, and what is published of it (RFC 9728)."""

from typing import Annotated

from gateway.core.config.section import Section
from gateway.core.config.section import described as _doc


def _nobody_else(path: str) -> str:
    """An identifier that no other resource has."""
    return f"https://{path.encode().hex()[-60:]}.unreadable.invalid"


class ResourceSection(Section, frozen=True, kw_only=True):
    """An API that clients find their way to: each challenge of its routes says where this is published (RFC 9728)."""

    identifier: Annotated[
        str,
        _doc(
            "the URL that clients know the API by, such as https://api.example.com/mcp: tokens for it name it in aud; "
            "http on loopback only",
            stand_in=_nobody_else,
        ),
    ]
    name: Annotated[str | None, _doc("what the API is called where people are asked, resource_name")] = None
    documentation: Annotated[str | None, _doc("URL of what developers should know, resource_documentation")] = None
    authorization_servers: Annotated[
        tuple[str, ...],
        _doc(
            "issuers that clients are sent to; empty: the https issuers of its routes that have the identifier in "
            "audience, without templates and Kubernetes (with an identifier on loopback, those on loopback as well)"
        ),
    ] = ()
    publish_scopes: Annotated[
        bool, _doc("publish the scopes of its routes too; without, a challenge names those of its route alone")
    ] = False
