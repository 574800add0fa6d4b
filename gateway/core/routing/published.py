"""What is published of protected resources (RFC 9728 section 2): which document a host and a path lead to.

Every member is the configuration's; nothing stands here that a request has said.
"""

import json
from collections.abc import Iterable

from gateway.core.addresses import is_loopback, parse_url
from gateway.core.config.credentials import places_in
from gateway.core.config.file import Config, takes_certificates
from gateway.core.config.issuers import KUBERNETES, Issuer, audiences_of, issuer_name
from gateway.core.config.routes import RouteSection, route_audiences
from gateway.core.routing.resource import WELL_KNOWN, Resource, Resources, routes_of
from gateway.core.token.tenants import is_template

#: host in lower case without port, and path without a slash at its end, to the document there
Documents = dict[tuple[str, str], bytes]


def published(config: Config) -> Documents:
    """Every document of a sound configuration. The only resource is at the bare path too."""
    resources = Resources(config).by_name
    found: Documents = {}
    for resource in resources.values():
        document = json.dumps(document_of(config, resource), ensure_ascii=False).encode() + b"\n"
        found[resource.host, resource.path.removesuffix("/")] = document
        if len(resources) == 1:
            found.setdefault((resource.host, WELL_KNOWN), document)
    return found


def document_of(config: Config, resource: Resource) -> dict[str, object]:
    """The members of one document, in the order of RFC 9728 section 2; those that say nothing are left out."""
    section, routes = config.resources[resource.name], routes_of(config, resource)
    servers = section.authorization_servers or servers_of(config, resource, routes)
    scopes = dict.fromkeys(scope for route in routes for scope in (*route.scopes, *route.any_scope))
    members: dict[str, object] = {
        "resource": resource.identifier,
        "authorization_servers": list(servers),
        "scopes_supported": list(scopes) if section.publish_scopes else [],
        "bearer_methods_supported": _bearer_methods(config, routes),
        "resource_name": section.name,
        "resource_documentation": section.documentation,
        "tls_client_certificate_bound_access_tokens": takes_certificates(config),
        "dpop_signing_alg_values_supported": [] if config.dpop is None else list(config.dpop.algorithms),
        "dpop_bound_access_tokens_required": _needs_proofs(config, routes),
    }
    # Section 3.2: members without a value are not written. That no method is supported is said by an empty list.
    said = {name: value for name, value in members.items() if value not in (None, False, [])}
    return {**said, "bearer_methods_supported": members["bearer_methods_supported"]}


def _bearer_methods(config: Config, routes: Iterable[RouteSection]) -> list[str]:
    """Where a Bearer token may stand on every one of these routes, of what RFC 6750 section 2 knows."""
    credentials = [config.credentials if route.credentials is None else route.credentials for route in routes]
    by_query = ("query", "access_token")
    methods = {
        "header": all("authorization" in places for places in credentials),
        "query": all(by_query in {(kind, name) for _, kind, name in places_in(places)} for places in credentials),
    }
    return [method for method, is_supported in methods.items() if is_supported and credentials]


def _needs_proofs(config: Config, routes: tuple[RouteSection, ...]) -> bool:
    """Whether no token opens any of these routes without a DPoP proof."""
    issuers = [issuer for issuer in config.issuers if any(_opens(issuer, route) for route in routes)]
    return bool(issuers) and all(issuer.binding == "dpop" for issuer in issuers)


def servers_of(config: Config, resource: Resource, routes: Iterable[RouteSection]) -> tuple[str, ...]:
    """The issuers that clients can be sent to for a token that opens one of these routes."""
    known, at_hand = tuple(routes), is_loopback(resource.host.strip("[]"))
    return tuple(
        dict.fromkeys(
            issuer.issuer
            for issuer in config.issuers
            if _can_be_found(issuer, at_hand=at_hand) and any(_opens(issuer, route) for route in known)
        )
    )


def _can_be_found(issuer: Issuer, *, at_hand: bool) -> bool:
    """Whether an issuer is one whose metadata clients can ask for. `at_hand`: they are on this machine."""
    # A template names nobody, and a cluster lets no clients of others log in.
    if is_template(issuer.issuer) or issuer.preset == KUBERNETES:
        return False
    try:
        url = parse_url(issuer.issuer)
    except ValueError:
        return False
    return url.scheme == "https" or (at_hand and is_loopback(url.host))


def _opens(issuer: Issuer, route: RouteSection) -> bool:
    """Whether a token of this issuer may be one for the route."""
    is_named = not route.issuers or issuer_name(issuer) in route.issuers
    return is_named and not set(audiences_of(issuer)).isdisjoint(route_audiences(route))
