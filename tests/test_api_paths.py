"""No ordinary request of a real API is refused for its looks, whatever routes are configured for it."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.errors import AmbiguousPath, BadRequest, MethodNotAllowed, Refusal, UriTooLong
from gateway.core.routing.table import RouteTable
from tests.api_paths import APIS, each_route, prefixes, read, requests
from tests.memory import facts
from tests.signer import issuer

#: GitLab's projects, files and refs are one segment with %2F in it
SETTINGS: dict[str, dict[str, Any]] = {"gitlab": {"encoded_slashes": "allow"}}


def table_of(routes: tuple[RouteSection, ...], **settings: Any) -> RouteTable:
    return RouteTable(Config(upstream="http://127.0.0.1:1", issuers=(issuer(),), routes=routes, **settings))


def taken(table: RouteTable, method: str, target: str) -> str:
    """The route, or why there is none."""
    try:
        return table.match(facts(None, method=method, target=target.encode())).name
    except Refusal as refusal:
        return f"refused: {refusal.reason}: {refusal.evidence}"


def leads_elsewhere(target: str) -> bool:
    """Whether who reads an encoded ? or # in the middle reads another path: where each path has a scope of its own,
    that is refused for where it leads, and not for its looks."""
    middle = target.partition("?")[0].rpartition("/")[0]
    return "%23" in middle or "%3F" in middle


LOOKS = tuple(kind.reason for kind in (AmbiguousPath, BadRequest, UriTooLong))


@pytest.mark.parametrize("case", ["sensitive", "insensitive"])
@pytest.mark.parametrize("made", [prefixes, each_route])
@pytest.mark.parametrize("api", APIS)
def test_none_is_refused_for_its_looks(api: str, made: Callable[..., tuple[RouteSection, ...]], case: str) -> None:
    table = table_of(made(api, **SETTINGS.get(api, {})), path_case=case)
    seen = {
        f"{method} {target}": taken(table, method, target)
        for method, target in requests(api)
        if made is prefixes or not leads_elsewhere(target)
    }
    assert {
        request: outcome
        for request, outcome in seen.items()
        if outcome.startswith(tuple(f"refused: {reason}" for reason in LOOKS))
    } == {}


def test_there_are_more_than_a_thousand_of_them_and_each_api_has_its_oddities() -> None:
    assert APIS == ["github", "gitlab", "kubernetes", "stripe"]
    templates = {api: read(api)[0] for api in APIS}
    assert sum(map(len, templates.values())) > 1500
    assert min(map(len, templates.values())) > 250
    assert all(len(set(found)) == len(found) for found in templates.values())
    written = "".join(target for api in APIS for _, target in requests(api))
    odd = (
        "%2F",
        "%2f",
        "%20",
        "%23",
        "%3F",
        "%25",
        "%2B",
        "+",
        "%C3",
        ":",
        "@",
        "...",
        "[",
        "!",
        "~",
        "'",
        ",",
        "*",
        "//",
    )
    assert [piece for piece in odd if piece not in written] == []


@pytest.mark.parametrize("api", APIS)
def test_each_route_of_an_api_takes_its_own_requests(api: str) -> None:
    """Where a sample is one segment, as the variable is."""
    routes = each_route(api, **SETTINGS.get(api, {}))
    table, wrong = table_of(routes), {}
    templates = iter(read(api)[0])
    for method, target in requests(api, most=1):
        template = next(templates)
        path = target.partition("?")[0]
        if path.count("/") != template.path.count("/") or path.endswith("/") or leads_elsewhere(target):
            continue
        outcome = taken(table, method, target)
        if outcome.startswith("refused") or outcome == "/*":
            wrong[f"{method} {target}"] = outcome
    # Where two templates name one path, the first in the file decides.
    assert {request: told for request, told in wrong.items() if MethodNotAllowed.reason not in told} == {}
