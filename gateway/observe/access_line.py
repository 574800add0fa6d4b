"""The shape of a line of the access log."""

import msgspec


class AccessLine(msgspec.Struct, omit_defaults=True):
    """The fields of docs/observability.md, in their order; what is absent is left out."""

    ts: str
    client: str | None = None
    method: str | None = None
    path: str | None = None
    status: int | None = None
    route: str | None = None
    outcome: str | None = None
    reason: str | None = None
    evidence: str | None = None
    rate: str | None = None
    issuer: str | None = None
    tenant: str | None = None
    client_id: str | None = None
    sub: str | None = None
    kid: str | None = None
    token: str | None = None
    place: str | None = None
    jkt: str | None = None
    duration_ms: float | None = None
    upstream_ms: float | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    request_id: str | None = None
    trace_id: str | None = None
