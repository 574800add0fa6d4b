"""No spelling of a protected path reaches its handler in a real router without its rule."""

import asyncio
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import flask
import npm
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route as StarletteRoute

from gateway.core.config.file import Config
from gateway.core.config.routes import RouteSection
from gateway.core.errors import Refusal
from gateway.core.routing.table import RouteTable
from tests.memory import facts

HERE = Path(__file__).parent / "routers"
ROUTES = (
    RouteSection(path="/health", access="public", name="health"),
    RouteSection(path="/orders/*", scopes=("x",), name="orders"),
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


async def reached(port: int, target: str) -> str:
    """Which handler says it got the request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(10):
        response = await reader.read()
    writer.close()
    return response.rpartition(b"\r\n")[2].decode("utf-8", "replace") if b" 200 " in response[:20] else "nothing"


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def flask_app() -> Iterator[int]:
    app = flask.Flask(__name__)
    app.add_url_rule("/orders", view_func=lambda: "orders", endpoint="all")
    app.add_url_rule("/orders/<path:rest>", view_func=lambda rest: "orders", endpoint="one")
    app.add_url_rule("/health", view_func=lambda: "health", endpoint="health")
    server = make_server("127.0.0.1", 0, app, handler_class=_Silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def starlette_app() -> Iterator[int]:
    async def orders(_: Request) -> PlainTextResponse:
        return PlainTextResponse("orders")

    async def health(_: Request) -> PlainTextResponse:
        return PlainTextResponse("health")

    routes = [
        StarletteRoute("/orders", orders),
        StarletteRoute("/orders/{rest:path}", orders),
        StarletteRoute("/health", health),
    ]
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join()
    listening.close()


@contextmanager
def express_app() -> Iterator[int]:
    npm.install(HERE)
    with subprocess.Popen([npm.NODE, "server.mjs"], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield int(process.stdout.readline())
        process.stdin.close()


@asynccontextmanager
async def running(app: Callable[[], Any]) -> AsyncIterator[int]:
    with app() as port:
        yield port


@pytest.mark.parametrize(
    ("app", "ignore_case"),
    [(flask_app, False), (starlette_app, False), (express_app, True)],
    ids=["flask", "starlette", "express"],
)
async def test_no_spelling_reaches_the_protected_handler_without_its_rule(
    app: Callable[[], Any], *, ignore_case: bool
) -> None:
    targets = sorted({target for target in spellings() if target.isprintable() and " " not in target})
    wrong = {}
    protected = 0
    async with running(app) as port:
        for target in targets:
            rule = rule_of(target, ignore_case=ignore_case)
            if rule.startswith("refused"):
                continue
            handler = await reached(port, target)
            protected += handler == "orders"
            if handler == "orders" and rule != "orders":
                wrong[target] = rule
    assert len(targets) > 1000
    assert protected > 50
    assert wrong == {}
