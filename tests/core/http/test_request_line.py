"""What is refused whether it stands in a request line or in a header."""

import pytest

from gateway.core.config.limits import Limits
from gateway.core.config.section import Size
from gateway.core.errors import MethodNotAllowed, MethodNotImplemented, Refusal, UriTooLong
from gateway.core.http.request_line import check_request_line


@pytest.mark.parametrize(
    ("method", "target", "refusal"),
    [("CONNECT", b"/", MethodNotImplemented), ("TRACE", b"/", MethodNotAllowed), ("GET", b"/12345678", UriTooLong)],
)
def test_what_is_never_served(method: str, target: bytes, refusal: type[Refusal]) -> None:
    with pytest.raises(refusal):
        check_request_line(method, target, Limits(uri_bytes=Size(8)))


@pytest.mark.parametrize("method", ["GET", "PROPFIND"])
def test_everything_else_is(method: str) -> None:
    check_request_line(method, b"/1234567", Limits(uri_bytes=Size(8)))
