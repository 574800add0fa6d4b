import pytest

from gateway.core.config.routes import RouteSection, route_name


@pytest.mark.parametrize(
    ("route", "name"),
    [
        (RouteSection(path="/orders/*"), "/orders/*"),
        (RouteSection(path="/orders/*", methods=("GET",)), "GET /orders/*"),
        (RouteSection(path="/orders/*", methods=("POST", "PUT")), "POST,PUT /orders/*"),
        (RouteSection(path="/orders/*", methods=("GET",), name="read orders"), "read orders"),
    ],
)
def test_a_route_is_called_by_its_name_else_by_what_it_is_for(route: RouteSection, name: str) -> None:
    assert route_name(route) == name
