"""Applications on real frameworks, each with the same handlers: what they make of a path is theirs.

`/orders`, `/admin` and `/staff` with all that is below, and `/items/ID/secret`, are to be protected; `/health` is not.
Each handler responds with its name; whatever is no path of theirs is 404 and says `nothing`.
"""

import contextlib
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import unquote, unquote_plus
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import flask
import npm
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route as StarletteRoute

HERE = Path(__file__).parent
PROTECTED = ("orders", "admin", "staff", "secret")
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
App = Callable[[], AbstractContextManager[int]]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def flask_app() -> Iterator[int]:
    """Flask, on the server of the standard library."""
    app = flask.Flask(__name__)

    def add(path: str, name: str) -> None:
        app.add_url_rule(path, view_func=lambda **_: name, endpoint=path, methods=METHODS)

    for name in ("orders", "admin", "staff"):
        add(f"/{name}", name)
        add(f"/{name}/<path:rest>", name)
    add("/items/<id>/secret", "secret")
    add("/health", "health")
    server = make_server("127.0.0.1", 0, app, _Server, _Silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def starlette_app() -> Iterator[int]:
    """Starlette, on uvicorn."""

    def handler(name: str) -> Callable[[Request], Any]:
        async def respond(_: Request) -> PlainTextResponse:
            return PlainTextResponse(name)

        return respond

    routes = [
        StarletteRoute(f"/{name}{rest}", handler(name), methods=METHODS)
        for name in ("orders", "admin", "staff")
        for rest in ("", "/{rest:path}")
    ]
    routes += [
        StarletteRoute("/items/{id}/secret", handler("secret"), methods=METHODS),
        StarletteRoute("/health", handler("health"), methods=METHODS),
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
    """Express, which ignores case."""
    npm.install(HERE)
    with subprocess.Popen([npm.NODE, "server.mjs"], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield int(process.stdout.readline())
        process.stdin.close()


class _Lenient(BaseHTTPRequestHandler):
    """Reads a path in every way that some framework does, all at once: Spring's of old, IIS, and a few more.

    Case is folded as Unicode has it, `;` begins parameters of a segment, slashes are merged and dots resolved, a suffix
    is a format, blanks around a name are trimmed, and dots at its end are none of it.
    """

    protocol_version = "HTTP/1.1"

    def respond(self) -> None:
        name = self.handler()
        body = name.encode()
        self.send_response(404 if name == "nothing" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = respond  # noqa: N815 -- its names
    do_PROPFIND = do_QUERY = do_PURGE = respond  # noqa: N815 -- as above

    def handler(self) -> str:
        target = self.headers.get("X-Original-URL") or self.headers.get("X-Rewrite-URL") or self.path
        target = re.sub(r"^\w+://[^/]*", "", target).partition("?")[0]
        readings = {unquote(target), unquote_plus(target), unquote(unquote(target))}
        names = {self.named(re.split(r"[?#]", reading)[0]) for reading in readings}
        return next((name for name in PROTECTED if name in names), "health" if "health" in names else "nothing")

    def named(self, path: str) -> str:
        segments: list[str] = []
        for raw in re.split(r"[/\\]", path):
            segment = raw.casefold().partition(";")[0].strip()
            if segment == "..":
                segments[-1:] = []
            elif segment.rstrip("."):
                segments.append(segment.rstrip("."))
        if segments:
            segments[-1] = re.sub(r"\.[a-z]+$", "", segments[-1])
        first = segments[0] if segments else ""
        if first == "items" and segments[2:] == ["secret"]:
            return "secret"
        return first if first in {*PROTECTED, "health"} and first != "secret" else "nothing"

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class _LenientServer(ThreadingHTTPServer):
    request_queue_size = 128


@contextmanager
def lenient_app() -> Iterator[int]:
    """Written here: folds case and matches suffixes, as Spring once did."""
    server = _LenientServer(("127.0.0.1", 0), _Lenient)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def responds(port: int, raw: bytes) -> bytes:
    """All that is said to these bytes, until the other side closes; nothing where it cuts the connection."""
    said = []
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire, contextlib.suppress(ConnectionError):
        wire.sendall(raw)
        while piece := wire.recv(1 << 16):
            said.append(piece)
        return b"".join(said)
    return b""


def handler_of(response: bytes) -> str:
    """Which handler a response is from; `nothing` where it is none of theirs."""
    return response.rpartition(b"\r\n")[2].decode("utf-8", "replace") if b" 200 " in response[:20] else "nothing"
