"""Protected resources (RFC 9728): their identifiers taken apart, and which route belongs to which.

Knows nothing of what is published of them (`published`) and of refusals (`asked`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.core.addresses import parse_url
from gateway.core.config.file import Config, external_urls_of
from gateway.core.config.resources import ResourceSection
from gateway.core.config.routes import RouteSection, route_audiences
from gateway.core.errors import AmbiguousPath, Asked, UriTooLong
from gateway.core.http.client_url import parse_external
from gateway.core.http.hosts import host_of, plain_host
from gateway.core.http.paths import parse_path
from gateway.core.routing.pattern import parse_pattern

#: RFC 9728 section 3
WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the file, its identifier taken apart."""

    #: as the configuration calls it
    name: str
    #: as it was written: clients and tokens compare it to the letter
    identifier: str
    #: in lower case, without port; IPv6 in brackets
    host: str
    #: decoded segments of its path, as routes see it: without what a proxy takes away
    segments: tuple[str, ...]
    #: path at which it is published
    path: str
    #: URL of the same; made of the identifier, never of what a request says
    url: str


def parse_resource(name: str, section: ResourceSection, config: Config) -> Resource:
    """A resource of the file. AmbiguousPath, UriTooLong: no request has such a path. ValueError: it is no URL."""
    parsed = parse_url(section.identifier)
    scheme, _, rest = section.identifier.partition("://")
    authority = rest.partition("/")[0]
    # Section 3.1: between host and path; a slash that is all of the path goes.
    path = WELL_KNOWN + (parsed.path if parsed.path != "/" else "")
    host = f"[{parsed.host}]" if ":" in parsed.host else parsed.host
    seen = parsed.path.removeprefix(_taken_away(host, parsed.path, config))
    return Resource(
        name=name,
        identifier=section.identifier,
        host=host,
        segments=parse_path(seen.encode() or b"/", ignore_case=config.path_case == "insensitive"),
        path=path,
        url=f"{scheme}://{authority}{path}",
    )


def external_places(config: Config) -> list[tuple[str, str]]:
    """Host and path of every `external_url`; one that cannot be parsed is told elsewhere."""
    places = []
    for text in external_urls_of(config):
        try:
            url = parse_external(text)
        except ValueError:
            continue
        places.append((host_of(url.authority.encode()) or "", url.prefix))
    return places


def _taken_away(host: str, path: str, config: Config) -> str:
    """The beginning of a path that a proxy takes away, where clients call by `external_url`: the longest that fits."""
    fitting = [
        prefix
        for known, prefix in external_places(config)
        if known == host and (path == prefix or path.startswith(f"{prefix}/"))
    ]
    return max(fitting, key=len, default="")


class Resources:
    """Those of a configuration."""

    def __init__(self, config: Config) -> None:
        """`config` is sound."""
        self._ignore_case = config.path_case == "insensitive"
        #: by name, in the order of the file
        self.by_name: Final[Mapping[str, Resource]] = {
            name: parse_resource(name, section, config) for name, section in config.resources.items()
        }

    def find(self, route: RouteSection) -> Resource | None:
        """The one that a route belongs to: the one it names, else the only one, where that covers the route."""
        if not self.by_name or route.access == "public":
            return None
        if route.resource is not None:
            return self.by_name.get(route.resource)
        if len(self.by_name) > 1:
            return None
        (only,) = self.by_name.values()
        is_covered = lies_under(route, only, ignore_case=self._ignore_case) and names_host(route, only)
        return only if is_covered else None


def lies_under(route: RouteSection, resource: Resource, *, ignore_case: bool = False) -> bool:
    """Whether all that a route takes is at the identifier's path or below it."""
    try:
        segments = parse_pattern(route.path, ignore_case=ignore_case).segments
    except (AmbiguousPath, UriTooLong):
        return False
    return segments[: len(resource.segments)] == resource.segments


def names_host(route: RouteSection, resource: Resource) -> bool:
    """Whether a route is for the identifier's host, by name or because it is for every host."""
    return not route.hosts or resource.host in map(plain_host, route.hosts)


def routes_of(config: Config, resource: Resource) -> tuple[RouteSection, ...]:
    """The routes that belong to a resource, with what that implies; among them what takes what no route names."""
    resources = Resources(config)
    takes = "token" in {config.unmatched, config.unmatched_methods}
    every = (*config.routes, RouteSection(path="/*")) if takes else config.routes
    return tuple([with_implied(route, resource) for route in every if resources.find(route) == resource])


def with_implied(route: RouteSection, resource: Resource) -> RouteSection:
    """A route with what its resource implies: a token names the identifier as its audience, unless it says other."""
    return route if route_audiences(route) else msgspec.structs.replace(route, audience=resource.identifier)


def told_of(route: RouteSection, resource: Resource) -> Asked:
    """What a route tells whoever comes without a good token: the scopes that one needs to pass there."""
    return Asked(needed_scopes(route.scopes, route.any_scope, ()), resource.url)


def needed_scopes(scopes: tuple[str, ...], any_scope: tuple[str, ...], held: tuple[str, ...]) -> tuple[str, ...]:
    """All of `scopes`, and one of `any_scope` unless it is there already: one that is held, else the first."""
    if not any_scope or not set(scopes).isdisjoint(any_scope):
        return scopes
    return (*scopes, next((scope for scope in any_scope if scope in held), any_scope[0]))
