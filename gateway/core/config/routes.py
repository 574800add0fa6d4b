"""The section `routes[]`: who may do what."""

from typing import Annotated, Final, Literal

from gateway.core.config.cors import Cors
from gateway.core.config.credentials import Credentials
from gateway.core.config.keys_of import AskedKeys
from gateway.core.config.rates import Rate
from gateway.core.config.section import Seconds, Section, default
from gateway.core.config.section import described as _doc

#: what `where` may name beside claims: what the gateway takes for it, whatever claim it was in
NO_CLAIMS: Final = frozenset({"subject", "client"})


class RouteSection(Section, frozen=True, kw_only=True):
    """Who may do what. The first route whose path, host and method fit decides."""

    path: Annotated[
        str,
        _doc(
            "/health: this path, also with a slash at the end; /orders/*: it and all below; /users/{id}: one segment",
            stand_in="/unreadable",
        ),
    ]
    methods: Annotated[tuple[str, ...], _doc("methods; GET includes HEAD; empty: all")] = ()
    hosts: Annotated[tuple[str, ...], _doc("hosts, without port; *.example.com: any below; empty: all")] = ()
    access: Annotated[
        Literal["token", "optional", "public"],
        _doc("optional: no token passes as nobody, and one must be good in full; public: none is asked for or read"),
    ] = "token"
    scopes: Annotated[tuple[str, ...], _doc("scopes, all of which the token must have")] = ()
    any_scope: Annotated[tuple[str, ...], _doc("scopes, one of which the token must have")] = ()
    claims: Annotated[
        dict[str, str | int | float | bool | tuple[str | int | float | bool, ...] | AskedKeys],
        _doc(
            "claim or JSON Pointer to a value or a list of values; of an array one member must match; or any name to "
            "{keys_of: CLAIM, one_of: NAMES}"
        ),
    ] = default({})
    where: Annotated[
        dict[str, str],
        _doc(
            "variable of path to the claim or JSON Pointer, or to subject or client, that it must equal: text, exactly"
        ),
    ] = default({})
    clients: Annotated[tuple[str, ...], _doc("clients that may call; empty: any")] = ()
    issuers: Annotated[tuple[str, ...], _doc("names of issuers whose tokens count; empty: any")] = ()
    audience: Annotated[
        str | tuple[str, ...],
        _doc("of issuers[].audience what counts here: the token must name it, of a list any one; empty: all of them"),
    ] = ()
    acr: Annotated[
        tuple[str, ...],
        _doc("ways to log in, of which the token must name one as acr; else the client is asked to step up (RFC 9470)"),
    ] = ()
    max_age: Annotated[
        Seconds | None,
        _doc("how long ago the user may have logged in, by auth_time, in whole seconds; null: any time"),
    ] = None
    resource: Annotated[
        str | None,
        _doc("name of the resource it belongs to; null: the only one, where path and hosts are within its identifier"),
    ] = None
    credentials: Annotated[Credentials | None, _doc("where a token may stand here; null: as at the top")] = None
    condition: Annotated[
        str | None,
        _doc("CEL over token, identity and request, which must be true; at most 1024 bytes; needs the extra cel"),
    ] = None
    name: Annotated[str | None, _doc("label in metrics and logs; default: made from the path")] = None
    upstream: Annotated[str, _doc("name of the upstream")] = "default"
    strip_prefix: Annotated[
        str | None, _doc("whole segments at the beginning of the path that the API does not see")
    ] = None
    encoded_slashes: Annotated[
        Literal["refuse", "allow"],
        _doc("%2F and %5C in a segment: refused, or characters of it, for APIs that read them so"),
    ] = "refuse"
    timeout: Annotated[Seconds | None, _doc("overrides response_timeout")] = None
    mode: Annotated[
        Literal["enforce", "report"], _doc("UNSAFE: report lets refused requests pass, and counts them")
    ] = "enforce"
    log: Annotated[
        Literal["all", "refused", "none"] | None,
        _doc("which of its requests the access log has; null: as log.access"),
    ] = None
    cors: Annotated[
        Cors | Literal["inherit", "upstream"] | None, _doc("instead of cors at the top; null: no cross-origin calls")
    ] = "inherit"
    rates: Annotated[
        tuple[Rate, ...] | None, _doc("how often somebody may call here, beside rates at the top; null: not even those")
    ] = ()


def route_audiences(route: RouteSection) -> tuple[str, ...]:
    """The audiences of which a token must name one beyond what its issuer asks; none: nothing is asked."""
    return (route.audience,) if isinstance(route.audience, str) else route.audience


def route_name(route: RouteSection) -> str:
    """The label of a route in metrics and logs: as configured, else its path with the methods it is for."""
    return route.name or (f"{','.join(route.methods)} {route.path}" if route.methods else route.path)


def where_claims(route: RouteSection) -> tuple[str, ...]:
    """The claims that `where` of a route names; subject and client are none."""
    return tuple(claim for claim in route.where.values() if claim not in NO_CLAIMS)
