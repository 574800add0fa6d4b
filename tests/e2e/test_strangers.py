"""No protected handler of a real router is reached without its rule, whatever strangers tried.

The same attempts go through the gateway, and as questions to the decision API, to each application and to nginx in
front of one, with a public route for everything that is not named: the worst there can be.
"""

import asyncio
import json
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from process import serving
from routers.apps import (
    PROTECTED,
    App,
    express_app,
    flask_app,
    handler_of,
    lenient_app,
    responds,
    starlette_app,
)
from strangers import HOST, Attempt, attempts

from gateway.core.checks.walks import Walker
from gateway.core.config.conversion import convert
from gateway.core.config.file import Config
from tests.wire import demo_issuer

APPS: dict[str, App] = {
    "flask": flask_app,
    "starlette": starlette_app,
    "express": express_app,
    "lenient": lenient_app,
}
_NGINX = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ {passed} }}
    }}
}}
"""
#: how nginx passes a path on: decoded and normalised, decoded as a variable, or merely normalised
PASSED = {
    "nginx-prefix": "proxy_pass http://127.0.0.1:{app}/;",
    "nginx-variable": "proxy_pass http://127.0.0.1:{app}$uri;",
    "nginx-rewrite": "rewrite ^(.*)$ $1 break; proxy_pass http://127.0.0.1:{app};",
}
RULES: list[dict[str, Any]] = [
    {"path": "/health", "access": "public"},
    {"path": "/admin/*", "scopes": ["admin"]},
    {"path": "/orders/*", "methods": ["GET"], "scopes": ["orders"], "hosts": [HOST]},
    {"path": "/staff/keys", "scopes": ["staff"]},
    {"path": "/staff/*", "any_scope": ["staff", "admin"]},
    {"path": "/items/{id}/secret", "scopes": ["secret"]},
]
OPEN: dict[str, Any] = {"path": "/*", "access": "public"}
ENOUGH = "admin orders staff secret"


def free_port() -> int:
    import socket  # noqa: PLC0415 -- once, for nginx, which cannot say which port it got

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def behind_nginx(directory: Path, passed: str, app: int) -> AsyncIterator[int]:
    """nginx in front of an application, and its port."""
    port = free_port()
    config = directory / "nginx.conf"
    config.write_text(_NGINX.format(directory=directory, port=port, passed=passed.format(app=app)))
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    assert program, "nginx is not installed: make test installs it"
    process = await asyncio.create_subprocess_exec(program, "-e", "stderr", "-p", str(directory), "-c", str(config))
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    await asyncio.to_thread(responds, port, b"GET /health HTTP/1.0\r\n\r\n")
                    break
                except OSError:
                    await asyncio.sleep(0.02)
        yield port
    finally:
        process.terminate()
        await process.wait()


@dataclass
class World:
    """An API, and a gateway in front of it."""

    name: str
    #: port of the API itself
    direct: int
    through: int
    decisions: int
    config: Config

    def told(self) -> set[str]:
        """What `check` prints of this configuration that differs by a suffix: the paths without that."""
        walker = Walker(self.config)
        walked = [request.path for index in range(len(self.config.routes)) for request, _, _ in walker.around(index)]
        return {path.removesuffix(".json") for path in walked if path.endswith(".json")}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[*APPS, *PASSED])
async def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    name: str = request.param
    directory = tmp_path_factory.mktemp(name)
    (directory / "jwks.json").write_text(json.dumps(demo_issuer().jwks()))
    with APPS.get(name, lenient_app if name == "nginx-variable" else flask_app)() as app:
        if name in APPS:
            async with in_front_of(name, app, directory) as made:
                yield made
        else:
            async with behind_nginx(directory, PASSED[name], app) as port, in_front_of(name, port, directory) as made:
                yield made


@asynccontextmanager
async def in_front_of(name: str, port: int, directory: Path) -> AsyncIterator[World]:
    decisions = free_port()
    document: dict[str, Any] = {
        "upstream": f"http://127.0.0.1:{port}",
        "listen": "127.0.0.1:0",
        "admin": "127.0.0.1:0",
        "decisions": f"127.0.0.1:{decisions}",
        "trusted_proxies": ["127.0.0.1/32"],
        "hosts": [HOST],
        "limits": {"drain_delay": 0},
        "issuers": [
            {
                "issuer": "https://issuer.test",
                "audience": demo_issuer().audience,
                "jwks_file": str(directory / "jwks.json"),
            }
        ],
        "routes": [*RULES, OPEN],
    }
    path = directory / "gateway.json"
    path.write_text(json.dumps(document))
    async with serving(config=str(path)) as gateway:
        through = int(gateway.url.rpartition(":")[2])
        yield World(name, port, through, decisions, convert(document, Config).config)


pytestmark = pytest.mark.asyncio(loop_scope="module")


def bearer(scope: str) -> str:
    token = demo_issuer().access_token(alg="ES256", exp=4_000_000_000, sub="alice", scope=scope)
    return f"Authorization: Bearer {token}"


Ask = Callable[[Attempt], bytes]


@pytest.fixture(scope="module")
def settled() -> dict[str, set[Attempt]]:
    """By question: those that no world needs to be asked again, since it was the gateway that refused, or decided.

    Its configuration is the same whoever is behind it, and it asks nobody before it refuses.
    """
    return defaultdict(set)


def all_reached(ask: Ask, refused: set[Attempt], *, part: int = 0, of: int = 1) -> dict[Attempt, str]:
    """Which protected handler each attempt reached. `part`, `of`: every so many of them, beginning there.

    One after the other, on connections of their own: who waits takes no processor from those who work.
    """
    reached = {}
    for attempt in attempts()[part::of]:
        if attempt not in refused:
            response = ask(attempt)
            if is_refusal(response):
                refused.add(attempt)
            elif (handler := handler_of(response)) in PROTECTED:
                reached[attempt] = handler
    return reached


def is_refusal(response: bytes) -> bool:
    """Whether it was the gateway that refused: no application here has problems of this type."""
    return b"\r\nContent-Type: application/problem+json\r\n" in response


def unexplained(world: World, reached: dict[Attempt, str]) -> dict[str, str]:
    """Those that `check` did not tell of before."""
    told = world.told() if reached else set()
    return {str(attempt): handler for attempt, handler in reached.items() if not is_told(attempt, told)}


def is_told(attempt: Attempt, told: set[str]) -> bool:
    """Whether `check` prints this request of this configuration, or the like with another suffix."""
    return attempt.kind == "suffix" and attempt.target.startswith(tuple(told))


async def test_the_attempts_are_many_and_each_application_falls_for_some(world: World) -> None:
    assert len(attempts()) > 2500

    def ask(attempt: Attempt) -> bytes:
        return responds(world.direct, attempt.raw())

    reached = await asyncio.to_thread(all_reached, ask, set(), of=5)
    assert set(reached.values()) == set(PROTECTED)
    assert len(reached) > 30
    # Without a gateway an honest request needs nothing.
    assert handler_of(await asyncio.to_thread(ask, Attempt("honest", "GET", "/admin/users"))) == "admin"


async def test_who_may_reaches_what_is_protected(world: World) -> None:
    for path, handler in (("/admin/users", "admin"), ("/orders/1", "orders"), ("/items/1/secret", "secret")):
        attempt = Attempt("honest", "GET", path)
        for scope, reached in ((ENOUGH, handler), ("other", "nothing")):
            response = await asyncio.to_thread(responds, world.through, attempt.raw(bearer(scope)))
            assert handler_of(response) == reached


async def test_nobody_reaches_a_protected_handler_without_its_rule(
    world: World, settled: dict[str, set[Attempt]]
) -> None:
    def ask(attempt: Attempt) -> bytes:
        return responds(world.through, attempt.raw())

    reached = await asyncio.to_thread(all_reached, ask, settled["nobody"])
    assert unexplained(world, reached) == {}
    assert 500 < len(settled["nobody"]) < len(attempts()) - 500


async def test_nor_does_somebody_whose_token_is_for_something_else(
    world: World, settled: dict[str, set[Attempt]]
) -> None:
    shown = bearer("other")

    def ask(attempt: Attempt) -> bytes:
        return responds(world.through, attempt.raw(shown))

    reached = await asyncio.to_thread(all_reached, ask, settled["somebody"], part=1, of=3)
    assert unexplained(world, reached) == {}


@pytest.mark.parametrize(("part", "style"), [(0, "nginx"), (1, "forward"), (2, "envoy")])
async def test_no_decision_lets_anybody_reach_one(
    world: World, settled: dict[str, set[Attempt]], part: int, style: str
) -> None:
    allowed = settled[f"{style} allows"]

    def ask(attempt: Attempt) -> bytes:
        if attempt not in allowed:
            decision = responds(world.decisions, asked(style, attempt))
            if b" 200 " not in decision[:20]:
                return decision
            allowed.add(attempt)
        # The proxy forwards what its own client sent, less what it was told to replace.
        return responds(world.direct, attempt.raw())

    reached = await asyncio.to_thread(all_reached, ask, settled[style], part=part, of=3)
    assert unexplained(world, reached) == {}


def asked(style: str, attempt: Attempt) -> bytes:
    """The question of a proxy whose client made this attempt."""
    if style == "envoy":
        head = [f"{attempt.method} /envoy{attempt.target} HTTP/1.1", f"Host: {attempt.host}"]
    else:
        names = (
            ("X-Original-Method", "X-Original-URI", "X-Original-Host")
            if style == "nginx"
            else ("X-Forwarded-Method", "X-Forwarded-Uri", "X-Forwarded-Host")
        )
        facts = zip(names, (attempt.method, attempt.target, attempt.host), strict=True)
        head = [f"GET /{style} HTTP/1.1", "Host: gateway", *(f"{name}: {value}" for name, value in facts)]
        head += ["X-Forwarded-Proto: http"] if style == "forward" else []
    return "\r\n".join([*head, *attempt.lines, "Connection: close", "", ""]).encode()
