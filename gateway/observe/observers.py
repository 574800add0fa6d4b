"""The Observer of a running gateway: tells metrics and access log what happened."""

from gateway.core.errors import Refusal
from gateway.observe.access import AccessLog
from gateway.observe.metrics.metrics import Metrics
from gateway.ports import Ending


class Witness:
    """Hears of everything, decides nothing."""

    def __init__(self, metrics: Metrics, access: AccessLog) -> None:
        self._metrics = metrics
        self._access = access

    def token_looked_up(self, *, hit: bool) -> None:
        """The verified-token cache was asked."""
        if hit:
            self._metrics.hit()
        else:
            self._metrics.miss()

    def token_verified(self, issuer: str | None, refusal: Refusal | None) -> None:
        """A token that was not in the cache was judged."""
        self._metrics.token_verified(issuer, refusal)

    def keys_fetched(self, issuer: str, *, ok: bool, at: float) -> None:
        """A key fetch ended."""
        self._metrics.jwks_refreshes.labels(issuer, "ok" if ok else "error").inc()
        if ok:
            self._metrics.jwks_success.labels(issuer).set(at)

    def keys_suppressed(self, issuer: str) -> None:
        """A key fetch was asked for and not made."""
        self._metrics.jwks_refreshes.labels(issuer, "suppressed").inc()

    def keys_known(self, issuer: str, *, count: int, stale: bool) -> None:
        """How many usable keys there are now."""
        self._metrics.jwks_keys.labels(issuer).set(count)
        self._metrics.jwks_stale.labels(issuer).set(stale)

    def connections_open(self, count: int) -> None:
        """Client connections now."""
        self._metrics.connections.set(count)

    def requests_in_flight(self, count: int) -> None:
        """Requests under way now."""
        self._metrics.in_flight.set(count)

    def upstream_connections(self, upstream: str, *, idle: int, busy: int) -> None:
        """Connections to an upstream now."""
        self._metrics.upstream_connections_now(upstream, idle=idle, busy=busy)

    def tunnels_open(self, count: int) -> None:
        """Tunnels now."""
        self._metrics.tunnels.set(count)

    def request_ended(self, ending: Ending) -> None:
        """A request is over."""
        self._metrics.request_ended(ending)
        self._access.request_ended(ending)
