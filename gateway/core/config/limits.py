"""The section `limits`: bounds on what a client may send and hold."""

from typing import Annotated

from gateway.core.config.section import Seconds, Section, Size, default
from gateway.core.config.section import described as _doc


class Limits(Section, frozen=True, kw_only=True):
    """Bounds on what a client may send and hold."""

    header_bytes: Annotated[Size, _doc("head of a request, request line included")] = default(Size(32 * 1024))
    header_count: Annotated[int, _doc("header lines of a request")] = 100
    uri_bytes: Annotated[Size, _doc("request target")] = default(Size(16 * 1024))
    token_bytes: Annotated[Size, _doc("access token")] = default(Size(16 * 1024))
    body_bytes: Annotated[Size | None, _doc("body of a request; null: any")] = None
    header_timeout: Annotated[Seconds, _doc("time for the head of a request to arrive")] = default(Seconds(10))
    body_timeout: Annotated[Seconds, _doc("longest silence of a client that owes a body")] = default(Seconds(30))
    body_rate: Annotated[
        Size | None, _doc("bytes a second of a body, over 30s in which the gateway waits for it; null: any")
    ] = default(Size(240))
    send_timeout: Annotated[Seconds, _doc("how long a client may take nothing of its response")] = default(Seconds(30))
    keepalive: Annotated[Seconds, _doc("how long an idle client connection stays open")] = default(Seconds(75))
    connections: Annotated[int, _doc("client connections at a time")] = 10_000
    tunnels: Annotated[
        int | None,
        _doc("WebSockets at a time, to all upstreams together; null: three quarters of each max_connections"),
    ] = None
    routes: Annotated[int, _doc("routes of the file, at most 20000; a file with more is refused")] = 5_000
    drain_delay: Annotated[Seconds, _doc("time between not being ready and refusing, at the end")] = default(Seconds(5))
    drain: Annotated[Seconds, _doc("time for requests in flight to end, after drain_delay")] = default(Seconds(20))
