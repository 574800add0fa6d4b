"""Which `resources` make sense: identifiers that clients can find, routes within them, tokens that can be for them."""

from collections.abc import Iterator, Mapping
from typing import Final

from gateway.core.addresses import is_loopback, parse_url
from gateway.core.config.file import Config
from gateway.core.config.issuers import audiences_of, issuer_name
from gateway.core.config.resources import ResourceSection
from gateway.core.config.routes import RouteSection, route_audiences, route_name
from gateway.core.config.words import ConfigProblem, did_you_mean, joined, named
from gateway.core.errors import AmbiguousPath, UriTooLong
from gateway.core.http.hosts import HostNames, plain_host
from gateway.core.http.paths import parse_path
from gateway.core.routing.published import document_of
from gateway.core.routing.resource import (
    WELL_KNOWN,
    Resource,
    external_places,
    lies_under,
    names_host,
    parse_resource,
    routes_of,
)

#: characters of a name
MAX_NAME: Final = 128
_SCHEME: Final = "must be https, unless it is on loopback"


def resource_problems(config: Config) -> Iterator[ConfigProblem]:
    """What must be corrected, resource by resource, then route by route."""
    paths = named("resources", config.resources)
    ignore_case = config.path_case == "insensitive"
    found: dict[str, Resource] = {}
    for name, section in config.resources.items():
        own = [*_own_problems(name, section)]
        yield from (ConfigProblem(f"{paths[name]}{key}", sentence) for key, sentence in own)
        if not any(key == ".identifier" for key, _ in own):
            found[name] = parse_resource(name, section, config)
        if name in found:
            yield from (
                ConfigProblem(f"{paths[name]}.identifier", told) for told in _host_problems(config, found[name])
            )
    taken: dict[tuple[str, str], str] = {}
    for name, resource in found.items():
        other = taken.setdefault((resource.host, resource.path.removesuffix("/")), name)
        if other != name:
            sentence = f"must differ from that of {paths[other]} in host or path: by these is found what is published"
            yield ConfigProblem(f"{paths[name]}.identifier", sentence)
    for index, route in enumerate(config.routes):
        for key, sentence in _route_problems(route, config, found, ignore_case=ignore_case):
            yield ConfigProblem(f"{joined('routes', index)}.{key}", sentence)
    if len(found) == len(config.resources):
        yield from _audience_problems(config, found, paths)


def resource_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    paths = named("resources", config.resources)
    found: dict[str, Resource] = {}
    for name, section in config.resources.items():
        try:
            found[name] = parse_resource(name, section, config)
        except (ValueError, AmbiguousPath, UriTooLong):
            return
    for name, resource in found.items():
        yield from _own_warnings(config, resource, paths[name])
    for index, route in enumerate(config.routes):
        if route.access == "public" or route.resource is not None or len(found) < 2:
            continue
        around = [name for name, one in found.items() if lies_under(route, one) and names_host(route, one)]
        if around:
            sentence = f"is not set: its challenges do not tell where {paths[around[0]]} is published"
            yield ConfigProblem(f"{joined('routes', index)}.resource", sentence)


def _own_problems(name: str, section: ResourceSection) -> Iterator[tuple[str, str]]:
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        yield "", f"must be called by 1 to {MAX_NAME} printable characters"
    yield from ((".identifier", sentence) for sentence in _identifier_problems(section.identifier))
    if section.name is not None and (not section.name.strip() or len(section.name) > MAX_NAME):
        yield ".name", f"must have 1 to {MAX_NAME} characters, not all of them blank"
    if section.documentation is not None:
        try:
            parse_url(section.documentation.partition("#")[0])
        except ValueError as error:
            yield ".documentation", str(error)
    for index, server in enumerate(section.authorization_servers):
        where = joined(".authorization_servers", index)
        try:
            url = parse_url(server)
        except ValueError as error:
            yield where, str(error)
            continue
        # RFC 8414 section 2.
        if "?" in server:
            yield where, "must not have a query (?) in its URL: it is an issuer"
        elif url.scheme != "https" and not is_loopback(url.host):
            yield where, _SCHEME
        elif server in section.authorization_servers[:index]:
            yield where, f"is {joined('authorization_servers', section.authorization_servers.index(server))} again"


def _identifier_problems(identifier: str) -> Iterator[str]:
    try:
        url = parse_url(identifier)
    except ValueError as error:
        yield str(error)
        return
    if "?" in identifier:
        yield "must not have a query (?) in its URL: what is published is found by host and path"
    elif url.scheme != "https" and not is_loopback(url.host):
        yield _SCHEME
    elif WELL_KNOWN in url.path:
        yield "looks like the address at which it is published; the identifier is what clients call"
    else:
        try:
            parse_path(url.path.encode() or b"/")
        except (AmbiguousPath, UriTooLong) as error:
            yield f"has a path that no request can have: {error.evidence}"


def _host_problems(config: Config, resource: Resource) -> Iterator[str]:
    """Hosts for which nobody is served."""
    external = {host for host, _ in external_places(config)}
    if external and resource.host not in external:
        yield "must be at external_url: that is where clients call, and look for what is published"
    if config.hosts and not HostNames(config.hosts).has(resource.host):
        yield "must be at one of hosts: requests for it are refused (421)"


def _route_problems(
    route: RouteSection, config: Config, found: Mapping[str, Resource], *, ignore_case: bool
) -> Iterator[tuple[str, str]]:
    resource = found.get(route.resource or "")
    if route.resource is None:
        only = next(iter(found.values()), None) if len(config.resources) == 1 else None
        # A route elsewhere is no part of it; one that is in part must say what it is.
        if only is None or route.access == "public" or not lies_under(route, only, ignore_case=ignore_case):
            return
        resource = only if names_host(route, only) else None
    elif route.resource not in config.resources:
        yield "resource", f"is not the name of a resource{did_you_mean(route.resource, config.resources)}"
    elif route.access == "public":
        yield "resource", "has no effect on a public route: nobody is asked for a token there"
        return
    if resource is None:
        return
    if not lies_under(route, resource, ignore_case=ignore_case):
        yield "path", "must lie under the path of its resource's identifier"
    for index, host in enumerate(route.hosts):
        if plain_host(host) != resource.host:
            yield joined("hosts", index), "must be the host of its resource's identifier"


def _audience_problems(
    config: Config, found: Mapping[str, Resource], paths: Mapping[str, str]
) -> Iterator[ConfigProblem]:
    """Resources with a route that no token could ever be for."""
    for name, resource in found.items():
        for route in routes_of(config, resource):
            if route_audiences(route) != (resource.identifier,):
                continue
            taken = [one for one in config.issuers if not route.issuers or issuer_name(one) in route.issuers]
            audiences = {audience for issuer in taken for audience in audiences_of(issuer)}
            if resource.identifier in audiences or not audiences:
                continue
            near = any(one.removesuffix("/") == resource.identifier.removesuffix("/") for one in audiences)
            hint = "; it has one that differs by the slash at its end" if near else ""
            sentence = f"must be in the audience of an issuer whose tokens {_called(route)} takes{hint}"
            yield ConfigProblem(f"{paths[name]}.identifier", sentence)
            break


def _called(route: RouteSection) -> str:
    return f"route {route_name(route)}"


def _own_warnings(config: Config, resource: Resource, where: str) -> Iterator[ConfigProblem]:
    section = config.resources[resource.name]
    if not routes_of(config, resource):
        yield ConfigProblem(where, "has no route: nothing that is asked for at its identifier belongs to it")
    elif "authorization_servers" not in document_of(config, resource):
        sentence = "is empty, and no https issuer stands in: clients are not told where to get a token"
        yield ConfigProblem(f"{where}.authorization_servers", sentence)
    issuers = {issuer.issuer.removesuffix("/"): issuer.issuer for issuer in config.issuers}
    for index, server in enumerate(section.authorization_servers):
        near = issuers.get(server.removesuffix("/"), server)
        if near != server:
            sentence = f"differs from the issuer {near} by the slash at its end: clients compare it to the letter"
            yield ConfigProblem(joined(f"{where}.authorization_servers", index), sentence)
    for path in dict.fromkeys((resource.path, WELL_KNOWN)) if len(config.resources) == 1 else (resource.path,):
        if (route := _shadowed(config, path)) is not None:
            sentence = f"is published at {path}, which {route} names too: its requests for that never reach the API"
            yield ConfigProblem(where, sentence)


def _shadowed(config: Config, path: str) -> str | None:
    """The first route that means this very path, or a part of the API around it; one for everything does not."""
    ours = tuple(path.removesuffix("/").split("/"))
    for index, route in enumerate(config.routes):
        below = route.path.endswith("/*")
        segments = tuple(route.path.removesuffix("*").removesuffix("/").split("/"))
        if segments == ours or (below and len(segments) > 1 and segments == ours[: len(segments)]):
            return f"{joined('routes', index)} ({route_name(route)})"
    return None
