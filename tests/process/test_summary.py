"""The first line of the log says what runs, what is open to everybody, and what only reports."""

from typing import Any

import pytest

from gateway.core.config.file import Config
from gateway.core.config.issuers import Issuer
from gateway.core.config.routes import RouteSection
from gateway.core.config.tls import ListenerTls
from gateway.core.config.upstreams import UpstreamSection
from gateway.process.listening import Bound, Listeners
from gateway.process.summary import summary
from tests.wire import Start


async def test_it_says_which_routes_are_open_and_which_only_report(start: Start) -> None:
    routes = (
        RouteSection(path="/health", access="public"),
        RouteSection(path="/prices", access="optional"),
        RouteSection(path="/orders/*", methods=("GET",), mode="report"),
        RouteSection(path="/reports/*", name="reports", mode="report"),
        RouteSection(path="/*"),
    )
    gateway = await start(routes=routes, upstreams={"shop": UpstreamSection(url="http://shop.test")})
    written = gateway.stderr.getvalue()
    assert f"http://shop.test, {gateway.upstream.url}; 5 routes; " in written
    assert "PUBLIC: /health; TOKEN OPTIONAL: /prices; REPORTS ONLY: GET /orders/*, reports; " in written
    assert "every path needs" not in written
    metrics = (await gateway.admin("/metrics")).body.decode()
    assert "gateway_report_mode_routes 2.0" in metrics


async def test_without_routes_it_says_that_every_path_needs_a_token(start: Start) -> None:
    gateway = await start()
    assert "every path needs an access token; " in gateway.stderr.getvalue()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"preset": "auth0"}, "; issuers: i.example for api (preset auth0)"),
        ({"allow_unclassified": True}, "; issuers: i.example for api UNCLASSIFIED TOKENS ARE ADMITTED"),
        ({"audience": ("api", "other")}, "; issuers: i.example for api, other"),
    ],
)
def test_it_says_whose_tokens_are_accepted(settings: dict[str, Any], said: str) -> None:
    issuer = Issuer(**{"issuer": "https://i.example", "audience": "api", **settings})
    line = summary(Config(upstream="http://a", issuers=(issuer,)), Listeners(Bound("127.0.0.1:1", ()), None, None))
    assert line.endswith(said)
    assert "admin on" not in line


def test_it_says_whether_it_speaks_tls_and_asks_for_certificates() -> None:
    listeners = Listeners(Bound("127.0.0.1:1", ()), None, None)
    tls = ListenerTls(certificate="a", key="b", client_ca="c", client_certificates="required")
    line = summary(Config(upstream="http://a", issuers=(), tls=tls), listeners)
    assert "in front of http://a; TLS, client certificates: required; every path" in line
    assert "TLS" not in summary(Config(upstream="http://a", issuers=()), listeners)


def test_it_says_where_else_it_listens_and_how_many_workers_there_are() -> None:
    bound = [Bound(f"127.0.0.1:{port}", ()) for port in (1, 2, 3)]
    line = summary(Config(upstream="http://a", issuers=(), workers=3), Listeners(*bound))
    assert "listens on 127.0.0.1:1, admin on 127.0.0.1:3, decisions on 127.0.0.1:2, in front of http://a; " in line
    assert line.endswith("; 3 workers")
