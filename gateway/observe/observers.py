"""Who hears what: metrics and access log are told what each of them knows, directly; or nobody is.

Who listens to more of it gets a line where it is told: on the way of a request no list is gone through.
"""

from collections.abc import Callable
from typing import Protocol

from gateway.core.errors import Refusal
from gateway.events import Event
from gateway.observe.access import AccessLog
from gateway.observe.metrics.metrics import Metrics
from gateway.ports import Ending
from gateway.sampled import Traced


class Tracing(Protocol):
    """Who makes spans."""

    def request_ended(self, ending: Ending) -> None:
        """A request is over that is traced, or that could not be read."""

    def happened(self, event: Event) -> None:
        """One of the rare facts."""


class Observers:
    """The Observer of a running gateway: hears of everything, decides nothing."""

    def __init__(
        self,
        metrics: Metrics,
        access: AccessLog,
        tracing: Tracing | None = None,
        *,
        refused: Callable[[Ending], None] | None = None,
    ) -> None:
        """`refused`: hears of requests that were refused, or would have been."""
        self._metrics = metrics
        self._access = access
        self._tracing = tracing
        self._refused = refused

    def token_looked_up(self, *, hit: bool) -> None:
        """The verified-token cache was asked."""
        self._metrics.token_looked_up(hit=hit)

    def token_verified(self, issuer: str | None, refusal: Refusal | None) -> None:
        """A token that was not in the cache was judged."""
        self._metrics.token_verified(issuer, refusal)

    def request_ended(self, ending: Ending) -> None:
        """A request is over."""
        self._metrics.request_ended(ending)
        self._access.request_ended(ending)
        if self._tracing is not None and (isinstance(ending, Traced) or ending.facts is None):
            self._tracing.request_ended(ending)
        if self._refused is not None and (ending.refusal is not None or ending.reported is not None):
            self._refused(ending)

    def connections_open(self, count: int) -> None:
        """Client connections now."""
        self._metrics.connections_open(count)

    def requests_in_flight(self, count: int) -> None:
        """Requests under way now."""
        self._metrics.requests_in_flight(count)

    def upstream_connections(self, upstream: str, *, idle: int, busy: int) -> None:
        """Connections to an upstream now."""
        self._metrics.upstream_connections(upstream, idle=idle, busy=busy)

    def tunnels_open(self, count: int) -> None:
        """Tunnels now."""
        self._metrics.tunnels_open(count)

    def happened(self, event: Event) -> None:
        """One of the rare facts."""
        self._metrics.happened(event)
        if self._tracing is not None:
            self._tracing.happened(event)


class Unheard:
    """The Observer that nobody listens to: of what is only explained, nothing is counted or logged."""

    def token_looked_up(self, *, hit: bool) -> None:
        """Nobody asks."""

    def token_verified(self, issuer: str | None, refusal: Refusal | None) -> None:
        """Nobody asks."""

    def request_ended(self, ending: Ending) -> None:
        """Nobody asks."""

    def connections_open(self, count: int) -> None:
        """Nobody asks."""

    def requests_in_flight(self, count: int) -> None:
        """Nobody asks."""

    def upstream_connections(self, upstream: str, *, idle: int, busy: int) -> None:
        """Nobody asks."""

    def tunnels_open(self, count: int) -> None:
        """Nobody asks."""

    def happened(self, event: Event) -> None:
        """Nobody asks."""
