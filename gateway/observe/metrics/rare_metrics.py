"""What is counted of what happens rarely: keys, the store, and whatever else issuers are asked or tell.

Each kind of event has one method, found by its type.
"""

from collections.abc import Callable
from typing import Any, Final

from gateway.core.errors import LogoutFailed
from gateway.events import (
    CertificateKnown,
    Event,
    HandshakeFailed,
    KeysFetched,
    KeysKnown,
    KeysSuppressed,
    LogoutHeard,
    ProofJudged,
    ProofsKnown,
    RevocationAdded,
    RevocationsKnown,
    SpansEnded,
    StoreKnown,
    StoreUsed,
    TokenIntrospected,
    TokenRequested,
    UserInfoAsked,
)
from gateway.libraries.counting import CollectorRegistry, Counter, Gauge, Histogram
from gateway.observe.metrics.store_metrics import StoreMetrics

#: values of labels
_OK, _ERROR, _SUPPRESSED = "ok", "error", "suppressed"
#: seconds
ASKED_BUCKETS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
#: of several workers: what one of them said last
_LATEST: Final = "mostrecent"


class RareMetrics:
    """Its part of the registry."""

    def __init__(self, registry: CollectorRegistry, *, issuers: tuple[str, ...], logouts: tuple[str, ...]) -> None:
        """`issuers`: configured names; `logouts`: of those whose logouts are heard. Both have series from the start."""
        #: issuers that have series
        self._expected: set[str] = set()
        self._jwks_success = Gauge(
            "gateway_jwks_last_success_timestamp_seconds",
            "When keys were last fetched.",
            ("issuer",),
            registry=registry,
            multiprocess_mode=_LATEST,
        )
        self._jwks_keys = Gauge(
            "gateway_jwks_keys", "Usable keys.", ("issuer",), registry=registry, multiprocess_mode=_LATEST
        )
        self._jwks_stale = Gauge(
            "gateway_jwks_stale",
            "1 while the last refresh of the keys has failed.",
            ("issuer",),
            registry=registry,
            multiprocess_mode=_LATEST,
        )
        self._jwks_age_limit = Gauge(
            "gateway_jwks_age_limit_seconds",
            "How long after the last fetch that succeeded the keys are too old to be used.",
            ("issuer",),
            registry=registry,
            multiprocess_mode=_LATEST,
        )
        self._jwks_refreshes = Counter(
            "gateway_jwks_refreshes_total", "Key fetches, made or suppressed.", ("issuer", "result"), registry=registry
        )
        self._introspections = Counter(
            "gateway_introspections_total",
            "Tokens that an issuer was asked about, or was to be.",
            ("issuer", "result"),
            registry=registry,
        )
        self._introspection_seconds = Histogram(
            "gateway_introspection_seconds",
            "From a question about a token to the response of its issuer.",
            buckets=ASKED_BUCKETS,
            registry=registry,
        )
        self._userinfo = Counter(
            "gateway_userinfo_total",
            "Claims that tokens lacked, asked of issuers.",
            ("issuer", "result"),
            registry=registry,
        )
        self._revocations = Gauge(
            "gateway_revocations",
            "Entries of the list of what is revoked.",
            ("kind",),
            registry=registry,
            multiprocess_mode=_LATEST,
        )
        self._revocations_added = Counter(
            "gateway_revocations_added_total",
            "What was revoked, by who said so.",
            ("kind", "source"),
            registry=registry,
        )
        self._logouts = Counter(
            "gateway_backchannel_logouts_total",
            "Logout tokens that were posted for an issuer.",
            ("issuer", "result"),
            registry=registry,
        )
        self._exchanges = Counter(
            "gateway_exchanges_total",
            "Tokens for APIs: asked for, or found among what replicas share.",
            ("upstream", "result"),
            registry=registry,
        )
        self._proofs = Counter(
            "gateway_dpop_proofs_total",
            "DPoP proofs that were used up, or refused, by reason.",
            ("result",),
            registry=registry,
        )
        self._used_proofs: Gauge | None = None
        self._registry = registry
        self._handshakes_failed = Counter(
            "gateway_tls_handshakes_failed_total",
            "Connections of clients whose TLS did not begin.",
            ("reason",),
            registry=registry,
        )
        self._certificate_end = Gauge(
            "gateway_tls_certificate_expiry_timestamp_seconds",
            "When the certificate that clients are shown ends.",
            ("listener",),
            registry=registry,
            multiprocess_mode=_LATEST,
        )
        self._spans = Counter(
            "gateway_trace_spans_total",
            "Spans that the collector took, or that were dropped.",
            ("result",),
            registry=registry,
        )
        store = StoreMetrics(registry)
        self._heard: Final[dict[type, Callable[[Any], None]]] = {
            KeysFetched: self._keys_fetched,
            KeysSuppressed: self._keys_suppressed,
            KeysKnown: self._keys_known,
            StoreUsed: store.used,
            StoreKnown: store.known,
            ProofJudged: self._proof_judged,
            ProofsKnown: self._proofs_known,
            RevocationAdded: self._revocation_added,
            RevocationsKnown: self._revocations_known,
            LogoutHeard: self._logout_heard,
            UserInfoAsked: self._userinfo_asked,
            TokenRequested: self._token_requested,
            TokenIntrospected: self._token_introspected,
            HandshakeFailed: self._handshake_failed,
            CertificateKnown: self._certificate_known,
            SpansEnded: self._spans_ended,
        }
        self.expect(issuers, logouts)

    def expect(self, issuers: tuple[str, ...], logouts: tuple[str, ...]) -> None:
        """An increase from nothing is none: the first that fails is to be seen. As `__init__`."""
        for issuer in logouts:
            for result in (_OK, LogoutFailed.reason):
                self._logouts.labels(issuer, result)
        for issuer in issuers:
            if issuer not in self._expected:
                self._expected.add(issuer)
                self._jwks_keys.labels(issuer).set(0)
                self._jwks_stale.labels(issuer).set(0)
            for result in (_OK, _ERROR, _SUPPRESSED):
                self._jwks_refreshes.labels(issuer, result)

    def happened(self, event: Event) -> None:
        """Counts it."""
        self._heard[type(event)](event)

    def _keys_fetched(self, event: KeysFetched) -> None:
        self._jwks_refreshes.labels(event.issuer, _OK if event.ok else _ERROR).inc()
        if event.ok:
            self._jwks_success.labels(event.issuer).set(event.at)

    def _keys_suppressed(self, event: KeysSuppressed) -> None:
        self._jwks_refreshes.labels(event.issuer, _SUPPRESSED).inc()

    def _keys_known(self, event: KeysKnown) -> None:
        self._jwks_keys.labels(event.issuer).set(event.count)
        self._jwks_stale.labels(event.issuer).set(event.stale)
        if event.age_limit is not None:
            self._jwks_age_limit.labels(event.issuer).set(event.age_limit)

    def _revocation_added(self, event: RevocationAdded) -> None:
        self._revocations_added.labels(event.kind, event.source).inc()

    def _revocations_known(self, event: RevocationsKnown) -> None:
        for kind, count in event.counts:
            self._revocations.labels(kind).set(count)

    def _proof_judged(self, event: ProofJudged) -> None:
        self._proofs.labels(event.result).inc()

    def _proofs_known(self, event: ProofsKnown) -> None:
        # Only where they are remembered here: a series without them would say that there were none.
        if self._used_proofs is None:
            self._used_proofs = Gauge(
                "gateway_dpop_used_proofs",
                "Used DPoP proofs that are remembered in memory; at 1,000,000 no further one is accepted.",
                registry=self._registry,
                multiprocess_mode="livesum",
            )
        self._used_proofs.set(event.count)

    def _logout_heard(self, event: LogoutHeard) -> None:
        self._logouts.labels(event.issuer, event.result).inc()

    def _userinfo_asked(self, event: UserInfoAsked) -> None:
        self._userinfo.labels(event.issuer, event.result).inc()

    def _token_requested(self, event: TokenRequested) -> None:
        self._exchanges.labels(event.upstream, event.result).inc()

    def _token_introspected(self, event: TokenIntrospected) -> None:
        self._introspections.labels(event.issuer, event.result).inc()
        if event.seconds is not None:
            self._introspection_seconds.observe(event.seconds)

    def _spans_ended(self, event: SpansEnded) -> None:
        self._spans.labels(event.result).inc(event.count)

    def _handshake_failed(self, event: HandshakeFailed) -> None:
        self._handshakes_failed.labels(event.reason).inc()

    def _certificate_known(self, event: CertificateKnown) -> None:
        self._certificate_end.labels(event.listener).set(event.ends_at)
