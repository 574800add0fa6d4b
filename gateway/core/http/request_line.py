"""Methods that are never served and targets that are too long, in a request line or in a header that tells of one."""

from gateway.core.config.limits import Limits
from gateway.core.errors import MethodNotAllowed, MethodNotImplemented, UriTooLong

#: what llhttp knows besides HTTP: RTSP (RFC 7826), Icecast, and the tunnels of RFC 9110 section 9.3.6
_OTHER_PROTOCOLS = frozenset(
    {
        "CONNECT",
        "PRI",
        "SOURCE",
        *("DESCRIBE", "ANNOUNCE", "SETUP", "PLAY", "PAUSE", "TEARDOWN", "RECORD", "REDIRECT", "FLUSH"),
        *("GET_PARAMETER", "SET_PARAMETER"),
    }
)
_NEVER_SERVED = _OTHER_PROTOCOLS | {"TRACE"}


def check_request_line(method: str, target: bytes, limits: Limits) -> None:
    """MethodNotImplemented, MethodNotAllowed, UriTooLong."""
    if method in _NEVER_SERVED:
        raise MethodNotAllowed("TRACE") if method == "TRACE" else MethodNotImplemented(method)
    if len(target) > limits.uri_bytes:
        raise UriTooLong(f"the target has {len(target)} bytes; {limits.uri_bytes} are accepted")
