"""Every row by its name: what is measured against what, and the target."""

from collections.abc import Iterator
from typing import Protocol

from tests.bench.footprint import BODIES, IDLE_CONNECTIONS, MEMORY
from tests.bench.peers import Site, gateway, nothing_between, usual_proxy
from tests.bench.races import Comparison, Effort, Race, Side
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


def _against_envoy(row: str, tokens: int, target: float, what: str, *, hits: float) -> Race:
    return Race(
        row,
        peers={"gateway": gateway(), "envoy": envoy()},
        sides={"gateway": Side("gateway"), "envoy": Side("envoy")},
        comparisons=(Comparison(f"{tokens:,} tokens in turn ({what}), against Envoy", "gateway", "envoy", target),),
        tokens=tokens,
        hits=hits,
    )


ROWS: tuple[Row, ...] = (
    Race(
        "hot",
        peers={"gateway": gateway(), "haproxy": haproxy(), "envoy": envoy()},
        sides={"gateway": Side("gateway"), "haproxy": Side("haproxy"), "envoy": Side("envoy")},
        comparisons=(
            Comparison("one token, against HAProxy `jwt_verify`", "gateway", "haproxy", 1.0),
            Comparison("one token, against Envoy `jwt_authn` with its memory", "gateway", "envoy", 1.5),
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
    _against_envoy("fitting", 6_000, 1.5, "all fit", hits=1.0),
    _against_envoy("thrashing", 12_000, 1.0, "none is ever found", hits=0.0),
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
        comparisons=(Comparison("one connection, one request at a time, against HAProxy", "gateway", "haproxy", 0.9),),
        connections=1,
    ),
    Race(
        "large",
        peers={"gateway": gateway(), "haproxy": haproxy()},
        sides={"gateway": Side("gateway", "/files/1MiB"), "haproxy": Side("haproxy", "/files/1MiB")},
        comparisons=(Comparison("responses of 1 MiB, against HAProxy", "gateway", "haproxy", 0.8),),
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
    BODIES,
    MEMORY,
    IDLE_CONNECTIONS,
    Tunnel(),
)
