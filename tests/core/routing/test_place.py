"""Of the routes that fit a path: those that fit the host, and the one that takes the method."""

from typing import Any

import pytest

from gateway.core.config.routes import RouteSection
from gateway.core.routing import place
from gateway.core.routing.pattern import parse_pattern
from gateway.core.routing.place import ChoicesByHost, Named, Place
from gateway.core.routing.route import compile_route

ROUTES = (
    {"name": "get", "methods": ("GET",)},
    {"name": "a", "hosts": ("a.test",)},
    {"name": "below", "hosts": ("*.a.test", "b.test"), "methods": ("PUT",)},
    {"name": "put", "methods": ("PUT", "POST")},
)


def place_of(*routes: dict[str, Any], remembered: ChoicesByHost | None = None) -> Place:
    named = [Named(compile_route(RouteSection(path="/x", **route)), parse_pattern("/x")) for route in routes]
    return Place(named, {} if remembered is None else remembered)


def taken(made: Place, method: str, *hosts: str) -> str | None:
    route = made.of(hosts).take(method)
    return None if route is None else route.name


@pytest.mark.parametrize(
    ("method", "hosts", "name"),
    [
        ("GET", (), "get"),
        ("HEAD", (), "get"),
        ("PUT", (), "put"),
        ("DELETE", (), None),
        ("DELETE", ("a.test",), "a"),
        ("DELETE", ("*.a.test",), None),
        ("PUT", ("*.a.test",), "below"),
        ("PUT", ("b.test",), "below"),
        ("GET", ("b.test",), "get"),
    ],
)
def test_the_first_that_fits_the_host_and_takes_the_method_is_taken(
    method: str, hosts: tuple[str, ...], name: str | None
) -> None:
    made = place_of(*ROUTES)
    assert taken(made, method, *hosts) == taken(made, method, *hosts) == name


def test_what_is_allowed_is_what_is_taken() -> None:
    made = place_of(*ROUTES)
    assert made.elsewhere.allow() == ["GET", "HEAD", "POST", "PUT"]
    assert place_of(ROUTES[3]).elsewhere.allow() == ["POST", "PUT"]


def test_no_method_of_a_request_is_remembered_that_the_file_does_not_have() -> None:
    made = place_of(*ROUTES, {"name": "rest"})
    for number in range(100):
        assert taken(made, f"M{number}") == "rest"
    assert taken(made, "POST") == "put"
    assert len(made.elsewhere._taken) == 2


def test_what_is_remembered_of_hosts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "MAX_CHOICES", 2)
    remembered: ChoicesByHost = {}
    made = place_of(*ROUTES, remembered=remembered)
    for host in ("a.test", "b.test", "*.a.test", "b.test"):
        assert made.of((host,)).named == made.of((host,)).named
        assert len(remembered) <= 2
