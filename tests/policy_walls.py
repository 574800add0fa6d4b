"""Routes that cannot be walked around, as rows for `tests.policy_table`: patterns, methods, hosts and other readings.

Each list says what its requests have in common; what must become of them stands beside it, and nothing is computed.
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from gateway.core.config.routes import RouteSection

HOSTS = ("api.test", "admin.test", "*.shop.test")
WALLS = (
    RouteSection(path="/health", access="public", name="health"),
    RouteSection(path="/admin/*", scopes=("admin",), name="admin"),
    RouteSection(path="/orders/{id}", methods=("GET",), scopes=("read:orders",), name="order"),
    RouteSection(path="/orders/{id}", methods=("PUT", "DELETE"), scopes=("write:orders",), name="change"),
    RouteSection(path="/orders/{id}/items/{item}", any_scope=("reports", "admin"), name="item"),
    RouteSection(path="/users/me", scopes=("read:orders",), name="me"),
    RouteSection(path="/users/{id}", methods=("GET",), scopes=("admin",), name="user"),
    RouteSection(path="/console/*", hosts=("admin.test",), claims={"roles": "admin"}, name="console"),
    RouteSection(path="/tenants/*", hosts=("*.shop.test",), scopes=("manage",), name="tenants"),
    RouteSection(path="/people/{id}/*", where={"id": "sub"}, name="people"),
    RouteSection(path="/prices", access="optional", name="prices"),
    RouteSection(path="/files/{name}", scopes=("read:orders",), encoded_slashes="allow", name="file"),
    RouteSection(path="/*", access="public", name="rest"),
)


class Wall(NamedTuple):
    """A request and what must become of it, in the words of `tests.policy_table`."""

    client: str
    request: str
    verdict: Literal["admitted", "refused"]
    route: str | None
    more: dict[str, Any]


#: read otherwise, these are below /admin, or another path that asks for a scope
ELSEWHERE = (
    "/Admin", "/ADMIN/users", "/aDmIn/1", "/admin./x", "/admin%20", "/admin+/x", "/%20admin/x", "/admin%C2%A0/x", "/adm%C4%B1n",
    "/admin%3Fx", "/admin%23x", "/ADMIN%3f", "/Orders/1", "/orders%20/1", "/ORDERS/1/ITEMS/2", "/u%C5%BFers/me",
    "/Users/me", "/users./1",
)  # fmt: skip
#: these merely look odd: nobody reads them as a path that asks for more
ODD = (
    "/admins", "/admin-x", "/xadmin", "/x/admin", "/x/Admin/y", "/Assets/LOGO.PNG", "/a%20b.", "/C%2B%2B", "/100%25", "/a+b",
    "/wiki/What%3F", "/issues%231", "/orders", "/orders/1/items", "/orders/1/items/2/x", "/users", "/users/me/x", "/.well-known/x",
    "/files", "/admin.json", "/orders.json", "/%F0%9F%90%9B", "/caf%C3%A9", "/~alice", "/@alice", "/a:b", "/a,b",
)  # fmt: skip
#: spellings of segments that a variable takes as they are
IDS = ("1", "a%20b", "1.json", "%C3%BC", "a+b", "100%25", "x%3Fy", "z%23", "...", "A", "%7Bid%7D", "~", "1:2", "*")
UNKNOWN = (
    "other.test",
    "test",
    "shop.test",
    "api.test.evil.test",
    "xapi.test",
    "127.0.0.1",
    "[::1]",
    "api.tes",
    "admin.test.shop",
)
ANYBODY = ("nothing", "everything", "expired")


def walls() -> Iterator[Wall]:
    """All rows."""
    yield from _readings()
    yield from _patterns()
    yield from _methods()
    yield from _hosts()
    yield from _owners()


def _no(client: str, request: str, reason: str, route: str | None = None, told: str | None = None, **more: Any) -> Wall:
    return Wall(client, request, "refused", route, {"reason": reason, "told": told, **more})


def _yes(client: str, request: str, route: str, user: str | None = "alice", **more: Any) -> Wall:
    return Wall(client, request, "admitted", route, {"user": user, **more})


def _readings() -> Iterator[Wall]:
    for target in ELSEWHERE:
        for client in ANYBODY:
            yield _no(client, f"GET {target}", "ambiguous_path")
    for target in ODD:
        for client in ANYBODY:
            yield _yes(client, f"GET {target}", "rest", None)


def _patterns() -> Iterator[Wall]:
    for segment in IDS:
        yield _yes("reader", f"GET /orders/{segment}", "order")
        yield _no("writer", f"GET /orders/{segment}", "insufficient_scope", "order", "read:orders")
        yield _no("nothing", f"GET /orders/{segment}", "missing_credential", "order")
        if "%3F" in segment or "%23" in segment:
            # Who reads it decoded reads /orders/x, and that asks for something else.
            yield _no("reports", f"GET /orders/{segment}/items/1", "ambiguous_path")
        else:
            yield _yes("reports", f"GET /orders/{segment}/items/1", "item")
        yield _no("reader", f"GET /orders/1/items/{segment}", "insufficient_scope", "item", "reports")
        yield _yes("admin", f"GET /users/{segment}", "user")
        yield _no("reader", f"GET /users/{segment}", "insufficient_scope", "user", "admin")
    # A literal beats a variable by the order of the file.
    yield _yes("reader", "GET /users/me", "me")
    yield _no("admin", "GET /users/me", "insufficient_scope", "me", "read:orders")
    yield _yes("reader", "DELETE /users/me", "me")
    yield _yes("reader", "GET /users/me/", "me")
    for segment in ("a%2Fb", "a%2fb%5Cc", "plain"):
        yield _yes("reader", f"GET /files/{segment}", "file")
        yield _no("nothing", f"GET /files/{segment}", "missing_credential", "file")
    for target in ("/orders/a%2Fb", "/health%2Fx", "/admin%2Fx", "/x%2Fy", "/orders/1%5Cx", "/files/a/b%2Fc"):
        for client in ANYBODY:
            yield _no(client, f"GET {target}", "ambiguous_path")
    yield _yes("nothing", "GET /prices", "prices", None)
    yield _yes("plain", "GET /prices", "prices")
    yield _no("expired", "GET /prices", "token_expired", "prices")
    yield _no("basic", "GET /prices", "missing_credential", "prices")


def _methods() -> Iterator[Wall]:
    for client in ANYBODY:
        for method in ("POST", "PATCH", "OPTIONS", "PROPFIND", "QUERY"):
            yield _no(client, f"{method} /orders/1", "method_not_allowed", None, "DELETE, GET, HEAD, PUT")
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            yield _no(client, f"{method} /users/1", "method_not_allowed", None, "GET, HEAD")
    for method in ("PUT", "DELETE"):
        yield _yes("writer", f"{method} /orders/1", "change")
        yield _no("reader", f"{method} /orders/1", "insufficient_scope", "change", "write:orders")
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"):
        yield _yes("admin", f"{method} /admin/users", "admin")
        yield _no("reader", f"{method} /admin/users", "insufficient_scope", "admin", "admin")
        yield _no("nothing", f"{method} /admin", "missing_credential", "admin")
        yield _yes("nothing", f"{method} /elsewhere", "rest", None)


def _hosts() -> Iterator[Wall]:
    for host in UNKNOWN:
        for request in ("GET /health", "GET /admin/x", "POST /orders/1", "GET /"):
            for client in ANYBODY:
                yield _no(client, request, "unknown_host", host=host)
    for host in ("api.test", "API.TEST", "api.test:8443", "api.test.", "admin.test", "a.shop.test", "b.a.shop.test"):
        yield _yes("nothing", "GET /health", "health", None, host=host)
        yield _no("reader", "GET /admin/x", "insufficient_scope", "admin", "admin", host=host)
    for host in ("a.shop.test", "A.B.Shop.Test:80", "x.shop.test."):
        yield _yes("everything", "GET /tenants/1", "tenants", host=host)
        yield _no("reader", "GET /tenants/1", "insufficient_scope", "tenants", "manage", host=host)
    yield _yes("admin role", "GET /console/x", "console", host="admin.test")
    yield _no("admin", "GET /console/x", "claim_mismatch", "console", host="admin.test")


def _owners() -> Iterator[Wall]:
    """A path variable that must be the subject's name: decoded, and to the letter."""
    for target in (
        "/people/alice",
        "/people/alice/",
        "/people/alice/mail/1",
        "/people/%61lice/mail",
        "/people/al%69c%65",
    ):
        yield _yes("plain", f"GET {target}", "people")
        yield _yes("plain", f"DELETE {target}", "people")
        yield _no("nothing", f"GET {target}", "missing_credential", "people")
        yield _no("expired", f"GET {target}", "token_expired", "people")
        # Who has no name has none that could be it.
        yield _no("machine", f"GET {target}", "path_mismatch", "people")
    for owner in (
        "bob",
        "Alice",
        "ALICE",
        "alic",
        "alice1",
        "alice%20",
        "%20alice",
        "alice.",
        "a",
        "%C3%A0lice",
        "*",
        "sub",
        "1",
        "null",
    ):
        yield _no("plain", f"GET /people/{owner}/mail", "path_mismatch", "people")
        yield _no("everything", f"PUT /people/{owner}", "path_mismatch", "people")
        yield _no("nothing", f"GET /people/{owner}", "missing_credential", "people")
