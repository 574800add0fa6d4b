"""Requests that fail though nothing is wrong with them: what the gateway depends on, the gateway, or nobody there."""

from gateway.core.errors.refusal import Refusal


class Unavailable(Refusal):
    status = 503

    def __init__(self, evidence: str = "", *, retry_after: int | None = 5) -> None:
        super().__init__(evidence, retry_after=retry_after)


class IssuerUnavailable(Unavailable):
    reason = "issuer_unavailable"
    public = "The keys of the token issuer cannot be had at the moment. The token may be fine: try again."


class StoreUnavailable(Unavailable):
    reason = "store_unavailable"
    public = "What the replicas of this gateway share cannot be had at the moment. The token may be fine: try again."


class ReplayMemoryFull(StoreUnavailable):
    """It is the memory of this process, and it does not forget before its time."""

    public = "This gateway remembers as many DPoP proofs as it can. The token may be fine: try again."


class IntrospectionUnavailable(Unavailable):
    reason = "introspection_unavailable"
    public = "The token issuer cannot say at the moment whether this token is active. The token may be fine: try again."


class UserInfoUnavailable(Unavailable):
    reason = "userinfo_unavailable"
    public = "The token issuer cannot say at the moment who this is. The token may be fine: try again."


class ExchangeUnavailable(Unavailable):
    reason = "exchange_unavailable"
    public = "A token for the API behind this gateway cannot be had at the moment. Try again."


class UpstreamBusy(Unavailable):
    reason = "upstream_busy"
    public = "The API behind this gateway is busy. Try again."


class Overloaded(Unavailable):
    reason = "overloaded"
    public = "This gateway holds as many connections as it may. Try again."


class Draining(Unavailable):
    reason = "draining"
    public = "This gateway is stopping. Try again on a new connection."


class UpstreamFailed(Refusal):
    status = 502


class UpstreamUnreachable(UpstreamFailed):
    reason = "upstream_unreachable"
    public = "The API behind this gateway cannot be reached."


class UpstreamClosed(UpstreamUnreachable):
    """It could be reached, and said nothing: the same to programs, but people look elsewhere."""

    public = "The API behind this gateway closed the connection without a response."


class UpstreamProtocolError(UpstreamFailed):
    reason = "upstream_protocol_error"
    public = "The API behind this gateway did not respond in well-formed HTTP."


class UpstreamTimeout(Refusal):
    status = 504
    reason = "upstream_timeout"
    public = "The API behind this gateway did not respond in time."


class InternalError(Refusal):
    status = 500
    reason = "internal_error"
    public = "The gateway failed. The failure was logged."


class ClientDisconnected(Refusal):
    status = 499
    reason = "client_disconnected"
    public = "The client went away before the response was complete."
