"""No spelling of a protected path reaches its handler in a real router without its rule."""

from collections.abc import Iterator
from typing import Any

import pytest
from routers.apps import App, express_app, flask_app, handler_of, responds, starlette_app

from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.errors import Refusal
from gateway.core.routing.table import RouteTable
from tests.memory import facts

ROUTES = (
    RouteSection(path="/health", access="public", name="health"),
    RouteSection(path="/orders/*", scopes=("x",), name="orders"),
    # Whatever is taken for another path reaches the API without a token.
    RouteSection(path="/*", access="public", name="rest"),
)
#: what may stand for a slash, for nothing, or before or behind a name, somewhere
PIECES = (
    "/", "//", "/./", "/x/../", "%2f", "%2F", "\\", "%5c", ";", ";x", ";x=1/", "%3b", "%00", "%20", "+", "%09", "%0a",
    ".", "%2e", "/%2e/", "/%2e%2e/", "..;/", "%252f", "%25%32%66", "%c0%af", "%ef%bc%8f", "%e2%80%8b", "?", "#", "%23",
    "%3f", "%", "%zz", "~", "*", "|", "/health/../", "/health;/../", "/health%2f..%2f",
)  # fmt: skip


def spellings() -> Iterator[str]:
    """Many ways to write /orders and /orders/1, good and bad."""
    for path in ("/orders", "/orders/1", "/orders/", "/Orders/1", "/ORDERS", "/oRdErS/1"):
        yield path
        for index in range(1, len(path)):
            byte = ord(path[index])
            for escape in (f"%{byte:02x}", f"%{byte:02X}", f"%25{byte:02x}", f"%u{byte:04x}"):
                yield path[:index] + escape + path[index + 1 :]
            for piece in PIECES:
                yield path[:index] + piece + path[index:]
        for piece in PIECES:
            yield piece + path
            yield f"/{piece}{path}"
            yield path + piece
            yield f"{path}{piece}/1"
            yield path.replace("/1", f"{piece}1")


def rule_of(target: str, *, ignore_case: bool) -> str:
    """The route that the gateway takes, or why it takes none."""
    settings: dict[str, Any] = {"path_case": "insensitive" if ignore_case else "sensitive"}
    table = RouteTable(Config(upstream="http://127.0.0.1:1", issuers=(), routes=ROUTES, **settings))
    try:
        return table.match(facts(None, target=target.encode())).name
    except Refusal as refusal:
        return f"refused: {refusal.reason}"


def reached(port: int, target: str) -> str:
    """Which handler says it got the request."""
    return handler_of(responds(port, f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()))


@pytest.mark.parametrize(
    ("app", "ignore_case"),
    [(flask_app, False), (starlette_app, False), (express_app, True), (express_app, False)],
    ids=["flask", "starlette", "express", "express as if it did not ignore case"],
)
def test_no_spelling_reaches_the_protected_handler_without_its_rule(app: App, *, ignore_case: bool) -> None:
    targets = sorted({target for target in spellings() if target.isprintable() and " " not in target})
    wrong = {}
    protected = 0
    with app() as port:
        for target in targets:
            rule = rule_of(target, ignore_case=ignore_case)
            if rule.startswith("refused"):
                continue
            handler = reached(port, target)
            protected += handler == "orders"
            if handler == "orders" and rule != "orders":
                wrong[target] = rule
    assert len(targets) > 1000
    assert protected > 40
    assert wrong == {}
