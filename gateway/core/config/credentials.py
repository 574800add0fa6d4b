"""The key `credentials`, at the top and of a route: where a token may stand in a request."""

from collections.abc import Iterator
from typing import Annotated, Literal

from gateway.core.config.section import Section
from gateway.core.config.section import described as _doc


class CredentialPlace(Section, frozen=True, kw_only=True):
    """A place of an access token beside Authorization; exactly one of these. It is emptied on every request."""

    header: Annotated[str | None, _doc("a header whose whole value is the token, such as X-Access-Token")] = None
    websocket: Annotated[
        str | None,
        _doc("a WebSocket's subprotocols: this name, such as bearer, and behind it the token; or base64url.NAME.TOKEN"),
    ] = None
    query: Annotated[
        str | None,
        _doc("UNSAFE: a parameter of the query, such as access_token, of GET and HEAD: URLs are logged and shared"),
    ] = None
    cookie: Annotated[
        str | None, _doc("a cookie, such as __Host-token; read only where nothing else stands, for pages of ours")
    ] = None


Credentials = tuple[Literal["authorization"] | CredentialPlace, ...]

#: where a token may stand unless something else is said
USUAL: Credentials = ("authorization",)


def places_in(credentials: Credentials) -> Iterator[tuple[int, str, str]]:
    """Index, kind and name of each place that is named, Authorization left out."""
    for index, place in enumerate(credentials):
        if isinstance(place, CredentialPlace):
            for kind in KINDS:
                name = getattr(place, kind)
                if name is not None:
                    yield index, kind, name


#: the one that browsers send by themselves
COOKIE = "cookie"
#: the keys of a place
KINDS = ("header", "websocket", "query", "cookie")
