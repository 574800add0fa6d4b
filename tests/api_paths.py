"""Requests that real APIs are sent, of their public route lists: tests/data/api_paths says which."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gateway.core.config.routes import RouteSection

HERE = Path(__file__).parent / "data" / "api_paths"
APIS = sorted(path.stem for path in HERE.glob("*.json"))
_VARIABLE = re.compile(r"\{(\w+)\}")
#: what people have behind a path
_QUERIES = ("", "", "?per_page=100&page=2", "?q=a%2Fb+c;d&x[]=%25", "?labelSelector=app%3Dweb,tier!=cache", "?")


class Template(NamedTuple):
    """One route of an API."""

    method: str
    path: str


def read(api: str) -> tuple[list[Template], dict[str, list[str]]]:
    """The routes of an API, and samples of what stands for their variables."""
    data: dict[str, Any] = json.loads((HERE / f"{api}.json").read_text())
    return [Template(*route.split(" ", 1)) for route in data["routes"]], data["samples"]


def requests(api: str, *, most: int | None = None) -> Iterator[Template]:
    """Every route with its variables filled in, as often as it takes to use each sample. `most`: of one route."""
    templates, samples = read(api)
    for number, template in enumerate(templates):
        names = _VARIABLE.findall(template.path)
        times = max((len(samples[name]) for name in names), default=1)
        for turn in range(min(times, most or times)):
            path = template.path
            for name in names:
                values = samples[name]
                path = path.replace(f"{{{name}}}", values[(turn + number * (most is not None)) % len(values)], 1)
            yield Template(template.method, path + _QUERIES[(number + turn) % len(_QUERIES)])


def prefixes(api: str, **more: Any) -> tuple[RouteSection, ...]:
    """A configuration as one would write it for this API: some of it public, some for few, the rest for a token."""
    return tuple(RouteSection(**route, **more) for route in _ROUTES[api])


def each_route(api: str, **more: Any) -> tuple[RouteSection, ...]:
    """Every route of the API as one of the gateway's, by turns public and for whoever has a scope of its own; then the rest."""
    methods: dict[str, list[str]] = {}
    for method, path in read(api)[0]:
        # A variable is a whole segment; what is below a path is many.
        whole = "/".join("{v}" if "{" in segment else segment for segment in path.replace("*", "%2A").split("/"))
        numbers = iter(range(1, 20))
        written = re.sub(r"\{v\}", lambda _, numbers=numbers: f"{{v{next(numbers)}}}", whole)  # type: ignore[misc]
        methods.setdefault(written, []).append(method)
    made = tuple(
        RouteSection(
            path=path,
            methods=tuple(dict.fromkeys(found)),
            access="public" if number % 3 == 0 else "token",
            scopes=() if number % 3 == 0 else (f"s{number}",),
            **more,
        )
        for number, (path, found) in enumerate(methods.items())
    )
    return (*made, RouteSection(path="/*", **more))


_ROUTES: dict[str, list[dict[str, Any]]] = {
    "github": [
        {"path": "/meta", "access": "public"},
        {"path": "/repos/{owner}/{repo}", "methods": ("GET",), "access": "public"},
        {"path": "/repos/{owner}/{repo}/labels/{label}", "methods": ("GET",), "access": "public"},
        {"path": "/repos/{owner}/{repo}/contents/*", "methods": ("GET",), "access": "optional"},
        {"path": "/repos/{owner}/{repo}/actions/secrets/*", "scopes": ("admin",)},
        {"path": "/repos/{owner}/{repo}/*", "scopes": ("repo",)},
        {"path": "/orgs/{org}/*", "scopes": ("read:org",)},
        {"path": "/users/*", "access": "public"},
        {"path": "/user/*", "scopes": ("user",)},
        {"path": "/*"},
    ],
    "gitlab": [
        {"path": "/-/*", "access": "public"},
        {"path": "/api/v4/projects/{id}/repository/files/{file}/raw", "methods": ("GET",), "access": "public"},
        {"path": "/api/v4/projects/{id}/variables/*", "scopes": ("admin",)},
        {"path": "/api/v4/projects/{id}/*", "scopes": ("api",)},
        {"path": "/api/v4/groups/{id}/*", "scopes": ("api",)},
        {"path": "/api/v4/*", "scopes": ("read_api",)},
        {"path": "/*", "access": "public"},
    ],
    "kubernetes": [
        {"path": "/healthz", "access": "public"},
        {"path": "/version", "access": "public"},
        {"path": "/api/v1/namespaces/{namespace}/secrets/*", "scopes": ("secrets",)},
        {"path": "/api/v1/namespaces/{namespace}/pods/{name}/exec", "scopes": ("exec",)},
        {"path": "/api/v1/namespaces/{namespace}/services/{name}/proxy/*", "access": "public"},
        {"path": "/api/*", "scopes": ("core",)},
        {"path": "/apis/rbac.authorization.k8s.io/*", "scopes": ("admin",)},
        {"path": "/apis/*", "scopes": ("apps",)},
    ],
    "stripe": [
        {"path": "/v1/country_specs/*", "access": "public"},
        {"path": "/v1/charges/*", "methods": ("GET",), "scopes": ("read",)},
        {"path": "/v1/charges/*", "methods": ("POST",), "scopes": ("write",)},
        {"path": "/v1/coupons/{coupon}", "methods": ("GET",), "access": "public"},
        {"path": "/v1/customers/{customer}/*", "scopes": ("customers",)},
        {"path": "/v1/*"},
    ],
}
