"""Every row by its name: what is measured against what, and the target."""

from collections.abc import Iterator
from typing import Protocol

from tests.bench.footprint import BODIES, IDLE_CONNECTIONS, MEMORY
from tests.bench.go_rivals import GoRivals
from tests.bench.peers import DPOP, FRONTED, OPERATED, Site, gateway, nothing_between, usual_proxy
from tests.bench.races import ALL, MOST, NONE, Comparison, Effort, Race, Side
from tests.bench.results import Result
from tests.bench.rivals import envoy, haproxy
from tests.bench.tunnel import Tunnel


class Row(Protocol):
    """Measures one or more lines of the report."""

    @property
    def row(self) -> str:
        """Its name."""

    def measure(self, site: Site, effort: Effort) -> Iterator[Result]:
        """The lines. CannotMeasure."""


def _against_envoy(
    row: str,
    tokens: int,
    target: float,
    what: str,
    *,
    hits: tuple[float, float],
    envoy_hits: tuple[float, float],
    passes: int = 1,
) -> Race:
    """Tokens in turn, and which of them are found in both memories."""
    return Race(
        row,
        peers={"gateway": gateway(), "envoy": envoy()},
        sides={"gateway": Side("gateway"), "envoy": Side("envoy")},
        comparisons=(Comparison(f"{what}, against Envoy", "gateway", "envoy", target),),
        tokens=tokens,
        passes=passes,
        hits={"gateway": hits, "envoy": envoy_hits},
    )


def _shaped(row: str, shape: str, what: str, target: float, *, haproxy_too: float | None = None) -> Race:
    """Requests of another shape, against Envoy, and HAProxy where that has a target."""
    too = haproxy_too is not None
    return Race(
        row,
        peers={"gateway": gateway(), "envoy": envoy(), **({"haproxy": haproxy()} if too else {})},
        sides={name: Side(name, shape=shape) for name in ("gateway", "envoy", *(("haproxy",) if too else ()))},
        comparisons=(
            Comparison(f"{what}, against Envoy", "gateway", "envoy", target),
            *((Comparison(f"{what}, against HAProxy", "gateway", "haproxy", haproxy_too),) if too else ()),
        ),
    )


def _fronted(row: str, connections: int, what: str, target: float) -> Race:
    """Behind a proxy that tells for whom it asks: each request of another client, with another token."""
    return Race(
        row,
        peers={"gateway": gateway(more=FRONTED), "envoy": envoy(fronted=True)},
        sides={name: Side(name, shape="fronted") for name in ("gateway", "envoy")},
        comparisons=(
            Comparison(f"a proxy in front, 6,000 clients on {what}, against Envoy", "gateway", "envoy", target),
        ),
        connections=connections,
        tokens=6_000,
        hits={"gateway": ALL, "envoy": ALL},
    )


def _against_hot(row: str, other: Side, starter: gateway, what: str, target: float | None) -> Race:
    """What no other program of a run does as the gateway does it: against its own row of one token."""
    return Race(
        row,
        peers={"other": starter, "gateway": gateway()},
        sides={"other": other, "gateway": Side("gateway")},
        comparisons=(Comparison(f"{what}, against a JWT that is known", "other", "gateway", target),),
    )


ROWS: tuple[Row, ...] = (
    Race(
        "hot",
        peers={"gateway": gateway(), "haproxy": haproxy(), "envoy": envoy()},
        sides={"gateway": Side("gateway"), "haproxy": Side("haproxy"), "envoy": Side("envoy")},
        comparisons=(
            Comparison("one token, against HAProxy `jwt_verify`", "gateway", "haproxy", 1.75),
            Comparison("one token, against Envoy `jwt_authn` with its memory", "gateway", "envoy", 2.0),
            Comparison("one token, p99 on 64 connections, against Envoy", "gateway", "envoy", 1.0, of="p99"),
        ),
    ),
    Race(
        "quiet",
        peers={"gateway": gateway(access="none"), "haproxy": haproxy(access=False), "envoy": envoy(access=False)},
        sides={"gateway": Side("gateway"), "haproxy": Side("haproxy"), "envoy": Side("envoy")},
        comparisons=(
            Comparison("one token, nobody logs requests, against HAProxy", "gateway", "haproxy"),
            Comparison("one token, nobody logs requests, against Envoy", "gateway", "envoy"),
        ),
    ),
    Race(
        "context",
        peers={
            "gateway": gateway(),
            "usual": usual_proxy,
            "open": haproxy(checks=False),
            "nginx": nothing_between,
        },
        sides={
            "gateway": Side("gateway"),
            "usual": Side("usual", judges=False),
            "open": Side("open", judges=False),
            "nginx": Side("nginx", judges=False),
        },
        comparisons=(
            Comparison("one token, against the usual aiohttp proxy, which judges and logs nothing", "gateway", "usual"),
            Comparison("one token, against HAProxy without any check", "gateway", "open"),
            Comparison("one token, against the API itself", "gateway", "nginx"),
        ),
    ),
    _against_envoy("fitting", 6_000, 1.75, "6,000 tokens in turn (all fit)", hits=ALL, envoy_hits=ALL),
    # One time for the memory to fill, one to notice, one to settle.
    _against_envoy(
        "thrashing",
        12_000,
        1.1,
        "12,000 tokens in turn (each keeps 10,000; Envoy finds none)",
        hits=MOST,
        envoy_hits=NONE,
        passes=3,
    ),
    # More than are kept and known to have been pushed out: whoever comes again is as new as at first.
    _against_envoy(
        "unseen", 24_000, 1.1, "tokens never seen before (none is found)", hits=NONE, envoy_hits=NONE, passes=0
    ),
    _shaped("browser", "browser", "a browser's 13 headers", 1.6),
    _shaped("traced", "traced", "a new `traceparent` and `X-Request-Id` each time", 1.6),
    _fronted("fronted", 64, "64 connections", 1.6),
    _fronted("funnel", 1, "one connection", 1.2),
    _shaped("post", "post", "POST with 1 KiB", 1.0, haproxy_too=1.0),
    Race(
        "tls",
        peers={"gateway": gateway(tls=True), "haproxy": haproxy(tls=True), "envoy": envoy(tls=True)},
        sides={"gateway": Side("gateway"), "haproxy": Side("haproxy"), "envoy": Side("envoy")},
        comparisons=(
            Comparison("clients come with TLS, against HAProxy", "gateway", "haproxy", 1.0),
            Comparison("clients come with TLS, against Envoy", "gateway", "envoy", 1.0),
        ),
    ),
    _against_hot("opaque", Side("other", token="opaque"), gateway(asks=True), "an opaque token that is known", 0.97),
    _against_hot("revoked", Side("other"), gateway(revoked=250_000), "a JWT where 250,000 others are revoked", 0.97),
    _against_hot(
        "operated", Side("other"), gateway(more=OPERATED), "one token, console and tracing configured and idle", 0.97
    ),
    _against_hot(
        "dpop", Side("other", shape="dpop", token="bound"), gateway(more=DPOP), "DPoP, a new proof each time", None
    ),
    Race(
        "gate",
        peers={"gateway": gateway(routes=("{path: /public/*, access: public}", "{path: /protected/*}"))},
        sides={
            "protected": Side("gateway", "/protected/", judges=False),
            "public": Side("gateway", "/public/", sends=False, judges=False),
            "public with a token": Side("gateway", "/public/", judges=False),
        },
        comparisons=(
            Comparison("the gate: an admitted request against one of a public route", "protected", "public", 0.9),
            Comparison("the same, the public one carrying a token too", "protected", "public with a token"),
        ),
    ),
    Race(
        "single",
        peers={"gateway": gateway(), "haproxy": haproxy()},
        sides={"gateway": Side("gateway"), "haproxy": Side("haproxy")},
        comparisons=(Comparison("one connection, one request at a time, against HAProxy", "gateway", "haproxy", 1.2),),
        connections=1,
    ),
    Race(
        "large",
        peers={"gateway": gateway(), "haproxy": haproxy()},
        sides={"gateway": Side("gateway", "/files/1MiB"), "haproxy": Side("haproxy", "/files/1MiB")},
        comparisons=(Comparison("responses of 1 MiB, against HAProxy", "gateway", "haproxy", 1.0),),
    ),
    Race(
        "routes",
        peers={
            "ten": gateway(routes=tuple(f"{{path: /r{number}/*}}" for number in range(10))),
            "thousand": gateway(routes=tuple(f"{{path: /r{number}/*}}" for number in range(1000))),
        },
        sides={
            "ten": Side("ten", "/r9/orders", judges=False),
            "thousand": Side("thousand", "/r999/orders", judges=False),
        },
        comparisons=(Comparison("matching with 1,000 routes against 10, the last one", "thousand", "ten", 0.95),),
    ),
    GoRivals(),
    BODIES,
    MEMORY,
    IDLE_CONNECTIONS,
    Tunnel(),
)
